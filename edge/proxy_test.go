package edge_test

import (
	"bufio"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ebb-events/ebb/edge"
	"github.com/ebb-events/ebb/grip"
	"github.com/ebb-events/ebb/sse"
)

func TestOrdinaryResponsesPassUnchanged(t *testing.T) {
	tests := []struct {
		status int
		header http.Header
		body   string
	}{
		{200, http.Header{"Content-Type": {"text/html"}, "Set-Cookie": {"a=1", "b=2"}, "Etag": {`"x"`}}, "<p>"},
		{200, http.Header{"Content-Type": {sse.ContentType}}, "data: the origin's own stream\n\n"},
		{204, nil, ""},
		{302, http.Header{"Location": {"https://elsewhere.example/?a=b"}}, ""},
		{307, http.Header{"Location": {"/sse-setup?u=t"}, "Cache-Control": {"no-store"}}, ""},
		{401, http.Header{"Www-Authenticate": {"Bearer"}}, "who?"},
		{403, http.Header{"Content-Type": {"application/problem+json"}}, `{"status":403}`},
		{404, nil, "no"},
		{429, http.Header{"Retry-After": {"7"}}, "later"},
	}
	serving(t, func(w http.ResponseWriter, r *http.Request) {
		tt := tests[int(r.URL.Path[1]-'0')]
		maps.Copy(w.Header(), tt.header)
		w.WriteHeader(tt.status)
		io.WriteString(w, tt.body)
	}, nil, func(s *site) {
		for i, tt := range tests {
			for _, accept := range []string{"*/*", sse.ContentType} {
				if accept == sse.ContentType && tt.status == 200 && tt.header.Get("Content-Type") != accept {
					continue // see TestSetupFaults
				}
				resp := s.ask("GET /"+string(rune('0'+i)), "Accept", accept)
				if body := text(t, resp); resp.StatusCode != tt.status || body != tt.body {
					t.Errorf("%d became %d %q", tt.status, resp.StatusCode, body)
				}
				for name, want := range tt.header {
					if got := resp.Header[name]; !slices.Equal(got, want) {
						t.Errorf("%d: %s is %q, want %q", tt.status, name, got, want)
					}
				}
			}
		}
	})
}

func TestFaultsOfTheOriginPassToWhoIsNoEventSource(t *testing.T) {
	serving(t, func(w http.ResponseWriter, r *http.Request) { http.Error(w, "broken", http.StatusInternalServerError) }, nil, func(s *site) {
		for _, accept := range []string{"", "*/*", "application/json, text/event-stream", "text/event-stream;q=0.5, application/json"} {
			if resp := s.ask("GET /", "Accept", accept); resp.StatusCode != 500 || text(t, resp) != "broken\n" {
				t.Errorf("%q got %d", accept, resp.StatusCode)
			}
		}
		if resp := s.ask("POST /", "Accept", sse.ContentType); resp.StatusCode != 500 {
			t.Errorf("POST got %d", resp.StatusCode)
		}
	})
}

func TestBodiesPassAsTheyCome(t *testing.T) {
	lines := make(chan string)
	serving(t, func(w http.ResponseWriter, r *http.Request) {
		for in := bufio.NewScanner(r.Body); in.Scan(); {
			lines <- in.Text()
		}
		for line := range lines {
			io.WriteString(w, line)
			w.(http.Flusher).Flush()
		}
	}, nil, func(s *site) {
		lines = make(chan string) // of the bubble
		out, in := io.Pipe()
		go func() {
			for _, line := range []string{"one", "two", "three"} {
				io.WriteString(in, line+"\n")
				if got := <-lines; got != line {
					t.Errorf("the origin got %q, want %q", got, line)
				}
			}
			in.Close()
			lines <- "first"
		}()
		resp := s.send(s.t.Context(), out, "POST /")
		for _, want := range []string{"first", "second", "third"} {
			got := make([]byte, len(want))
			if _, err := io.ReadFull(resp.Body, got); err != nil || string(got) != want {
				t.Errorf("got %q, %v, want %q", got, err, want)
			}
			if want == "first" {
				lines <- "second"
			} else if want == "second" {
				lines <- "third"
			}
		}
		close(lines)
		text(t, resp)
	})
}

func TestWhatTheOriginGetsOfARequest(t *testing.T) {
	var got *http.Request
	var body string
	serving(t, func(w http.ResponseWriter, r *http.Request) {
		got = r
		b, _ := io.ReadAll(r.Body)
		body = string(b)
	}, nil, func(s *site) {
		resp := s.send(s.t.Context(), strings.NewReader("payload"), "PUT /a%2Fb/c?u=t&x=1;2&bad=%zz",
			"Cookie", "c=1", "Authorization", "Bearer x", "Last-Event-ID", "1.AAAAAAAA.0.1.1..", "Origin", "null",
			"X-Forwarded-For", "198.51.100.7", "X-Forwarded-Proto", "https", "X-Own", "mine", "Accept-Encoding", "br",
			"Grip-Sig", "forged", "GRIP-Feature", "forged", "grip-last", "c; last-id=1", "Grip_Sig", "forged", "Connection", "X-Hop", "X-Hop", "1")
		text(t, resp)
		for name, want := range map[string]string{
			"Cookie": "c=1", "Authorization": "Bearer x", "Last-Event-ID": "1.AAAAAAAA.0.1.1..", "Origin": "null", "X-Own": "mine",
			"X-Forwarded-For": "198.51.100.7, 192.0.2.9", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "edge.example",
			"Grip-Feature": "status, filter:skip-self, filter:skip-users, filter:require-sub, filter:build-id, filter:var-subst", "Grip-Last": "", "Grip_sig": "", "Accept-Encoding": "", "X-Hop": "", "Connection": "",
		} {
			if v := strings.Join(got.Header[http.CanonicalHeaderKey(name)], "|"); v != want {
				t.Errorf("%s is %q, want %q", name, v, want)
			}
		}
		if got.Method != "PUT" || got.Host != "edge.example" || got.RequestURI != "/a%2Fb/c?u=t&x=1;2&bad=%zz" || body != "payload" {
			t.Errorf("got %s %s %s with %q", got.Method, got.Host, got.RequestURI, body)
		}
		first := got.Header.Get("Grip-Sig")
		if err := key.Verify(first, "ebb", time.Now()); err != nil {
			t.Errorf("Grip-Sig %q: %v", first, err)
		}
		if len(got.Header.Values("Grip-Sig")) != 1 {
			t.Errorf("Grip-Sig is %q", got.Header.Values("Grip-Sig"))
		}
		time.Sleep(time.Hour)
		text(t, s.ask("GET /"))
		if err := key.Verify(got.Header.Get("Grip-Sig"), "ebb", time.Now()); err != nil {
			t.Errorf("an hour later: %v", err)
		}
		if key.Verify(first, "ebb", time.Now()) == nil {
			t.Error("the first one is still good")
		}
		if v := got.Header.Get("X-Forwarded-Proto"); v != "http" {
			t.Errorf("X-Forwarded-Proto is %q", v)
		}
		if v, sent := got.Header["User-Agent"]; sent && v[0] != "Go-http-client/1.1" {
			t.Errorf("User-Agent is %q", v)
		}
	})
}

// TestGripResponseHeadersStripped: no word of GRIP reaches a client, in header or
// trailer (S41). TestRouteWithoutStreamsIsAProxyOnly has who is not obeyed.
func TestGripResponseHeadersStripped(t *testing.T) {
	instruct := `{"response":{"code":203,"headers":{"grip-hold":"stream","Grip-Foo":"x","X-Own":"mine","Connection":"X-Own","Content-Length":"1","Transfer-Encoding":"gzip"},"body":"hello"}}`
	hold := `{"hold":{"mode":"stream","channels":[{"name":"ann"}]},"response":{"headers":{"GRIP-CHANNEL":"x","Content-Type":"text/event-stream","X-Own":"mine"}}}`
	serving(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/headers":
			w.Header().Set("Grip-Foo", "304")
			w.Header().Set("X-Own", "mine")
			w.Header().Set("Trailer", "Grip-Channel, X-Later")
			w.WriteHeader(203)
			io.WriteString(w, strings.Repeat("x", 2<<20))
			w.Header().Set("Grip-Channel", "secret")
			w.Header().Set("X-Later", "kept")
			w.Header().Set(http.TrailerPrefix+"Grip-Unannounced", "secret")
		case "/json":
			w.Header().Set("Content-Type", grip.InstructType)
			io.WriteString(w, instruct)
		case "/json-hold":
			w.Header().Set("Content-Type", grip.InstructType)
			w.Header().Set("Grip-Foo", "x")
			io.WriteString(w, hold)
		case "/hold":
			holdFor("", "Grip-Channel", "ann", "X-Own", "mine", "Grip-Set-Meta", "a=b")(w, r)
		}
	}, nil, func(s *site) {
		clean := func(path string, headers ...http.Header) {
			t.Helper()
			for _, h := range headers {
				for name := range h {
					if strings.HasPrefix(strings.ToLower(name), "grip") {
						t.Errorf("%s: the client gets %s", path, name)
					}
				}
			}
			if headers[0].Get("X-Own") != "mine" {
				t.Errorf("%s: X-Own is gone", path)
			}
		}
		resp := s.ask("GET /headers")
		if body := text(t, resp); resp.StatusCode != 203 || len(body) != 2<<20 || resp.Trailer.Get("X-Later") != "kept" {
			t.Errorf("got %d, %d bytes, trailers %v", resp.StatusCode, len(body), resp.Trailer)
		}
		clean("/headers", resp.Header, resp.Trailer)
		resp = s.ask("GET /json")
		if body := text(t, resp); resp.StatusCode != 203 || body != "hello" || resp.ContentLength != 5 {
			t.Errorf("got %d %q, length %d", resp.StatusCode, body, resp.ContentLength)
		}
		clean("/json", resp.Header)
		for _, path := range []string{"/hold", "/json-hold"} {
			p := s.stream(path)
			p.want("ebb.hello")
			clean(path, p.resp.Header)
			p.close()
		}
	})
}

func TestHeadAndStatusesWithoutABodyAreNotHeld(t *testing.T) {
	serving(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", sse.ContentType)
		w.Header().Set("Grip-Hold", grip.ModeStream)
		w.Header().Set("Grip-Channel", "ann")
		if r.URL.Path == "/204" {
			w.WriteHeader(http.StatusNoContent)
		}
	}, nil, func(s *site) {
		for _, request := range []string{"HEAD /", "GET /204", "GET /204"} { // on one connection
			resp := s.ask(request, "Accept", sse.ContentType)
			if body := text(t, resp); body != "" || resp.Header.Get("Content-Type") != sse.ContentType {
				t.Errorf("%s got %d %q", request, resp.StatusCode, body)
			}
		}
		if s.tally.opened != 0 {
			t.Errorf("%d streams were opened", s.tally.opened)
		}
	})
}

func TestHTTP10IsHeld(t *testing.T) {
	serving(t, holdFor("", "Grip-Channel", "ann"), nil, func(s *site) {
		conn := must(s.wire.dial(s.t.Context(), "", ""))
		io.WriteString(conn, "GET / HTTP/1.0\r\nAccept: text/event-stream\r\n\r\n")
		resp := must(http.ReadResponse(bufio.NewReader(conn), nil))
		if len(resp.TransferEncoding) > 0 || !resp.Close {
			t.Errorf("got %v, close %v", resp.TransferEncoding, resp.Close)
		}
		r := sse.NewReader(resp.Body)
		if e, err := r.Next(); e.Name != "ebb.hello" {
			t.Errorf("got %v, %v", e, err)
		}
		s.append(event("ann", 1, "1"))
		if e, err := r.Next(); string(e.Data) != "1" {
			t.Errorf("got %v, %v", e, err)
		}
		conn.Close()
		synctest.Wait()
	})
}

func TestPostIsHeld(t *testing.T) {
	var body string
	serving(t, func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		body = string(b)
		holdFor("", "Grip-Channel", "ann")(w, r)
	}, nil, func(s *site) {
		resp := s.send(s.t.Context(), strings.NewReader("question"), "POST /")
		if e, err := sse.NewReader(resp.Body).Next(); e.Name != "ebb.hello" || body != "question" {
			t.Errorf("got %v, %v; the origin got %q", e, err, body)
		}
		resp.Body.Close()
		synctest.Wait()
	})
}

func TestPublicKeyCannotBeAGripKey(t *testing.T) {
	public := must(grip.ParseKey("-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n"))
	cfg := edge.Config{Log: newLog(), Publisher: newLog(), Origin: originURL, GripKey: public}
	if _, err := edge.New(cfg); err == nil {
		t.Error("taken: every request would go unsigned")
	}
}

// TestClientGripHeadersStripped: nobody but the edge speaks GRIP to an origin,
// however it is written, on either way there (S40).
func TestClientGripHeadersStripped(t *testing.T) {
	var got http.Header
	var trailer http.Header
	serving(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		got, trailer = r.Header.Clone(), r.Trailer.Clone()
		w.WriteHeader(http.StatusForbidden)
	}, nil, func(s *site) {
		ours := map[string]bool{"Grip-Sig": true, "Grip-Feature": true}
		names := []string{
			"Grip-Sig", "GRIP-SIG", "grip-sig", "Grip_Sig", "gRiP_sIg", "Grip-Feature", "Grip-Last", "Grip-Hold", "Grip-Channel", "Grip-Instruct",
			"Grip-Link", "Grip-Set-Meta", "Grip-Status", "Grip-Expose-Headers", "Grip-Keep-Alive", "Grip-Timeout", "Grip-", "Grip_", "Grip-Anything",
		}
		look := func(what string, headers ...http.Header) {
			t.Helper()
			for _, h := range headers {
				for name, values := range h {
					if plain := strings.ReplaceAll(strings.ToLower(name), "_", "-"); strings.HasPrefix(plain, "grip-") && !ours[name] || slices.Contains(values, "forged") {
						t.Errorf("%s: the origin gets %s: %q", what, name, values)
					}
				}
			}
			if len(headers[0]["Grip-Sig"]) != 1 || key.Verify(headers[0].Get("Grip-Sig"), "ebb", time.Now()) != nil {
				t.Errorf("%s: Grip-Sig is %q", what, headers[0]["Grip-Sig"])
			}
		}
		for _, name := range names {
			for _, accept := range []string{"*/*", sse.ContentType} {
				got = nil
				text(t, s.ask("GET /", "Accept", accept, name, "forged", name, "forged"))
				look(name+" with "+accept, got)
			}
		}
		for _, accept := range []string{"*/*", sse.ContentType} {
			got = nil
			text(t, s.ask("GET /", "Accept", accept, "Connection", "Grip-Sig, Grip-Feature"))
			look("named a hop", got)
		}
		conn := must(s.wire.dial(s.t.Context(), "", ""))
		io.WriteString(conn, "POST / HTTP/1.1\r\nHost: edge.example\r\nTransfer-Encoding: chunked\r\nTrailer: Grip-Sig, X-Own\r\nConnection: close\r\n\r\n1\r\nx\r\n0\r\nGrip-Sig: forged\r\nX-Own: mine\r\n\r\n")
		resp := must(http.ReadResponse(bufio.NewReader(conn), nil))
		resp.Body.Close()
		conn.Close()
		look("trailers", got, trailer)
	})
}
