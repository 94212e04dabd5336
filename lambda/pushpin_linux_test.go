package lambda_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ebb-events/ebb/internal/aws"
	"github.com/ebb-events/ebb/sse"
)

// pushpin is Debian's, as a process.
type pushpin struct{ front, control string }

// startPushpin runs it in front of an origin, whose / says ready.
func startPushpin(t *testing.T, origin, secret string) pushpin {
	t.Helper()
	dir := must(os.MkdirTemp("", "pushpin")) // a short path: it has sockets in it
	t.Cleanup(func() { os.RemoveAll(dir) })
	front, control := freePort(), freePort()
	conf := strings.NewReplacer("DIR", dir, "FRONT", front, "CONTROL", control, "SECRET", secret).Replace(string(must(os.ReadFile("../edge/testdata/pushpin.conf"))))
	for name, text := range map[string]string{"pushpin.conf": conf, "routes": "* " + origin + "\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("pushpin", "--config="+filepath.Join(dir, "pushpin.conf"))
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM} // its parts are processes of their own
	if err := cmd.Start(); err != nil {
		t.Fatalf("%v (make deps installs it)", err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		late := time.AfterFunc(5*time.Second, func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) })
		defer late.Stop()
		_ = cmd.Wait()
	})
	p := pushpin{"http://127.0.0.1:" + front, "http://127.0.0.1:" + control}
	deadline := time.After(30 * time.Second)
	for good := 0; good < 20; { // its parts find each other one after the other
		select {
		case <-deadline:
			t.Fatal("Pushpin does not serve")
		case <-time.Tick(10 * time.Millisecond):
		}
		if p.serves() {
			good++
		} else {
			good = 0
		}
	}
	return p
}

func (p pushpin) serves() bool {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: time.Second}
	resp, err := client.Get(p.control)
	if err != nil {
		return false
	}
	resp.Body.Close()
	if resp, err = client.Get(p.front); err != nil {
		return false
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	return string(body) == "ready"
}

// freePort returns a port that nobody has, for a program that must be told one.
func freePort() string {
	ln := must(net.Listen("tcp", "127.0.0.1:0"))
	defer ln.Close()
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	return port
}

// TestPushpinAsTheEdge: the same functions redirect to Debian's Pushpin, which
// asks set-up and signs, and is published to. Redelivery is heard once there,
// too.
func TestPushpinAsTheEdge(t *testing.T) {
	secret := rand.Text() + rand.Text()
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "ready") })
	api := httptest.NewServer(mux)
	defer api.Close()
	// Under load Pushpin 1.36 now and then delivers nothing to anybody; another
	// one does.
	var pp pushpin
	for range 3 {
		if pp = startPushpin(t, api.Listener.Addr().String(), secret); pp.delivers(t, mux) {
			break
		}
		t.Log("Pushpin has stalled; another is asked")
	}
	env := []string{"EBB_EDGE_URL=" + pp.front, "EBB_GRIP_KEY=" + secret, "EBB_KEEP_ALIVE=1s", "EBB_PUBLISH_URL=" + pp.control}
	connect, _ := function(t, "connect", env...)
	setup, _ := function(t, "setup", env...)
	notify, _ := function(t, "notify", env...)
	mux.Handle("/api/sse-setup", &aws.Front{Invoke: setup.Invoke})

	got := ask(&aws.Front{Invoke: connect.Invoke}, "GET", "/api/sse", "", "Authorization", "Bearer "+token("ann"))
	location := got.Header().Get("Location")
	if got.Code != 307 || !strings.HasPrefix(location, pp.front+"/api/sse-setup?u=") {
		t.Fatalf("got %d to %s", got.Code, location)
	}
	stream, keptAlive := open(t, location)
	select {
	case <-keptAlive: // and so it is held: Pushpin answers before it listens
	case <-time.After(20 * time.Second):
		t.Fatal("a silent stream is not kept alive")
	}

	s, async := &aws.SNS{Copies: func(aws.Message) int { return 3 }}, &aws.Async{Invoke: notify.Invoke}
	defer async.Close()
	s.Subscribe(topic, aws.ToFunction(async))
	for n := range 20 {
		s.Publish(aws.Message{TopicARN: topic, Text: fmt.Sprintf(`{"n":%d,"_outcome":"applied","_subscriptions":["bob"],"_jwt":{"sub":"ann"}}`, n)})
	}
	s.Wait()
	async.Wait()
	if _, err := notify.Invoke(t.Context(), aws.SNSEvent(aws.Message{ID: "end", Text: `{"n":20,"_jwt":{"sub":"ann"}}`})); err != nil {
		t.Fatal(err)
	}
	seen := map[int]bool{}
	for len(seen) <= 20 {
		select {
		case e, ok := <-stream:
			var m map[string]any
			if !ok || json.Unmarshal(e.Data, &m) != nil || m["_jwt"] != nil {
				t.Fatalf("got %q %s after %d", e.Name, e.Data, len(seen))
			}
			n := int(m["n"].(float64))
			if seen[n] || n == 20 && len(seen) != 20 {
				t.Fatalf("%d came twice, or too early, after %d", n, len(seen))
			}
			seen[n] = true
		case <-time.After(20 * time.Second):
			t.Fatalf("nothing came after %d events", len(seen))
		}
	}
	// A stream without a ticket of ours is refused through Pushpin as well.
	resp := must(http.Get(pp.front + "/api/sse-setup?u=forged"))
	resp.Body.Close()
	if resp.StatusCode != 403 {
		t.Errorf("a forged ticket: %s", resp.Status)
	}
}

// delivers tells whether a stream hears what is published.
func (p pushpin) delivers(t *testing.T, mux *http.ServeMux) bool {
	path := "/probe-" + strings.TrimPrefix(p.control, "http://127.0.0.1:")
	mux.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		w.Header().Set("Grip-Hold", "stream")
		w.Header().Set("Grip-Channel", "probe")
	})
	stream, _ := open(t, p.front+path)
	resp, err := http.Post(p.control+"/publish/", "application/json", strings.NewReader(`{"items":[{"channel":"probe","formats":{"http-stream":{"content":"data: x\n\n"}}}]}`))
	if err != nil {
		return false
	}
	resp.Body.Close()
	select {
	case e := <-stream:
		return string(e.Data) == "x"
	case <-time.After(5 * time.Second):
		return false
	}
}

// open opens a stream until the test ends. Its comments are told apart.
func open(t *testing.T, url string) (events <-chan sse.Event, comments <-chan struct{}) {
	t.Helper()
	ctx, cut := context.WithCancel(context.Background())
	t.Cleanup(cut)
	resp, err := http.DefaultTransport.RoundTrip(must(http.NewRequestWithContext(ctx, "GET", url, nil)))
	if err != nil || resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("stream: %v, %v", resp, err)
	}
	all, alive := make(chan sse.Event, 1000), make(chan struct{}, 1)
	go func() {
		defer resp.Body.Close()
		defer close(all)
		r := sse.NewReader(io.TeeReader(resp.Body, listener{alive}))
		for {
			e, err := r.Next()
			if err != nil {
				return
			}
			all <- e
		}
	}()
	return all, alive
}

// listener hears keep-alives.
type listener struct{ heard chan struct{} }

func (l listener) Write(b []byte) (int, error) {
	if strings.Contains("\n"+string(b), "\n:\n") {
		select {
		case l.heard <- struct{}{}:
		default:
		}
	}
	return len(b), nil
}
