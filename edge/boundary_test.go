package edge_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/ebb-events/ebb/channel"
	"github.com/ebb-events/ebb/edge"
	"github.com/ebb-events/ebb/grip"
	"github.com/ebb-events/ebb/sse"
)

// TestNotCached: no answer to a stream's request is one that anybody keeps,
// however it ends, and whatever the client says that it has (S28).
func TestNotCached(t *testing.T) {
	serving(t, setUp, nil, func(s *site) {
		s.append(event("ann", 0, "0"))
		for _, path := range []string{"/?u=ann", "/?u=ann&ttl=0"} {
			p := s.stream(path, "If-None-Match", "*", "If-Modified-Since", time.Now().UTC().Format(http.TimeFormat), "Range", "bytes=0-1", "If-Range", `"x"`)
			if p.resp.StatusCode != 200 || p.resp.Header.Get("Cache-Control") != "no-store" {
				t.Errorf("%s: got %d %v", path, p.resp.StatusCode, p.resp.Header)
			}
			for _, name := range []string{"Etag", "Last-Modified", "Expires", "Age", "Accept-Ranges", "Content-Range", "Content-Length"} {
				if got := p.resp.Header[name]; got != nil {
					t.Errorf("%s: %s is %q", path, name, got)
				}
			}
			p.close()
		}
		_ = s.edge.Drain(s.t.Context(), 0)
		p := s.stream("/?u=ann")
		if p.resp.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("sent away with %v", p.resp.Header)
		}
		p.want(`ebb.bye {"reason":"draining"}`)
		p.close()
	})
}

// TestNoCompressionByDefault: what somebody else may have a part in is never
// compressed with what is secret, so its length tells nothing (S27).
func TestNoCompressionByDefault(t *testing.T) {
	serving(t, setUp, nil, func(s *site) {
		for _, accept := range []string{"gzip", "gzip, deflate, br, zstd", "*", "identity;q=0, gzip;q=1"} {
			p := s.stream("/?u=ann", "Accept-Encoding", accept)
			if got := p.resp.Header["Content-Encoding"]; got != nil {
				t.Errorf("%s: compressed as %q", accept, got)
			}
			p.want("ebb.hello")
			p.close()
		}
	})
}

// TestCompressedLengthLeak: two events that differ in how alike their parts are
// take the same room on the wire (S27).
func TestCompressedLengthLeak(t *testing.T) {
	log := newLog()
	box := must(edge.New(edge.Config{
		Log: log, Publisher: log, Origin: must(url.Parse("http://origin")), GripKey: key, Transport: &world{t: t, log: log, origin: setUp},
	}))
	defer running(t, box)()
	front := facing(box)
	defer front.Close()
	defer front.CloseClientConnections()
	const secret = "secret=Zr4kP9vX2mQ7"
	sizes := map[int]int{}
	for i, guess := range []string{"secret=Zr4kP9vX2mQ7", "secret=Zr4kP9aaaaaa", "abcdefghijklmnopqrs", "aaaaaaaaaaaaaaaaaaa"} {
		user := fmt.Sprint("u", i)
		conn := must(net.Dial("tcp", front.Listener.Addr().String()))
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
		must(fmt.Fprintf(conn, "GET /?u=%s HTTP/1.1\r\nHost: edge\r\nAccept: text/event-stream\r\nAccept-Encoding: gzip, br, zstd, deflate\r\n\r\n", user))
		var wire bytes.Buffer
		in := bufio.NewReader(io.TeeReader(conn, &wire))
		resp := must(http.ReadResponse(in, nil))
		events := sse.NewReader(resp.Body)
		if e := must(events.Next()); e.Name != "ebb.hello" {
			t.Fatalf("got %q", e.Name)
		}
		before := wire.Len()
		err := log.Append(t.Context(), []channel.Record{event(user, 7, `{"mine":"`+secret+`","theirs":"`+guess+`"}`)})
		if err != nil {
			t.Fatal(err)
		}
		e := must(events.Next())
		sizes[wire.Len()-before]++
		if !bytes.Contains(e.Data, []byte(guess)) {
			t.Errorf("got %q", e.Data)
		}
	}
	if len(sizes) != 1 {
		t.Errorf("sizes %v, want one", sizes)
	}
}

// TestHeaderInjection: nothing that an origin or a publisher puts into a header,
// or into a name, begins a line of its own in an answer (S25).
func TestHeaderInjection(t *testing.T) {
	breaks := []string{"\r\n", "\n", "\r", "\r\n ", "\x00", "\u560a\u560d", "\u2028", "\x85", "\x0b"}
	for _, br := range breaks {
		evil := "a" + br + "Set-Cookie: evil=1" + br + br + "data: evil" + br + br
		instructs := map[string]grip.Instruct{
			"a value":   {Hold: hold("ann", nil), Response: grip.Response{Header: http.Header{"Content-Type": {sse.ContentType}, "X-A": {evil}}}},
			"a name":    {Hold: hold("ann", nil), Response: grip.Response{Header: http.Header{"Content-Type": {sse.ContentType}, evil: {"x"}}}},
			"a type":    {Hold: hold("ann", nil), Response: grip.Response{Header: http.Header{"Content-Type": {sse.ContentType + ";" + evil}}}},
			"a channel": {Hold: hold(evil, nil), Response: grip.Response{Header: http.Header{"Content-Type": {sse.ContentType}}}},
			"a proof":   {Hold: hold("ann", map[string]string{grip.MetaProof: evil, grip.MetaSession: evil, grip.MetaTTL: evil})},
			"a meta":    {Hold: hold("ann", map[string]string{evil: evil})},
		}
		for name, in := range instructs {
			t.Run(fmt.Sprintf("%q in %s", br, name), func(t *testing.T) {
				t.Parallel() // it waits most of the time
				noLineOfItsOwn(t, func(w http.ResponseWriter, r *http.Request) {
					w.Header().Set("Content-Type", grip.InstructType)
					_, _ = w.Write(must(json.Marshal(in)))
				}, "/")
			})
		}
	}
	t.Run("in the request", func(t *testing.T) {
		for _, query := range []string{"u=%0d%0aSet-Cookie:%20evil=1%0d%0a%0d%0adata:%20evil", "u=ann%00", "u=a%0d%0a%0d%0adata:%20evil%0d%0a%0d%0a"} {
			noLineOfItsOwn(t, setUp, "/?"+query)
		}
	})
}

func hold(name string, meta map[string]string) *grip.Hold {
	return &grip.Hold{Mode: grip.ModeStream, Channels: []grip.Channel{{Name: name}}, Meta: meta}
}

// noLineOfItsOwn asks for a stream over a socket, and looks at what comes.
func noLineOfItsOwn(t *testing.T, origin http.HandlerFunc, path string) {
	t.Helper()
	log := newLog()
	box := must(edge.New(edge.Config{
		Log: log, Publisher: log, Origin: must(url.Parse("http://origin")), GripKey: key, Transport: &world{t: t, log: log, origin: origin},
	}))
	defer running(t, box)()
	for name, front := range map[string]*httptest.Server{"taken over": facing(box), "by net/http": httptest.NewServer(box)} {
		conn := must(net.Dial("tcp", front.Listener.Addr().String()))
		_ = conn.SetReadDeadline(time.Now().Add(20 * time.Second))
		must(fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: edge\r\nAccept: text/event-stream\r\n\r\n", path))
		var got []byte
		for b := make([]byte, 4096); ; {
			n, err := conn.Read(b)
			got = append(got, b[:n]...)
			if err != nil {
				break
			}
			_ = conn.SetReadDeadline(time.Now().Add(100 * time.Millisecond)) // of a stream there is more to come
		}
		conn.Close()
		front.CloseClientConnections()
		front.Close()
		if !bytes.HasPrefix(got, []byte("HTTP/1.1 ")) {
			t.Errorf("%s: got %q, want an answer", name, got)
		}
		for _, line := range strings.FieldsFunc(string(got), func(c rune) bool { return c == '\r' || c == '\n' }) {
			if line = strings.TrimSpace(line); strings.HasPrefix(line, "Set-Cookie") || strings.HasPrefix(line, "data: evil") {
				t.Errorf("%s: %q is a line of\n%q", name, line, got)
			}
		}
		header, _, _ := strings.Cut(string(got), "\r\n\r\n")
		if strings.ContainsAny(strings.ReplaceAll(header, "\r\n", ""), "\r\n\x00") {
			t.Errorf("%s: control characters in %q", name, header)
		}
	}
}
