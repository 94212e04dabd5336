package aws

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"time"
)

// environment is a running program and the Runtime API that it speaks to
// (https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html).
type environment struct {
	of      *Function
	cmd     *exec.Cmd
	server  *http.Server
	began   time.Time
	first   sync.Once
	pending chan *invocation // what it is to do next
	gone    chan struct{}    // closed when the program has ended
	over    sync.Once

	mu  sync.Mutex
	now *invocation // what it does
}

// invocation is one event.
type invocation struct {
	id       string
	event    []byte
	deadline time.Time
	done     chan outcome // has room for one
}

type outcome struct {
	answer []byte
	err    error
}

// Where functions are, and what they are told. The credentials are none.
const (
	region  = "eu-central-1"
	account = "000000000000"
)

// start runs the program. It inherits nothing but what Lambda would give it,
// and ends with us: its API is gone then.
func (f *Function) start() (*environment, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	e := &environment{of: f, pending: make(chan *invocation, 1), gone: make(chan struct{})}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /2018-06-01/runtime/invocation/next", e.next)
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/response", e.response)
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/error", e.failure)
	mux.HandleFunc("POST /2018-06-01/runtime/init/error", e.failure)
	e.server = &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}

	e.cmd = exec.Command(f.Path)
	e.cmd.Env = append([]string{
		"AWS_LAMBDA_RUNTIME_API=" + ln.Addr().String(),
		"AWS_LAMBDA_FUNCTION_NAME=" + f.Name,
		"AWS_LAMBDA_FUNCTION_VERSION=$LATEST",
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE=128",
		"AWS_REGION=" + region,
		"AWS_ACCESS_KEY_ID=local",
		"AWS_SECRET_ACCESS_KEY=local",
		"AWS_SESSION_TOKEN=local",
		"PATH=" + os.Getenv("PATH"),
	}, f.Env...)
	said, err := e.cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	e.cmd.Stdout = e.cmd.Stderr
	e.began = time.Now()
	if err := e.cmd.Start(); err != nil {
		ln.Close()
		return nil, err
	}
	go func() { _ = e.server.Serve(ln) }() // until the program has ended
	go e.attend(said)
	return e, nil
}

// attend hears what the program says, until its end.
func (e *environment) attend(said io.Reader) {
	lines := bufio.NewReader(said)
	for {
		line, err := lines.ReadString('\n')
		if e.of.Log != nil && line != "" {
			fmt.Fprintf(e.of.Log, "%s: %s", e.of.Name, line)
		}
		if err != nil {
			break
		}
	}
	err := e.cmd.Wait()
	e.server.Close()
	close(e.gone)
	e.finish("", outcome{err: &FunctionError{"Runtime.ExitError", fmt.Sprintf("%s ended: %v", e.of.Name, err)}})
}

// invoke hands an event to the program and waits for the answer. taken tells
// whether the program has seen it.
func (e *environment) invoke(event []byte, timeout time.Duration) (answer []byte, taken bool, err error) {
	i := &invocation{newID(), event, time.Now().Add(timeout), make(chan outcome, 1)}
	e.mu.Lock()
	e.now = i
	e.mu.Unlock()
	e.pending <- i
	limit := time.NewTimer(timeout)
	defer limit.Stop()
	var o outcome
	select {
	case o = <-i.done:
	case <-e.gone:
		select {
		case o = <-i.done: // its last word
		default:
			o.err = &FunctionError{"Runtime.ExitError", e.of.Name + " ended"}
		}
	case <-limit.C:
		e.end()
		<-e.gone
		o.err = &FunctionError{"Sandbox.Timedout", fmt.Sprintf("Task timed out after %.2f seconds", timeout.Seconds())}
	}
	return o.answer, len(e.pending) == 0, o.err
}

// end kills the program, as Lambda does.
func (e *environment) end() { e.over.Do(func() { _ = e.cmd.Process.Kill() }) }

func (e *environment) ended() bool {
	select {
	case <-e.gone:
		return true
	default:
		return false
	}
}

func (e *environment) next(w http.ResponseWriter, r *http.Request) {
	e.first.Do(func() {
		if e.of.Cold != nil {
			e.of.Cold(time.Since(e.began))
		}
	})
	select {
	case i := <-e.pending:
		h := w.Header()
		h.Set("Content-Type", "application/json")
		h.Set("Lambda-Runtime-Aws-Request-Id", i.id)
		h.Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(i.deadline.UnixMilli(), 10))
		h.Set("Lambda-Runtime-Invoked-Function-Arn", ARN("lambda", "function:"+e.of.Name))
		h.Set("Lambda-Runtime-Trace-Id", "Root=1-0-0;Sampled=0")
		_, _ = w.Write(i.event)
	case <-r.Context().Done():
	}
}

// ARN names something of a service's, in the only account there is.
func ARN(service, name string) string {
	return "arn:aws:" + service + ":" + region + ":" + account + ":" + name
}

const maxAnswer = 6 << 20 // bytes, which is Lambda's limit

func (e *environment) response(w http.ResponseWriter, r *http.Request) {
	answer, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxAnswer))
	o := outcome{answer: answer}
	if err != nil {
		o = outcome{err: &FunctionError{"Function.ResponseSizeTooLarge", err.Error()}}
	}
	e.finish(r.PathValue("id"), o)
	w.WriteHeader(http.StatusAccepted)
}

func (e *environment) failure(w http.ResponseWriter, r *http.Request) {
	failed := &FunctionError{}
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxAnswer)).Decode(failed); err != nil {
		failed.Type, failed.Message = "Runtime.BadError", err.Error()
	}
	e.finish(r.PathValue("id"), outcome{err: failed})
	w.WriteHeader(http.StatusAccepted)
}

// finish ends what goes on, if it has that id or id is empty.
func (e *environment) finish(id string, o outcome) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.now != nil && (id == "" || e.now.id == id) {
		e.now.done <- o
		e.now = nil
	}
}
