package lambda_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/ebb-events/ebb/internal/aws"
	"github.com/ebb-events/ebb/internal/pushpintest"
	"github.com/ebb-events/ebb/sse"
)

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
	var pp pushpintest.Pushpin
	for range 3 {
		if pp = pushpintest.Start(t, api.Listener.Addr().String(), secret); delivers(t, pp, mux) {
			break
		}
		t.Log("Pushpin has stalled; another is asked")
	}
	env := []string{"EBB_EDGE_URL=" + pp.Front, "EBB_GRIP_KEY=" + secret, "EBB_KEEP_ALIVE=1s", "EBB_PUBLISH_URL=" + pp.Control}
	connect, _ := function(t, "connect", env...)
	setup, _ := function(t, "setup", env...)
	notify, _ := function(t, "notify", env...)
	mux.Handle("/api/sse-setup", &aws.Front{Invoke: setup.Invoke})

	got := ask(&aws.Front{Invoke: connect.Invoke}, "GET", "/api/sse", "", "Authorization", "Bearer "+token("ann"))
	location := got.Header().Get("Location")
	if got.Code != 307 || !strings.HasPrefix(location, pp.Front+"/api/sse-setup?u=") {
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
	resp := must(http.Get(pp.Front + "/api/sse-setup?u=forged"))
	resp.Body.Close()
	if resp.StatusCode != 403 {
		t.Errorf("a forged ticket: %s", resp.Status)
	}
}

// delivers tells whether a stream hears what is published.
func delivers(t *testing.T, p pushpintest.Pushpin, mux *http.ServeMux) bool {
	path := "/probe-" + strings.TrimPrefix(p.Control, "http://127.0.0.1:")
	mux.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		w.Header().Set("Grip-Hold", "stream")
		w.Header().Set("Grip-Channel", "probe")
	})
	stream, _ := open(t, p.Front+path)
	resp, err := http.Post(p.Control+"/publish/", "application/json", strings.NewReader(`{"items":[{"channel":"probe","formats":{"http-stream":{"content":"data: x\n\n"}}}]}`))
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
