package dev_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/ebb-events/ebb/internal/broker"
	"github.com/ebb-events/ebb/internal/logtest"
	"github.com/ebb-events/ebb/sse"
)

// shore is two edges on one log, for a proxy in front of them, as one test
// sees it.
type shore struct {
	*coast
	t    *testing.T
	user string // whose streams and events are the test's
}

// in is the same for another test.
func (s *shore) in(t *testing.T) *shore { return &shore{s.coast, t, t.Name()} }

// coast is what tests share.
type coast struct {
	all     *testing.T // with which processes end
	kafka   string
	origin  *httptest.Server
	edges   [2]*ashore
	pem     string // path of the proxy's certificate and key
	trusted *x509.CertPool

	mu    sync.Mutex
	asked map[string]http.Header // what the origin got, by user
}

// ashore is an edge and where it listens.
type ashore struct {
	addr, control, admin string
	*program
}

const publishKey = "publish-4nT8bW2kX6rM9vC3zL7jH5qS1dG"

func newShore(t *testing.T) *shore {
	b, err := broker.Start(broker.Config{Addr: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	s := &shore{&coast{all: t, kafka: b.Addr(), asked: map[string]http.Header{}}, t, t.Name()}
	s.origin = httptest.NewServer(http.HandlerFunc(s.setUp))
	t.Cleanup(s.origin.Close)
	for i := range s.edges {
		s.edges[i] = &ashore{addr: freeAddr(t), control: freeAddr(t), admin: freeAddr(t)}
		s.startEdge(i)
	}
	s.certify()
	return s
}

// setUp answers for the gateway: ?u= is the user, and with ?beat a heartbeat
// comes every second.
func (s *coast) setUp(w http.ResponseWriter, r *http.Request) {
	user := r.URL.Query().Get("u")
	s.mu.Lock()
	s.asked[user] = r.Header.Clone()
	s.asked[user].Set("Host", r.Host)
	s.mu.Unlock()
	hold := map[string]any{
		"mode": "stream", "channels": []any{map[string]string{"name": user}},
		"meta": map[string]string{"session": "s", "proof": strings.Repeat("p", 22), "ttl": "3600"},
	}
	if r.URL.Query().Has("beat") {
		hold["keep-alive"] = map[string]any{"content": ":\n\n", "timeout": 1}
	}
	w.Header().Set("Content-Type", "application/grip-instruct")
	_ = json.NewEncoder(w).Encode(map[string]any{
		"hold": hold, "response": map[string]any{"headers": map[string]string{"Content-Type": sse.ContentType}},
	})
}

func (s *shore) startEdge(i int) {
	s.t.Helper()
	e := s.edges[i]
	cmd := exec.Command(ebb, "edge", "--addr", e.addr, "--control-addr", e.control, "--admin-addr", e.admin,
		"--origin", s.origin.URL, "--kafka", s.kafka, "--proxies", "127.0.0.1")
	cmd.Env = append(os.Environ(), "EBB_GRIP_KEY=grip-9Kq2vX7mB4tZ8wLc6yRd1sHj5pNa0eF", "EBB_PUBLISH_KEY="+publishKey)
	e.program = run(s.all, cmd)
	await(s.t, "an edge", func() bool {
		resp, err := client.Get("http://" + e.admin + "/readyz")
		if err != nil {
			return false
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
}

// publish puts an event into the user's log, through one of the edges.
func (s *shore) publish(edge int, data string) {
	s.t.Helper()
	s.put(edge, map[string]any{"content": "data: " + data + "\n\n"})
}

func (s *shore) put(edge int, format map[string]any) {
	s.t.Helper()
	body, _ := json.Marshal(map[string]any{"items": []any{map[string]any{"channel": s.user, "formats": map[string]any{"http-stream": format}}}})
	req, err := http.NewRequestWithContext(s.t.Context(), "POST", "http://"+s.edges[edge].control+"/publish/", bytes.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+publishKey)
	resp, err := client.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	if text, _ := io.ReadAll(resp.Body); resp.StatusCode != http.StatusOK {
		s.t.Fatalf("publish: %s %s", resp.Status, text)
	}
}

// streams is how many an edge holds.
func (s *coast) streams(edge int) string {
	resp, err := client.Get("http://" + s.edges[edge].admin + "/metrics")
	if err != nil {
		return err.Error()
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		if n, ok := strings.CutPrefix(lines.Text(), "ebb_edge_streams "); ok {
			return n
		}
	}
	return "unknown"
}

// certify makes a certificate for 127.0.0.1.
func (s *shore) certify() {
	key, err1 := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	cert, err2 := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	private, err3 := x509.MarshalPKCS8PrivateKey(key)
	both := append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})...)
	s.pem = filepath.Join(s.t.TempDir(), "stream.pem")
	if err := errors.Join(err1, err2, err3, os.WriteFile(s.pem, both, 0o600)); err != nil {
		s.t.Fatal(err)
	}
	s.trusted = x509.NewCertPool()
	s.trusted.AppendCertsFromPEM(both)
}

// visit is a browser's stream through a proxy.
type visit struct {
	*stream
	resp *http.Response
	end  error // of the body; set when events is closed
}

// from is the address of browsers, to be told from the proxies'.
var from = &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}

// visit opens a stream at the proxy. version is of HTTP.
func (s *shore) visit(version, addr, lastID string, query ...string) *visit {
	s.t.Helper()
	ctx, cut := context.WithCancel(s.t.Context())
	req, err := http.NewRequestWithContext(ctx, "GET", "https://"+addr+"/?u="+url.QueryEscape(s.user)+strings.Join(query, ""), nil)
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Accept", sse.ContentType)
	req.Header.Set("X-Forwarded-For", "203.0.113.9")
	if lastID != "" {
		req.Header.Set("Last-Event-ID", lastID)
	}
	dialer := &net.Dialer{LocalAddr: from}
	config := &tls.Config{RootCAs: s.trusted}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(version == "HTTP/1.1")
	protocols.SetHTTP2(version == "HTTP/2.0")
	way := &http.Transport{DialContext: dialer.DialContext, TLSClientConfig: config, Protocols: protocols}
	round := way.RoundTrip
	if version == "HTTP/1.0" {
		round = func(req *http.Request) (*http.Response, error) {
			conn, err := (&tls.Dialer{NetDialer: dialer, Config: config}).DialContext(ctx, "tcp", addr)
			if err != nil {
				return nil, err
			}
			context.AfterFunc(ctx, func() { conn.Close() })
			var b bytes.Buffer
			_ = req.Write(&b)
			_, err = io.WriteString(conn, strings.Replace(b.String(), "HTTP/1.1\r\n", "HTTP/1.0\r\n", 1))
			if err != nil {
				return nil, err
			}
			return http.ReadResponse(bufio.NewReader(conn), req)
		}
	}
	resp, err := round(req)
	if err != nil {
		s.t.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != sse.ContentType || version != "HTTP/1.0" && resp.Proto != version {
		s.t.Fatalf("%s %s %v", resp.Proto, resp.Status, resp.Header)
	}
	v := &visit{stream: &stream{t: s.t, events: make(chan sse.Event, 1000), cut: cut}, resp: resp}
	s.t.Cleanup(cut)
	go func() {
		defer way.CloseIdleConnections()
		defer resp.Body.Close()
		defer close(v.events)
		body := &ending{Reader: resp.Body}
		for r := sse.NewReader(body); ; {
			e, err := r.Next()
			if err != nil {
				v.end = body.err
				return
			}
			v.events <- e
		}
	}()
	return v
}

// ending keeps the error with which a body ends.
type ending struct {
	io.Reader
	err error
}

func (e *ending) Read(b []byte) (int, error) {
	n, err := e.Reader.Read(b)
	if err != nil {
		e.err = err
	}
	return n, err
}

// want waits for events: "name data", or data alone.
func (v *visit) want(want ...string) {
	v.t.Helper()
	for _, w := range want {
		e := v.next()
		if got := strings.TrimSpace(e.Name + " " + string(e.Data)); got != w {
			v.t.Fatalf("got %.80q, want %.80q", got, w)
		}
	}
}

// over waits for the end, and returns its error and the events before it.
func (v *visit) over() (names []string, err error) {
	v.t.Helper()
	for {
		select {
		case e, ok := <-v.events:
			if !ok {
				return names, v.end
			}
			if e.ID != "" {
				v.lastID = e.ID
			}
			names = append(names, strings.TrimSpace(e.Name+" "+string(e.Data)))
		case <-time.After(soon):
			v.t.Fatalf("no end after %v", soon)
		}
	}
}

// program is a process with all its children.
type program struct {
	cmd  *exec.Cmd
	logs logtest.Text
	gone chan struct{}
}

// run starts a program, which ends with the test.
func run(t testing.TB, cmd *exec.Cmd) *program {
	t.Helper()
	p := &program{cmd: cmd, gone: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = &p.logs, &p.logs
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.gone)
		_ = cmd.Wait()
	}()
	t.Cleanup(func() {
		p.kill()
		if t.Failed() {
			t.Logf("%s said:\n%s", filepath.Base(cmd.Path), &p.logs)
		}
	})
	return p
}

// kill is kill -9, for children too.
func (p *program) kill() {
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	<-p.gone
}

func (p *program) signal(sig syscall.Signal) { _ = p.cmd.Process.Signal(sig) }

// ended tells whether the process is gone.
func (p *program) ended() bool {
	select {
	case <-p.gone:
		return true
	default:
		return false
	}
}

// await asks again and again until it is so.
func await(t testing.TB, what string, so func() bool) {
	t.Helper()
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	late := time.After(soon)
	for !so() {
		select {
		case <-look.C:
		case <-late:
			t.Fatal(fmt.Sprint(what, ": not after ", soon))
		}
	}
}
