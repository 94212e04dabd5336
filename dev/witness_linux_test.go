package dev_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ebb-events/ebb/internal/serve"
)

// secret is known to the tests and their proxies: what says it was read by one.
const secret = "witness-7Rk2mX9vT4qL"

// witness is a handler that keeps what it was asked, and by which connection.
// Bodies are read, but where the target says "unread".
type witness struct {
	mu   sync.Mutex
	saw  []sight
	addr string
}

// sight is a request, as a handler gets it, and as the proxy before us says
// that it has read it.
type sight struct {
	from                 string // address of who is connected
	method, target, body string
	whole                bool // the body was read to its end
	proxy                http.Header
}

const (
	noteID     = "X-Saw" // secret, port of the client, number of the request
	noteMethod = "X-Saw-Method"
	noteTarget = "X-Saw-Target"
	noteBody   = "X-Saw-Body" // in hex; only of proxies that wait for all of it
	answersID  = "X-Answers"  // in an answer: the X-Saw of what it is for
)

func (w *witness) ServeHTTP(a http.ResponseWriter, r *http.Request) {
	s := sight{from: r.RemoteAddr, method: r.Method, target: r.RequestURI, proxy: http.Header{}}
	if !strings.Contains(s.target, "unread") {
		body, err := io.ReadAll(r.Body)
		s.body, s.whole = string(body), err == nil
	}
	for _, name := range []string{noteID, noteMethod, noteTarget, noteBody} {
		s.proxy[name] = r.Header[name]
	}
	w.mu.Lock()
	w.saw = append(w.saw, s)
	w.mu.Unlock()
	a.Header().Set(answersID, s.proxy.Get(noteID))
}

// take returns what was seen since it was last called.
func (w *witness) take() []sight {
	w.mu.Lock()
	defer w.mu.Unlock()
	saw := w.saw
	w.saw = nil
	return saw
}

// witnessed runs a witness behind the front that gateways and edges have, until
// the test ends.
func witnessed(t testing.TB) *witness {
	w := &witness{}
	w.addr = listening(t, func(ctx context.Context, ln net.Listener) error { return serve.Server{Handler: w}.Run(ctx, ln) })
	return w
}

// listening runs a server until the test ends.
func listening(t testing.TB, serve func(context.Context, net.Listener) error) (addr string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- serve(ctx, ln) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return ln.Addr().String()
}

// A proxy tells what it has read, in headers that it sets itself, and shares
// connections to what is behind it among all clients.
const (
	sharingHAProxy = `
global
	nbthread 1
	tune.bufsize 65536
	tune.maxrewrite 16384
defaults
	mode http
	timeout connect 5s
	timeout http-request 20s
	timeout client 20s
	timeout server 20s
frontend clients
	bind FRONT proto h1
	BUFFER
	http-request set-header X-Saw "SECRET %cp %rt"
	http-request set-header X-Saw-Method %[method]
	http-request set-header X-Saw-Target %[url]
	default_backend ours
backend ours
	http-reuse always
	server a BACK
`
	sharingNginx = `
events {}
http {
	SCRATCH
	upstream ours {
		server BACK;
		keepalive 8;
	}
	server {
		listen FRONT;
		location / {
			BUFFER
			proxy_pass http://ours;
			proxy_http_version 1.1;
			proxy_ignore_client_abort on; # clients here say at once that they are done
			proxy_set_header Connection "";
			proxy_set_header Host $http_host;
			proxy_set_header X-Saw "SECRET $remote_port $connection_requests";
			proxy_set_header X-Saw-Method $request_method;
			proxy_set_header X-Saw-Target $request_uri;
			proxy_set_header X-Saw-Body "";
		}
	}
}
`
)

// sharing are the proxies of these tests. A buffer is what they do with bodies.
var sharing = []struct{ name, program, buffer string }{
	{"haproxy", "haproxy", "http-request del-header X-Saw-Body"},
	{"haproxy that waits for bodies", "haproxy", "http-request wait-for-body time 20s\n\thttp-request set-header X-Saw-Body %[req.body,hex]"},
	{"nginx", "nginx", ""},
	{"nginx that waits for nothing", "nginx", "proxy_request_buffering off;"},
}

// share runs one of them before the server at back, until the test ends.
func share(t testing.TB, program, buffer, back string) (addr string) {
	t.Helper()
	addr = freeAddr(t)
	dir := t.TempDir()
	path := filepath.Join(dir, "config")
	text, scratch := sharingHAProxy, ""
	cmd := exec.Command(daemon(t, program), "-db", "-f", path)
	if program == "nginx" {
		text, scratch = sharingNginx, "access_log off;"
		for _, what := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
			scratch += " " + what + "_temp_path " + dir + "/" + what + ";"
		}
		global := "daemon off; error_log stderr; pid " + dir + "/pid;"
		if os.Getuid() == 0 {
			global += " user root;" // whose the folder is
		}
		cmd = exec.Command(cmd.Path, "-p", dir, "-c", path, "-e", "stderr", "-g", global)
	}
	config := strings.NewReplacer("FRONT", addr, "BACK", back, "SECRET", secret, "BUFFER", buffer, "SCRATCH", scratch).Replace(text)
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	p := run(t, cmd)
	await(t, program, func() bool {
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			conn.Close()
		}
		return err == nil || p.ended()
	})
	if p.ended() {
		t.Fatal(program, " does not run")
	}
	return addr
}

// reply is an answer to raw bytes.
type reply struct {
	status int
	to     string // the X-Saw of what it is for; "" if a proxy or net/http refuses
	last   bool   // it says that the connection ends
}

// end is what a client says last. The answer to it ends the connection, unless
// it was taken for something else.
const end = "GET /end HTTP/1.1\r\nHost: end\r\nConnection: close\r\n\r\n"

// brief is how long a client waits for more that may never come. Then it says
// that it is done, upon which HAProxy may leave out what it has not yet read.
const brief = 50 * time.Millisecond

// tell sends bytes and returns the client's own port and what came back until
// the end of the connection, and whether the client lost its patience.
func tell(t testing.TB, addr string, request []byte, patience time.Duration) (port string, replies []reply, impatient bool) {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetWriteDeadline(time.Now().Add(soon))
	_, _ = conn.Write(request) // fails when it is refused early
	var all []byte
	buf := make([]byte, 4<<10)
	_ = conn.SetReadDeadline(time.Now().Add(patience))
	for {
		n, err := conn.Read(buf)
		all = append(all, buf[:n]...)
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded) && !impatient:
			impatient = true
			_ = conn.SetReadDeadline(time.Now().Add(soon))
			_ = conn.(*net.TCPConn).CloseWrite()
		case errors.Is(err, os.ErrDeadlineExceeded):
			t.Fatalf("%q to %s: neither all answers nor an end, only %q", request, addr, all)
		case err != nil:
			return strconv.Itoa(conn.LocalAddr().(*net.TCPAddr).Port), parse(all), impatient
		case !impatient:
			_ = conn.SetReadDeadline(time.Now().Add(patience))
		}
	}
}

var (
	statusLine = regexp.MustCompile(`(?m)^HTTP/1\.[01] (\d{3})[ \r]`)
	answerLine = regexp.MustCompile(`(?im)^` + answersID + `: ([^\r]*)\r$`)
	closeLine  = regexp.MustCompile(`(?im)^connection: close\r$`)
)

// parse finds answers by their first lines: ours have no bodies, and those of
// refusals quote nothing.
func parse(all []byte) (replies []reply) {
	at := statusLine.FindAllSubmatchIndex(all, -1)
	for i, m := range at {
		end := len(all)
		if i+1 < len(at) {
			end = at[i+1][0]
		}
		head, _, _ := bytes.Cut(all[m[0]:end], []byte("\r\n\r\n"))
		head = append(bytes.Clone(head), '\r', '\n')
		r := reply{last: closeLine.Match(head)}
		if r.status, _ = strconv.Atoi(string(all[m[2]:m[3]])); r.status < 200 {
			continue
		}
		if id := answerLine.FindSubmatch(head); id != nil {
			r.to = string(id[1])
		}
		replies = append(replies, r)
	}
	return replies
}

// disagree returns what is wrong with what a witness saw, and with what a client
// of a proxy before it was answered: the proxy must have read each request, and
// as we have; each must be answered, in order, and to this client. Requests whose
// bodies did not come to their end, or were not read, may come late or go without
// an answer.
func disagree(port string, saw []sight, replies []reply) (wrong []string) {
	var want, got []string
	for _, s := range saw {
		said := func(name string) string { return strings.Join(s.proxy[name], " and ") }
		id := said(noteID)
		switch by, _, ok := strings.Cut(strings.TrimPrefix(id, secret+" "), " "); {
		case !ok || !strings.HasPrefix(id, secret+" "):
			wrong = append(wrong, fmt.Sprintf("%s %s was read by no proxy", s.method, s.target))
		case s.whole && by != port:
			wrong = append(wrong, fmt.Sprintf("%s %s is of the client at port %s, not %s", s.method, s.target, by, port))
		case said(noteMethod) != s.method || said(noteTarget) != s.target:
			wrong = append(wrong, fmt.Sprintf("%s %s was %s %s to the proxy", s.method, s.target, said(noteMethod), said(noteTarget)))
		case s.whole && s.proxy[noteBody] != nil && !strings.EqualFold(said(noteBody), hex.EncodeToString([]byte(s.body))):
			wrong = append(wrong, fmt.Sprintf("%s %s has the body %x, to the proxy %s", s.method, s.target, s.body, said(noteBody)))
		}
		if id != "" && slices.Contains(want, id) {
			wrong = append(wrong, fmt.Sprintf("%s %s came twice", s.method, s.target))
		}
		if s.whole {
			want = append(want, id)
		}
	}
	for _, r := range replies {
		early := slices.ContainsFunc(saw, func(s sight) bool { return !s.whole && s.proxy.Get(noteID) == r.to })
		if r.to != "" && !early {
			got = append(got, r.to)
		}
	}
	if !slices.Equal(got, want) {
		wrong = append(wrong, fmt.Sprintf("answers to %q, want %q", got, want))
	}
	return wrong
}
