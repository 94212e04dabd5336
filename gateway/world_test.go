package gateway_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ebb-events/ebb"
	"github.com/ebb-events/ebb/gateway"
	"github.com/ebb-events/ebb/grip"
)

const (
	edgeURL  = "https://edge.test/base"
	id       = "0d9c1c5a-7d5a-4f6e-9a57-0123456789ab"
	instance = "/api/board/task/" + id
	page     = "https://page.test"
)

// world is a gateway, and what is around it.
type world struct {
	t    *testing.T
	gw   *gateway.Gateway
	cfg  gateway.Config
	now  time.Time
	sent *sender
	read *reader
}

// newWorld returns a gateway, configured by edit.
func newWorld(t *testing.T, edit ...func(*gateway.Config)) *world {
	t.Helper()
	w := &world{t: t, now: time.Unix(1_800_000_000, 0), sent: &sender{}, read: &reader{}}
	w.cfg = gateway.Config{
		Sender:     w.sent,
		Reader:     w.read,
		EdgeURL:    edgeURL,
		TicketKeys: []grip.Key{secret(t, "ticket")},
		GripKeys:   []grip.Key{secret(t, "grip")},
		GripIssuer: "ebb",
		Issuers:    []gateway.Issuer{{Key: secret(t, "token")}},
		Origins:    []string{page},
		Now:        func() time.Time { return w.now },
	}
	for _, e := range edit {
		e(&w.cfg)
	}
	gw, err := gateway.New(w.cfg)
	if err != nil {
		t.Fatal(err)
	}
	w.gw = gw
	return w
}

// secret returns the shared secret with that name.
func secret(t testing.TB, name string) grip.Key {
	t.Helper()
	k, err := grip.SecretKey(secretBytes(name))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func secretBytes(name string) []byte {
	sum := sha256.Sum256([]byte(name))
	return sum[:]
}

// jws signs a header and a payload, as they are, with HMAC-SHA256.
func jws(key []byte, header, payload string) string {
	signed := base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + base64.RawURLEncoding.EncodeToString([]byte(payload))
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(signed))
	return signed + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

const hs256 = `{"alg":"HS256","typ":"JWT"}`

// token returns an access token of an hour, with more claims if there are.
func (w *world) token(user string, more ...string) string {
	name, _ := json.Marshal(user)
	claims := fmt.Sprintf(`{"sub":%s,"exp":%d%s}`, name, w.now.Add(time.Hour).Unix(), strings.Join(more, ""))
	return jws(secretBytes("token"), hs256, claims)
}

// ask sends a request with headers given as name, value, name, value.
func (w *world) ask(method, target, body string, header ...string) *httptest.ResponseRecorder {
	w.t.Helper()
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	r.Host = "api.test"
	if body == "" {
		r.Body, r.ContentLength = http.NoBody, 0
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	answer := httptest.NewRecorder()
	w.gw.ServeHTTP(answer, r)
	return answer
}

// as is ask with the bearer token of a user.
func (w *world) as(user, method, target, body string, header ...string) *httptest.ResponseRecorder {
	w.t.Helper()
	return w.ask(method, target, body, append(header, "Authorization", "Bearer "+w.token(user))...)
}

// command is as with a body of JSON, to the instance.
func (w *world) command(body string) *httptest.ResponseRecorder {
	w.t.Helper()
	return w.as("ann", "POST", instance, body, "Content-Type", "application/json")
}

// ticket returns the query of a redirect.
func (w *world) ticket(user string) url.Values {
	w.t.Helper()
	a := w.as(user, "GET", "/api/sse", "")
	to, err := url.Parse(a.Header().Get("Location"))
	if err != nil || a.Code != http.StatusTemporaryRedirect {
		w.t.Fatalf("got %d %v, want a redirect", a.Code, a.Header())
	}
	return to.Query()
}

// setUp asks as the edge does.
func (w *world) setUp(u string, header ...string) *httptest.ResponseRecorder {
	w.t.Helper()
	sig, err := secret(w.t, "grip").Sign("ebb", w.now)
	if err != nil {
		w.t.Fatal(err)
	}
	return w.ask("GET", "/api/sse-setup?"+url.Values{"u": {u}}.Encode(), "", append(header, "Grip-Sig", sig)...)
}

// instruct reads the set-up's answer.
func instruct(t *testing.T, a *httptest.ResponseRecorder) grip.Instruct {
	t.Helper()
	in, err := grip.ParseInstruct(a.Code, a.Header(), a.Body.Bytes())
	if err != nil || in.Hold == nil {
		t.Fatalf("got %d %s: no hold: %v", a.Code, a.Body, err)
	}
	return in
}

// isProblem checks an answer that says no.
func isProblem(t *testing.T, a *httptest.ResponseRecorder, status int) {
	t.Helper()
	var p struct {
		Type, Title, Detail string
		Status              int
	}
	err := json.Unmarshal(a.Body.Bytes(), &p)
	if a.Code != status || err != nil || p.Status != status || p.Type == "" || p.Title == "" || p.Detail == "" {
		t.Errorf("got %d %s, want a problem with status %d", a.Code, a.Body, status)
	}
	if got := a.Header().Get("Content-Type"); got != "application/problem+json" {
		t.Errorf("got content type %q of a problem", got)
	}
}

// sender is the command topics.
type sender struct {
	mu   sync.Mutex
	typ  string
	key  string
	all  [][]byte
	err  error
	hang bool
}

func (s *sender) Send(ctx context.Context, typ, id string, command []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.hang {
		<-ctx.Done()
		return ctx.Err()
	}
	if s.err != nil {
		return s.err
	}
	s.typ, s.key = typ, id
	s.all = append(s.all, bytes.Clone(command))
	return nil
}

// count returns how many commands there are.
func (s *sender) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.all)
}

// last returns the last command, and forgets all.
func (s *sender) last(t *testing.T) ebb.Message {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.all) == 0 {
		t.Fatal("nothing was sent")
	}
	m, err := ebb.ParseMessage(s.all[len(s.all)-1])
	if err != nil {
		t.Fatal(err)
	}
	s.all = nil
	return m
}

// reader is the states.
type reader struct {
	state json.RawMessage
	found ebb.Listing
	err   error
	hang  bool
	asked string // the last question
	query ebb.Query
	page  ebb.Page
}

func (r *reader) Get(ctx context.Context, q ebb.Query, id string, seq int64) (json.RawMessage, error) {
	r.query = q
	r.asked = fmt.Sprint(q.Type, " ", id, " ", q.User.Name, q.User.Roles, " ", q.Fresh, " ", seq, " ", q.Resolve != nil)
	if r.hang {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return r.state, r.err
}

func (r *reader) List(ctx context.Context, q ebb.Query, p ebb.Page) (ebb.Listing, error) {
	r.query, r.page = q, p
	r.asked = fmt.Sprint(q.Type, " ", q.User.Name, q.User.Roles, " ", q.Fresh, " ", q.Resolve != nil)
	return r.found, r.err
}
