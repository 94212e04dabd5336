package edge_test

import (
	"bufio"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ebb-events/ebb/edge"
	"github.com/ebb-events/ebb/internal/dial/dialtest"
	"github.com/ebb-events/ebb/sse"
)

// TestSSRF: whatever a request or an origin says, only the origin is asked
// (S42). What names may mean is tested in internal/dial.
func TestSSRF(t *testing.T) {
	var inside, asked atomic.Int32
	internal := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { inside.Add(1) }))
	defer internal.Close()
	target := strings.TrimPrefix(internal.URL, "http://")
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		if r.URL.Path == "/redirect" {
			http.Redirect(w, r, internal.URL, http.StatusTemporaryRedirect)
		}
	}))
	defer origin.Close()
	e := must(edge.New(edge.Config{Log: newLog(), Publisher: newLog(), Origin: must(url.Parse(origin.URL)), GripKey: key}))
	front := httptest.NewServer(e)
	defer front.Close()

	lines := []string{
		"GET http://" + target + "/ HTTP/1.1",
		"GET https://" + target + "/ HTTP/1.1",
		"GET file:///etc/passwd HTTP/1.1",
		"GET gopher://" + target + "/ HTTP/1.1",
		"GET //" + target + "/ HTTP/1.1",
		"GET ///" + target + "/ HTTP/1.1",
		"GET /\\" + target + "/ HTTP/1.1",
		"GET /@" + target + "/ HTTP/1.1",
		"GET @" + target + "/ HTTP/1.1",
		"GET /%2f%2f" + target + " HTTP/1.1",
		"GET /..//" + target + " HTTP/1.1",
		"GET http://x@" + target + "/ HTTP/1.1",
		"GET /?url=http://" + target + " HTTP/1.1",
		"CONNECT " + target + " HTTP/1.1",
		"OPTIONS * HTTP/1.1",
		"GET /redirect HTTP/1.1",
	}
	for _, line := range lines {
		for _, host := range []string{"edge.example", target, "edge.example@" + target, "169.254.169.254"} {
			for _, accept := range []string{"*/*", sse.ContentType} { // a stream takes a way of its own
				status := raw(t, front, fmt.Sprintf("%s\r\nHost: %s\r\nX-Forwarded-Host: %s\r\nForwarded: host=%[3]s\r\nAccept: %s\r\nConnection: close\r\n\r\n", line, host, target, accept))
				if line == "GET /redirect HTTP/1.1" && status != http.StatusTemporaryRedirect && status != http.StatusBadRequest {
					t.Errorf("the redirect became %d", status)
				}
			}
		}
	}
	if n := inside.Load(); n > 0 {
		t.Errorf("%d requests got through", n)
	}
	if n := asked.Load(); n < 20 {
		t.Errorf("the origin was asked %d times: nothing was tested", n)
	}
}

// TestOriginThatRebinds: a name that comes to mean where clouds hand out
// credentials is refused, whatever it meant before.
func TestOriginThatRebinds(t *testing.T) {
	names := dialtest.New(t, 127, 0, 0, 1)
	names.System(t)
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Connection", "close") }))
	defer origin.Close()
	_, port, _ := net.SplitHostPort(origin.Listener.Addr().String())
	var logged strings.Builder
	e := must(edge.New(edge.Config{
		Log: newLog(), Publisher: newLog(), Origin: must(url.Parse("http://rebinds.example:" + port)), GripKey: key,
		Logger: slog.New(slog.NewTextHandler(&logged, nil)),
	}))
	front := httptest.NewServer(e)
	const request = "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
	if got := raw(t, front, request); got != http.StatusOK {
		t.Errorf("got %d", got)
	}
	names.Mean(169, 254, 169, 254)
	got := raw(t, front, request)
	front.Close()
	if got != http.StatusBadGateway || !strings.Contains(logged.String(), "link-local") {
		t.Errorf("got %d, logged %s", got, &logged)
	}
}

// raw sends text to a server and returns the status of the answer, 0 if there
// is none.
func raw(t *testing.T, to *httptest.Server, text string) int {
	t.Helper()
	conn := must(net.Dial("tcp", to.Listener.Addr().String()))
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	io.WriteString(conn, text)
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return 0
	}
	resp.Body.Close()
	return resp.StatusCode
}

// TestOriginsAreURLsOfServers: nothing else can be configured.
func TestOriginsAreURLsOfServers(t *testing.T) {
	for _, origin := range []string{"file:///etc/passwd", "ftp://a", "//a", "a:80", "http://", "http:///x", "unix:/run/x"} {
		u, err := url.Parse(origin)
		if err != nil {
			continue
		}
		if _, err := edge.New(edge.Config{Log: newLog(), Publisher: newLog(), Origin: u, GripKey: key}); err == nil {
			t.Errorf("%s is taken for an origin", origin)
		}
	}
}

// TestAnswersOfOriginsAreBounded also in their header; TestSetupFaults has their
// bodies and their time.
func TestAnswersOfOriginsAreBounded(t *testing.T) {
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for i := range 90 {
			w.Header().Set(fmt.Sprintf("X-%d", i), strings.Repeat("x", 1000))
		}
	}))
	defer origin.Close()
	e := must(edge.New(edge.Config{Log: newLog(), Publisher: newLog(), Origin: must(url.Parse(origin.URL)), GripKey: key}))
	front := httptest.NewServer(e)
	defer front.Close()
	resp := must(http.Get(front.URL))
	resp.Body.Close()
	if resp.StatusCode != http.StatusBadGateway {
		t.Errorf("got %d for a header of 90 kB", resp.StatusCode)
	}
}
