package edge_test

import (
	"bufio"
	"encoding/base64"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/ebb-events/ebb/sse"
)

// TestUnmodifiedLibraries: a back end that was written for Pushpin or Fastly
// Fanout runs behind this edge without knowing it.
func TestUnmodifiedLibraries(t *testing.T) {
	control := must(net.Listen("tcp", "127.0.0.1:0"))
	back := "http://127.0.0.1:" + origin(t, control)
	e := goLive(t, back, control)

	fetch := func(url string, headers ...string) *http.Response {
		t.Helper()
		r := must(http.NewRequestWithContext(t.Context(), "GET", url, nil))
		for i := 0; i+1 < len(headers); i += 2 {
			r.Header.Set(headers[i], headers[i+1])
		}
		resp, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { resp.Body.Close() })
		return resp
	}
	// do has the back end publish something.
	do := func(path string) {
		t.Helper()
		if resp := fetch(back + path); resp.StatusCode != 200 {
			t.Fatalf("%s got %d %s", path, resp.StatusCode, text(t, resp))
		}
	}

	t.Run("Grip-Sig", func(t *testing.T) {
		const signed = `{"isProxied":true,"needsSigned":true,"isSigned":true}`
		if got := text(t, fetch(e.front+"/sig", "Grip-Sig", "forged")); got != signed {
			t.Errorf("through the edge: %s, want %s", got, signed)
		}
		if got := text(t, fetch(back+"/sig", "Grip-Sig", "forged")); got == signed {
			t.Error("a forged signature was taken")
		}
	})

	t.Run("eventstream", func(t *testing.T) {
		open := func(lastID string) *sse.Reader {
			resp := fetch(e.front+"/events", "Accept", sse.ContentType, "Last-Event-ID", lastID)
			if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != sse.ContentType {
				t.Fatalf("got %d %v", resp.StatusCode, resp.Header)
			}
			return sse.NewReader(resp.Body)
		}
		want := func(r *sse.Reader, name, data string) (id string) {
			t.Helper()
			for {
				e, err := r.Next()
				if err != nil {
					t.Fatal(err)
				}
				if e.Name == "keep-alive" || strings.HasPrefix(e.Name, "ebb.") && !strings.HasPrefix(name, "ebb.") {
					continue
				}
				if e.Name != name || string(e.Data) != data {
					t.Fatalf("got %q %q, want %q %q", e.Name, e.Data, name, data)
				}
				return e.ID
			}
		}
		first := open("")
		want(first, "stream-open", "")
		want(first, "ebb.hello", "")
		do("/say?text=one")
		id := want(first, "message", `{"text":"one"}`)
		do("/say?text=two")
		want(first, "message", `{"text":"two"}`)
		// What Pushpin does not have, and costs the back end nothing:
		back := open(id)
		want(back, "stream-open", "")
		want(back, "message", `{"text":"two"}`)
	})

	t.Run("stream", func(t *testing.T) {
		resp := fetch(e.front + "/stream")
		lines := bufio.NewScanner(resp.Body)
		want := func(want string) {
			t.Helper()
			for lines.Scan() {
				if got := lines.Text(); got == want {
					return
				} else if got != "still here" {
					t.Fatalf("got %q, want %q", got, want)
				}
			}
			t.Fatalf("got the end, %v, want %q", lines.Err(), want)
		}
		want("open")
		want("still here") // after a second, though nothing is published
		for _, as := range []string{"jwt", "opaque", "basic"} {
			do("/publish?as=" + as + "&text=" + as + "%0A")
			want(as)
		}
		do("/close")
		for lines.Scan() {
			if got := lines.Text(); got != "still here" {
				t.Errorf("got %q behind the close", got)
			}
		}
		if err := lines.Err(); err != nil {
			t.Errorf("ended with %v", err)
		}
	})

	t.Run("long-poll", func(t *testing.T) {
		t.Run("time is up", func(t *testing.T) {
			begun := time.Now()
			if got := text(t, fetch(e.front+"/poll?timeout=5")); got != "nothing\n" || time.Since(begun) < 5*time.Second {
				t.Errorf("got %q after %v", got, time.Since(begun))
			}
		})
		t.Run("answered", func(t *testing.T) {
			got := make(chan *http.Response, 1)
			go func() { got <- fetch(e.front + "/poll") }()
			for n := 0; ; n++ { // until the hold is there
				do("/answer?text=news&id=" + string(rune('a'+n)))
				select {
				case resp := <-got:
					if body := text(t, resp); body != "news" || resp.StatusCode != 201 || resp.Header.Get("X-New") != "yes" || resp.Header.Get("Content-Type") != "text/plain" {
						t.Errorf("got %d %q %v", resp.StatusCode, body, resp.Header)
					}
					return
				case <-time.After(100 * time.Millisecond):
				}
				if n > 100 {
					t.Fatal("no answer comes through")
				}
			}
		})
	})
}

// origin starts testdata/grip/origin.mjs and returns its port.
func origin(t *testing.T, control net.Listener) (port string) {
	t.Helper()
	cmd := exec.Command("node", "origin.mjs")
	cmd.Dir = "../testdata/grip"
	at := "http://" + control.Addr().String() + "/"
	in64 := "base64:" + base64.StdEncoding.EncodeToString([]byte(secret))
	query := url.Values{"iss": {"realm"}, "key": {in64}, "verify-iss": {"ebb"}, "verify-key": {in64}}
	cmd.Env = append(os.Environ(), "GRIP_URL="+at+"?"+query.Encode(), "CONTROL_URL="+at, "PUBLISH_KEY="+secret)
	return child(t, cmd)
}
