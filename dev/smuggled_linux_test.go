package dev_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/ebb-events/ebb/internal/broker"
)

// hiding are good requests. What they hide is the business of their bodies.
var hiding = map[string]string{
	"a body by length":            "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 40\r\n\r\n" + marked + "GET /b HTTP/1.1\r\nHost: x\r\n\r\n",
	"a body of a GET":             "GET /a HTTP/1.1\r\nHost: x\r\nContent-Length: 40\r\n\r\n" + marked + "GET /b HTTP/1.1\r\nHost: x\r\n\r\n",
	"a body of a HEAD":            "HEAD /a HTTP/1.1\r\nHost: x\r\nContent-Length: 40\r\n\r\n" + marked + "GET /b HTTP/1.1\r\nHost: x\r\n\r\n",
	"a chunk":                     chunked("Transfer-Encoding: chunked\r\n", "28\r\n"+marked+"\r\n0\r\n\r\n"),
	"a chunk, in odd letters":     chunked("TRANSFER-encoding: \tChunked \r\n", "0000028\r\n"+marked+"\r\n000\r\n\r\n"),
	"chunks":                      chunked("Transfer-Encoding: chunked\r\n", "1\r\nG\r\n27\r\n"+marked[1:]+"\r\n0\r\n\r\n"),
	"an extension of a chunk":     chunked("Transfer-Encoding: chunked\r\n", "1;x=\"GET /smuggled HTTP/1.1\"\r\nX\r\n0\r\n\r\n"),
	"a trailer":                   chunked("Transfer-Encoding: chunked\r\nTrailer: x\r\n", "0\r\nX: GET /smuggled HTTP/1.1\r\nContent-Length: 40\r\n\r\n"),
	"a body that nobody reads":    "POST /unread HTTP/1.1\r\nHost: x\r\nContent-Length: 40\r\n\r\n" + marked,
	"chunks that nobody reads":    "POST /unread HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n28\r\n" + marked + "\r\n0\r\n\r\n",
	"more than anybody skips":     "POST /unread HTTP/1.1\r\nHost: x\r\nContent-Length: 480000\r\n\r\n" + strings.Repeat(marked, 12000),
	"a body that is waited for":   "POST /a HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 40\r\n\r\n" + marked,
	"a body nobody has asked for": "POST /unread HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 40\r\n\r\n" + marked,
	"a body that is cut":          "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 400\r\n\r\n" + marked,
	"a chunk that is cut":         chunked("Transfer-Encoding: chunked\r\n", "28\r\n"+marked),
	"a body that ends a stream":   "POST /a HTTP/1.0\r\nHost: x\r\nContent-Length: 40\r\n\r\n" + marked,
	"an upgrade that nobody does": "GET /a HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\nContent-Length: 40\r\n\r\n" + marked,
}

// marked has 40 bytes, and would be a request of its own.
const marked = "GET /smuggled HTTP/1.1\r\nHost: hidden\r\n\r\n"

// tunnel asks for one: a proxy passes on what follows, if the answer is yes.
const tunnel = "CONNECT x:80 HTTP/1.1\r\nHost: x:80\r\n\r\n"

// TestSmugglingBehindProxies sends the corpus through nginx and HAProxy, which
// share their connections to us: what our handler gets, and the origin behind an
// edge, are the requests that the proxy has read and answers for. The next
// client, on the same connection to us, gets its own answer (S44).
func TestSmugglingBehindProxies(t *testing.T) {
	t.Parallel()
	for _, p := range sharing {
		t.Run(p.name, func(t *testing.T) {
			w := witnessed(t)
			throughAll(t, w, share(t, p.program, p.buffer, w.addr))
		})
		t.Run(p.name+", and an edge", func(t *testing.T) {
			w := witnessed(t)
			throughAll(t, w, share(t, p.program, p.buffer, edgeBefore(t, w.addr)))
		})
	}
}

// throughAll sends all that there is to a proxy at addr.
func throughAll(t *testing.T, w *witness, addr string) {
	corpus := maps.Clone(smuggling)
	for name, request := range hiding {
		corpus["hidden in "+name] = request
	}
	corpus["a tunnel"] = tunnel + marked
	for name, request := range corpus {
		port, replies, _ := tell(t, addr, []byte(request+end), brief)
		saw := w.take()
		for _, wrong := range disagree(port, saw, replies) {
			t.Errorf("%s: %s", name, wrong)
		}
		for _, s := range saw {
			if hiding[strings.TrimPrefix(name, "hidden in ")] != "" && strings.Contains(s.target, "smuggled") {
				t.Errorf("%s: %s %s was served", name, s.method, s.target)
			}
		}
		next(t, w, addr, name)
	}
	// What is looked at is there to be seen.
	port, replies, _ := tell(t, addr, []byte("GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"+end), soon)
	if saw := w.take(); len(disagree(port, saw, replies)) > 0 || len(saw) != 2 || saw[0].target != "/smuggled" || saw[1].target != "/end" {
		t.Errorf("two good requests got %+v and were %+v", replies, saw)
	}
}

// next asks as another client does, and returns from where that came to us.
func next(t testing.TB, w *witness, addr, after string) (from string) {
	t.Helper()
	port, replies, _ := tell(t, addr, []byte("GET /next HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"), soon)
	saw := w.take()
	for _, wrong := range disagree(port, saw, replies) {
		t.Errorf("the next client after %s: %s", after, wrong)
	}
	for _, s := range saw {
		if s.whole && s.target == "/next" {
			from = s.from
		}
	}
	if from == "" || len(replies) != 1 || replies[0].status != http.StatusOK {
		t.Fatalf("the next client after %s got %+v, and we saw %+v", after, replies, saw)
	}
	return from
}

// TestProxiesShareTheirConnections, or the next client would prove nothing.
func TestProxiesShareTheirConnections(t *testing.T) {
	t.Parallel()
	for _, p := range sharing {
		w := witnessed(t)
		addr := share(t, p.program, p.buffer, w.addr)
		conns := map[string]bool{}
		for range 10 {
			conns[next(t, w, addr, "another")] = true
		}
		if len(conns) > 5 {
			t.Errorf("%s: ten clients came over %d connections", p.name, len(conns))
		}
	}
}

// TestDisagreementIsFound: with a server that takes CONNECT, HAProxy makes a
// tunnel of the connection, and does not read what goes through it.
func TestDisagreementIsFound(t *testing.T) {
	t.Parallel()
	w := &witness{}
	w.addr = listening(t, func(ctx context.Context, ln net.Listener) error {
		s := &http.Server{Handler: w}
		context.AfterFunc(ctx, func() { s.Close() })
		if err := s.Serve(ln); err != http.ErrServerClosed {
			return err
		}
		return nil
	})
	conn, err := net.Dial("tcp", share(t, "haproxy", sharing[0].buffer, w.addr))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(soon))
	in := bufio.NewReader(conn)
	for _, request := range []string{tunnel, marked} {
		if _, err := io.WriteString(conn, request); err != nil {
			t.Fatal(err)
		}
		if _, err := http.ReadResponse(in, nil); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := fmt.Sprint(disagree("", w.take(), nil)), "GET /smuggled was read by no proxy"; !strings.Contains(got, want) {
		t.Errorf("got %s, want %s", got, want)
	}
}

// edgeBefore runs `ebb edge` before an origin until the test ends.
func edgeBefore(t *testing.T, origin string) (addr string) {
	t.Helper()
	b, err := broker.Start(broker.Config{Addr: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	addr, admin := freeAddr(t), freeAddr(t)
	cmd := exec.Command(ebb, "edge", "--addr", addr, "--control-addr", freeAddr(t), "--admin-addr", admin,
		"--origin", "http://"+origin, "--kafka", b.Addr(), "--proxies", "127.0.0.1")
	cmd.Env = append(os.Environ(), "EBB_GRIP_KEY=grip-9Kq2vX7mB4tZ8wLc6yRd1sHj5pNa0eF", "EBB_PUBLISH_KEY="+publishKey)
	run(t, cmd)
	await(t, "an edge", func() bool {
		resp, err := client.Get("http://" + admin + "/readyz")
		if err != nil {
			return false
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
	return addr
}
