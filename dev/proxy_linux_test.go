package dev_test

import (
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// proxy is one that people put in front of an edge: its configuration is the
// one of docs/proxies.md.
type proxy struct {
	name   string
	config string // in testdata
	idle   string // replaces 60 s, if given
	old    bool   // speaks HTTP/1.0 with edges, as nginx does unless told
	addr   string
	*program
	before *program // it takes over from
}

// reload starts it again without closing its address.
func (p *proxy) reload(s *shore) {
	if p.name == "nginx" {
		p.signal(syscall.SIGHUP)
		return
	}
	p.before = p.program
	p.start(s)
}

// start runs the proxy, also again after it was killed.
func (p *proxy) start(s *shore) {
	s.t.Helper()
	text, err := os.ReadFile(filepath.Join("../testdata", p.config))
	if err != nil {
		s.t.Fatal(err)
	}
	if p.addr == "" {
		p.addr = freeAddr(s.t)
	}
	away, err := filepath.Abs("../testdata/away.http")
	if err != nil {
		s.t.Fatal(err)
	}
	dir := s.all.TempDir()
	change := []string{
		"127.0.0.1:8443", p.addr, "/etc/ssl/stream.pem", s.pem,
		"127.0.0.1:8081", s.edges[0].addr, "127.0.0.1:8091", s.edges[1].addr,
		"port 8083", "port " + port(s.edges[0].admin), "port 8093", "port " + port(s.edges[1].admin),
		" 30s", " 1s", "/etc/haproxy/away.http", away,
	}
	if p.idle != "" {
		change = append(change, " 60s", " "+p.idle)
	}
	if p.old {
		change = append(change, "proxy_http_version 1.1;", "")
	}
	config := strings.NewReplacer(change...).Replace(string(text))
	path := filepath.Join(dir, p.config)
	var cmd *exec.Cmd
	if p.name == "nginx" { // whose folders may be root's
		scratch := "access_log off;"
		for _, what := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
			scratch += " " + what + "_temp_path " + dir + "/" + what + ";"
		}
		config = strings.Replace(config, "http {", "http { "+scratch, 1)
		global := "daemon off; error_log stderr; pid " + dir + "/pid;"
		if os.Getuid() == 0 {
			global += " user root;"
		}
		cmd = exec.Command(daemon(s.t, "nginx"), "-p", dir, "-c", path, "-e", "stderr", "-g", global)
	} else {
		cmd = exec.Command(daemon(s.t, "haproxy"), "-db", "-f", path)
		if p.before != nil {
			cmd.Args = append(cmd.Args, "-sf", strconv.Itoa(p.before.cmd.Process.Pid))
			p.before = nil
		}
	}
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		s.t.Fatal(err)
	}
	p.program = run(s.all, cmd)
	await(s.t, p.name, func() bool {
		conn, err := net.Dial("tcp", p.addr)
		if err == nil {
			conn.Close()
		}
		return err == nil || p.ended()
	})
	if p.ended() {
		s.t.Fatal(p.name, " does not run")
	}
}

func port(addr string) string {
	_, port, _ := net.SplitHostPort(addr)
	return port
}

// daemon returns where one of Debian's is, whose folder may not be in PATH.
func daemon(t testing.TB, name string) string {
	path, err := exec.LookPath(name)
	if err != nil {
		path, err = exec.LookPath("/usr/sbin/" + name)
	}
	if err != nil {
		t.Fatalf("%s is missing: make deps installs it", name)
	}
	return path
}

func TestBehindNginx(t *testing.T) {
	t.Parallel() // it waits most of the time
	s := newShore(t)
	behind(s, proxy{name: "nginx", config: "nginx.conf"}, "HTTP/2.0", "HTTP/1.1")
	t.Run("HTTP/1.0 to the edge", func(t *testing.T) {
		behind(s.in(t), proxy{name: "nginx", config: "nginx.conf", old: true}, "HTTP/2.0", "HTTP/1.1")
	})
}

// TestBehindHAProxy has a client of HTTP/1.0, too: with an edge HAProxy speaks
// as it is spoken to.
func TestBehindHAProxy(t *testing.T) {
	t.Parallel()
	behind(newShore(t), proxy{name: "haproxy", config: "haproxy.cfg"}, "HTTP/2.0", "HTTP/1.1", "HTTP/1.0")
}

// TestProxiesAsInTheDocs: docs/proxies.md shows what these tests run.
func TestProxiesAsInTheDocs(t *testing.T) {
	page, err := os.ReadFile("../docs/proxies.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"nginx.conf", "haproxy.cfg", "away.http"} {
		config, err := os.ReadFile("../testdata/" + name)
		if err != nil {
			t.Fatal(err)
		}
		text := strings.ReplaceAll(string(config), "\r\n", "\n")
		if !strings.Contains(string(page), "\n```\n"+text+"```\n") {
			t.Errorf("docs/proxies.md does not show testdata/%s as it is", name)
		}
	}
}

// behind runs all tests through one kind of proxy.
func behind(s *shore, kind proxy, versions ...string) {
	for _, version := range versions {
		s.t.Run(version, func(t *testing.T) {
			p := kind
			p.start(s.in(t))
			each := func(name string, test func(*shore, *proxy, string)) {
				t.Run(name, func(t *testing.T) { test(s.in(t), &p, version) })
			}
			each("events arrive at once", eventsArriveAtOnce)
			each("the origin gets who asked", originGetsWhoAsked)
			each("a client that leaves is noticed", clientThatLeavesIsNoticed)
			each("a stream ends in good order", streamEndsInGoodOrder)
			each("the edge drains", edgeDrains)
			each("the edge is killed", edgeIsKilled)
			each("no edge is there", noEdgeIsThere)
			each("the proxy is killed", proxyIsKilled)
			each("the proxy is reloaded", proxyIsReloaded)
			p.kill()
			p.idle = "2s"
			p.start(s.in(t))
			each("silence", silence)
		})
	}
}

// eventsArriveAtOnce: each arrives before there is another one.
func eventsArriveAtOnce(s *shore, p *proxy, version string) {
	v := s.visit(version, p.addr, "")
	v.want("ebb.hello") // before there is anything to push it through
	for i, size := range []int{1, 10, 100, 3000, 70_000, 1, 300_000, 1} {
		data := strings.Repeat("x", size)
		s.publish(i%2, data)
		v.want(data)
	}
}

func originGetsWhoAsked(s *shore, p *proxy, version string) {
	v := s.visit(version, p.addr, "")
	v.want("ebb.hello")
	s.mu.Lock()
	got := s.asked[s.user]
	s.mu.Unlock()
	for name, want := range map[string]string{
		"Host":              p.addr,
		"X-Forwarded-For":   "127.0.0.2", // what the proxy saw, and not what the client says
		"X-Forwarded-Proto": "https",
		"X-Forwarded-Host":  p.addr,
	} {
		if got.Get(name) != want {
			s.t.Errorf("%s is %q, want %q", name, got.Get(name), want)
		}
	}
}

// clientThatLeavesIsNoticed: before a heartbeat could not be written.
func clientThatLeavesIsNoticed(s *shore, p *proxy, version string) {
	empty := func() bool { return s.streams(0) == "0" && s.streams(1) == "0" }
	await(s.t, "the edges are empty", empty)
	v := s.visit(version, p.addr, "")
	v.want("ebb.hello")
	if empty() {
		s.t.Fatal("the edges do not count the stream")
	}
	v.cut()
	left := time.Now()
	await(s.t, "the edges are empty again", empty)
	if took := time.Since(left); took > 10*time.Second {
		s.t.Errorf("noticed after %v", took)
	}
}

func streamEndsInGoodOrder(s *shore, p *proxy, version string) {
	v := s.visit(version, p.addr, "")
	v.want("ebb.hello")
	s.put(0, map[string]any{"action": "close"})
	if said, err := v.over(); err != io.EOF || !slices.Equal(said, []string{`ebb.bye {"reason":"closed"}`}) {
		s.t.Errorf("got %q, %v, want ebb.bye and the end", said, err)
	}
}

// holder returns the edge that holds the only stream.
func (s *shore) holder() int {
	holder := -1
	await(s.t, "one edge holds one stream", func() bool {
		for i := range s.edges {
			if s.streams(i) == "1" && s.streams(1-i) == "0" {
				holder = i
			}
		}
		return holder >= 0
	})
	return holder
}

// back comes back as an EventSource does: also if it is sent away at first.
func (s *shore) back(version string, p *proxy, lastID string) (v *visit) {
	s.t.Helper()
	await(s.t, "a stream", func() bool {
		v = s.visit(version, p.addr, lastID)
		e := v.next()
		if e.Name == "ebb.bye" {
			v.cut()
			return false
		}
		if e.Name != "ebb.hello" {
			s.t.Fatalf("got %s %s, want ebb.hello", e.Name, e.Data)
		}
		return true
	})
	return v
}

func edgeDrains(s *shore, p *proxy, version string) {
	v := s.visit(version, p.addr, "")
	v.want("ebb.hello")
	s.publish(0, "seen")
	v.want("seen")
	edge := s.holder()
	s.edges[edge].signal(syscall.SIGTERM)
	said, err := v.over()
	if err != io.EOF || len(said) == 0 || said[len(said)-1] != `ebb.bye {"reason":"draining"}` {
		s.t.Errorf("got %q, %v, want ebb.bye and the end", said, err)
	}
	s.publish(1-edge, "missed")
	v = s.back(version, p, v.lastID)
	v.want("missed")
	<-s.edges[edge].gone
	s.publish(1-edge, "new")
	v.want("new")
	s.startEdge(edge)
}

func edgeIsKilled(s *shore, p *proxy, version string) {
	v := s.visit(version, p.addr, "")
	v.want("ebb.hello")
	s.publish(0, "seen")
	v.want("seen")
	edge := s.holder()
	s.edges[edge].kill()
	if said, err := v.over(); len(said) > 0 || err == io.EOF && p.name == "nginx" && !p.old {
		s.t.Errorf("got %q, %v, want a cut", said, err)
	}
	s.publish(1-edge, "missed")
	v = s.back(version, p, v.lastID)
	v.want("missed")
	// The dead edge has the fewest streams: all that come are for it.
	for range 3 {
		s.visit(version, p.addr, "").want("ebb.hello")
	}
	s.publish(1-edge, "new")
	v.want("new")
	s.startEdge(edge)
}

// noEdgeIsThere: the proxy answers as an edge does that has no streams to give.
func noEdgeIsThere(s *shore, p *proxy, version string) {
	v := s.visit(version, p.addr, "")
	v.want("ebb.hello")
	s.publish(0, "seen")
	v.want("seen")
	for _, e := range s.edges {
		e.kill()
	}
	v.over()
	for range 3 {
		away := s.visit(version, p.addr, v.lastID)
		if said, err := away.over(); err != io.EOF || !slices.Equal(said, []string{`ebb.bye {"reason":"unavailable"}`}) {
			s.t.Errorf("got %q, %v, want ebb.bye and the end", said, err)
		}
	}
	for i := range s.edges {
		s.startEdge(i)
	}
	s.publish(0, "missed")
	s.back(version, p, v.lastID).want("missed")
}

func proxyIsKilled(s *shore, p *proxy, version string) {
	v := s.visit(version, p.addr, "")
	v.want("ebb.hello")
	s.publish(0, "seen")
	v.want("seen")
	p.kill()
	v.over()
	s.publish(0, "missed")
	s.publish(1, "missed, too")
	p.start(s)
	v = s.back(version, p, v.lastID)
	v.want("missed", "missed, too")
	s.publish(0, "new")
	v.want("new")
}

// proxyIsReloaded: a stream goes on for a while, then it goes on elsewhere.
func proxyIsReloaded(s *shore, p *proxy, version string) {
	v := s.visit(version, p.addr, "")
	v.want("ebb.hello")
	p.reload(s)
	s.publish(0, "seen")
	v.want("seen")
	v.over()
	s.publish(1, "missed")
	v = s.back(version, p, v.lastID)
	v.want("missed")
}

// silence: what is silent for too long is cut, and goes on; heartbeats keep
// what is not.
func silence(s *shore, p *proxy, version string) {
	kept, cut := s.visit(version, p.addr, "", "&beat"), s.visit(version, p.addr, "")
	kept.want("ebb.hello")
	cut.want("ebb.hello")
	cut.lastID = ""
	s.publish(0, "seen")
	kept.want("seen")
	cut.want("seen")
	if said, _ := cut.over(); len(said) > 0 {
		s.t.Errorf("%q on a stream that should be silent", said)
	}
	for marks := 0; marks < 2; { // after that cut
		select {
		case e, ok := <-kept.events:
			if !ok || e.Name != "ebb.mark" {
				s.t.Fatalf("got %q %q, want heartbeats", e.Name, e.Data)
			}
			marks++
		case <-time.After(soon):
			s.t.Fatal("no heartbeat")
		}
	}
	s.publish(1, "missed")
	kept.want("missed")
	s.back(version, p, cut.lastID).want("missed")
}
