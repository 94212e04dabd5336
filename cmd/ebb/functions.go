package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/ebb-events/ebb/internal/aws"
)

// functionFlags say which functions to run, and how.
type functionFlags struct {
	Functions string `placeholder:"DIR" help:"Folder of the functions, each <name>/bootstrap, as make lambda builds it; dist/lambda/<this machine's> if not given."`
}

// The topics of the functions.
var (
	commandTopic = aws.ARN("sns", "ebb-commands.fifo") // in the order of each instance
	replyTopic   = aws.ARN("sns", "ebb-replies")
)

// functions are the programs that Lambda would run, and SNS between them.
type functions struct {
	connect, setup, command, notify *aws.Function

	sns      *aws.SNS
	notifier *aws.Async
	failures *aws.Failures
	log      *slog.Logger
}

// programs returns where each function is, by name.
func (f functionFlags) programs() (map[string]string, error) {
	dir := f.Functions
	if dir == "" {
		dir = filepath.Join("dist", "lambda", runtime.GOARCH)
	}
	paths := map[string]string{}
	for _, name := range []string{"connect", "setup", "command", "notify"} {
		path, err := filepath.Abs(filepath.Join(dir, name, "bootstrap"))
		if err == nil {
			_, err = os.Stat(path)
		}
		if err != nil {
			return nil, fmt.Errorf("%w (--functions: make lambda builds them)", err)
		}
		paths[name] = path
	}
	return paths, nil
}

// newFunctions returns the programs as functions with that environment.
func newFunctions(paths map[string]string, env []string, log *slog.Logger) *functions {
	function := func(name string) *aws.Function {
		return &aws.Function{Name: name, Path: paths[name], Env: env, Log: functionLog{log}}
	}
	fs := &functions{
		connect: function("connect"), setup: function("setup"), command: function("command"), notify: function("notify"),
		sns: &aws.SNS{}, failures: &aws.Failures{}, log: log,
	}
	fs.notifier = &aws.Async{Invoke: fs.notify.Invoke, Name: "notify", Failed: fs.failed}
	fs.sns.Subscribe(replyTopic, aws.ToFunction(fs.notifier))
	return fs
}

func (fs *functions) failed(record []byte) {
	fs.failures.Add(record)
	fs.log.Error("a message for notify went to the failure destination", "part", "lambda", "record", string(record))
}

func (fs *functions) close() {
	fs.notifier.Close()
	for _, f := range []*aws.Function{fs.connect, fs.setup, fs.command, fs.notify} {
		f.Close()
	}
}

// handler is where the functions are called. front makes the events; what no
// function is for goes to other, or if that is nil to command, which refuses it.
func (fs *functions) handler(front func(*aws.Function) http.Handler, other http.Handler) http.Handler {
	connect, setup, command := front(fs.connect), front(fs.setup), front(fs.command)
	if other == nil {
		other = command
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := command
		switch path := r.URL.Path; {
		case path == "/api/sse":
			h = connect
		case path == "/api/sse-setup":
			h = setup
		case r.Method == http.MethodGet, r.Method == http.MethodHead, strings.HasPrefix(path, "/api/sse/"):
			h = other
		}
		h.ServeHTTP(w, r)
	})
}

// events has the SNS stand-in for publishers and programs, and what failed.
func (fs *functions) events() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", fs.sns)
	mux.Handle("GET /failures", fs.failures)
	return mux
}

// functionLog passes on what functions say: their lines of log are ours.
type functionLog struct{ log *slog.Logger }

func (l functionLog) Write(line []byte) (int, error) {
	name, text, _ := strings.Cut(strings.TrimSpace(string(line)), ": ")
	attrs := []slog.Attr{slog.String("part", "lambda"), slog.String("function", name)}
	level := slog.LevelInfo
	var said map[string]any
	if json.Unmarshal([]byte(text), &said) == nil && said[slog.MessageKey] != nil {
		text = fmt.Sprint(said[slog.MessageKey])
		_ = level.UnmarshalText([]byte(fmt.Sprint(said[slog.LevelKey]))) // or info
		for _, key := range slices.Sorted(maps.Keys(said)) {
			if key != slog.MessageKey && key != slog.LevelKey && key != slog.TimeKey {
				attrs = append(attrs, slog.Any(key, said[key]))
			}
		}
	}
	l.log.LogAttrs(context.Background(), level, text, attrs...)
	return len(line), nil
}

// again repeats what fails until it works or ctx ends.
func again(ctx context.Context, do func() error) error {
	const shortest, longest = 100 * time.Millisecond, 5 * time.Second
	for pause := shortest; ; pause = min(2*pause, longest) {
		err := do()
		if err == nil || ctx.Err() != nil {
			return err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return err
		}
	}
}
