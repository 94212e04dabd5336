package edge_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ebb-events/ebb/edge"
	"github.com/ebb-events/ebb/grip"
	"github.com/ebb-events/ebb/sse"
)

var originURL = must(url.Parse("http://origin"))

// wire is a network of one address, for a server in a bubble.
type wire struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newWire() *wire { return &wire{conns: make(chan net.Conn), closed: make(chan struct{})} }

func (n *wire) Accept() (net.Conn, error) {
	select {
	case c := <-n.conns:
		return c, nil
	case <-n.closed:
		return nil, net.ErrClosed
	}
}

func (n *wire) Close() error {
	n.once.Do(func() { close(n.closed) })
	return nil
}

func (n *wire) Addr() net.Addr { return &net.TCPAddr{} }

func (n *wire) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case n.conns <- addressed{server}:
		return client, nil
	case <-n.closed:
		return nil, errors.New("connection refused")
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (n *wire) transport() *http.Transport {
	return &http.Transport{DialContext: n.dial, DisableCompression: true, MaxResponseHeaderBytes: 64 << 10}
}

// addressed is a connection from somewhere.
type addressed struct{ net.Conn }

func (addressed) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 9), Port: 4} }

// site is an edge between a browser and an origin that both speak HTTP.
type site struct {
	*world
	http  *http.Client
	wire  *wire // to the edge
	back  *wire // to the origin
	tally tally
}

// tally counts what an edge tells its metrics.
type tally struct {
	sync.Mutex
	opened int
	closed map[string]int
	resets map[string]int
	origin map[int]int
	away   map[string]int
	sent   int
}

func (c *tally) metrics() edge.Metrics {
	c.closed, c.resets, c.origin, c.away = map[string]int{}, map[string]int{}, map[int]int{}, map[string]int{}
	count := func(f func()) { c.Lock(); defer c.Unlock(); f() }
	return edge.Metrics{
		Opened:    func() { count(func() { c.opened++ }) },
		Closed:    func(reason string) { count(func() { c.closed[reason]++ }) },
		Reset:     func(reason string) { count(func() { c.resets[reason]++ }) },
		Origin:    func(status int, _ time.Duration) { count(func() { c.origin[status]++ }) },
		SentAway:  func(reason string) { count(func() { c.away[reason]++ }) },
		Delivered: func(events, _ int) { count(func() { c.sent += events }) },
	}
}

// serving runs a test in a bubble, with an edge that proxies to origin.
func serving(t *testing.T, origin http.HandlerFunc, change func(*edge.Config), test func(s *site)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &site{world: &world{t: t, log: newLog()}, wire: newWire(), back: newWire()}
		quiet := log.New(io.Discard, "", 0)
		srv := &http.Server{Handler: origin, ErrorLog: quiet}
		go srv.Serve(s.back)
		way := s.back.transport()
		stop := s.start(func(c *edge.Config) {
			c.Transport = way
			c.Metrics = s.tally.metrics()
			if change != nil {
				change(c)
			}
		})
		front := &http.Server{Handler: s.edge, ErrorLog: quiet}
		go front.Serve(s.wire)
		browser := s.wire.transport()
		s.http = &http.Client{Transport: browser, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
		test(s)
		browser.CloseIdleConnections()
		front.Close()
		stop()
		way.CloseIdleConnections()
		srv.Close()
		synctest.Wait()
		opened, closed := s.tally.opened, 0
		for _, n := range s.tally.closed {
			closed += n
		}
		if opened != closed {
			t.Errorf("%d streams opened, %d closed: %v", opened, closed, s.tally.closed)
		}
	})
}

// ask sends a request: "METHOD path", then headers in pairs.
func (s *site) ask(request string, headers ...string) *http.Response {
	s.t.Helper()
	return s.send(s.t.Context(), nil, request, headers...)
}

// stream asks as an EventSource does. It must be closed.
func (s *site) stream(path string, headers ...string) *page {
	s.t.Helper()
	ctx, cancel := context.WithCancel(s.t.Context())
	resp := s.send(ctx, nil, "GET "+path, append([]string{"Accept", sse.ContentType}, headers...)...)
	return &page{s, resp, sse.NewReader(bufio.NewReader(resp.Body)), cancel}
}

func (s *site) send(ctx context.Context, body io.Reader, request string, headers ...string) *http.Response {
	s.t.Helper()
	method, path, _ := strings.Cut(request, " ")
	r := must(http.NewRequestWithContext(ctx, method, "http://edge.example"+path, body))
	if raw, query, ok := strings.Cut(path, "?"); ok {
		r.URL = must(url.Parse("http://edge.example" + raw))
		r.URL.RawQuery = query // as it is
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	resp, err := s.http.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	return resp
}

// page is a browser's side of a stream.
type page struct {
	site   *site
	resp   *http.Response
	events *sse.Reader
	cancel func()
}

// want reads events and compares them: "name data", or data alone. It waits.
func (p *page) want(want ...string) (last sse.Event) {
	p.site.t.Helper()
	for _, w := range want {
		e, err := p.events.Next()
		if got := strings.TrimSpace(e.Name + " " + string(e.Data)); err != nil || got != w {
			p.site.t.Errorf("got %q, %v, want %q", got, err, w)
		}
		last = e
	}
	return last
}

// ended fails if the stream does not end by itself, in good order.
func (p *page) ended() {
	p.site.t.Helper()
	if e, err := p.events.Next(); err != io.EOF {
		p.site.t.Errorf("got %q %q, %v, want the end", e.Name, e.Data, err)
	}
	p.close()
}

func (p *page) close() {
	p.cancel()
	p.resp.Body.Close()
	synctest.Wait()
}

// text reads all of a response.
func text(t *testing.T, resp *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Error(err)
	}
	resp.Body.Close()
	return string(b)
}

// holdFor is an origin that holds every request by headers in pairs.
func holdFor(body string, headers ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", sse.ContentType)
		w.Header().Set("Grip-Hold", grip.ModeStream)
		for i := 0; i+1 < len(headers); i += 2 {
			if headers[i] == "Content-Type" {
				w.Header().Del("Content-Type")
			}
			w.Header().Add(headers[i], headers[i+1])
		}
		io.WriteString(w, body)
	}
}
