package main

import (
	"context"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/ebb-events/ebb/internal/broker"
)

// issuersFile is completed by the URL of an OpenID provider.
const issuersFile = `
- issuer: https://staff.test
  namespace: staff
  jwt-key: file:staff.hex
- issuer: https://partner.test
  namespace: partner
  audience: board
  jwt-key: file:partner.hex
- issuer: %s
  namespace: shop
  audience: [board, shop]
`

// system is every part as a process of its own, for the users of three issuers.
type system struct {
	t       *testing.T
	gateway *program
	broker  string
	shop    *httptest.Server
	shopKey ed25519.PrivateKey
}

// openShop serves what an OpenID provider does, as far as it is asked here.
func (s *system) openShop() {
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		s.t.Fatal(err)
	}
	s.shopKey = private
	s.shop = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/.well-known/openid-configuration":
			fmt.Fprintf(w, `{"issuer": %q, "jwks_uri": %q}`, s.shop.URL, s.shop.URL+"/keys")
		case "/keys":
			fmt.Fprintf(w, `{"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "k", "x": %q}]}`, base64.RawURLEncoding.EncodeToString(public))
		default:
			s.t.Errorf("the provider was asked for %s", r.URL)
		}
	}))
	s.t.Cleanup(s.shop.Close)
}

func startSystem(t *testing.T) system {
	t.Helper()
	b, err := broker.Start(broker.Config{Addr: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	s := system{t: t, broker: b.Addr()}
	s.openShop()
	dir := t.TempDir()
	for name, text := range map[string]string{"issuers.yaml": fmt.Sprintf(issuersFile, s.shop.URL), "staff.hex": hex.EncodeToString(secretOf("staff")), "partner.hex": hex.EncodeToString(secretOf("partner"))} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	env := append(clean(), "EBB_KAFKA="+b.Addr(), "EBB_ADDR=127.0.0.1:0", "EBB_CONTROL_ADDR=127.0.0.1:0", "EBB_ADMIN_ADDR=127.0.0.1:0",
		"EBB_GRIP_KEY="+testGripKey, "EBB_TICKET_KEY=455840c2f02d5b56196b8c57e5d747161973dfef7d3016cf8458611123ed0159")
	run := func(args ...string) *program {
		p, err := startEbb(dir, env, args...)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(p.kill)
		return p
	}
	run("demo")
	// The edge and the gateway each have to know where the other one is.
	var to *url.URL
	origin := httptest.NewServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to) }})
	t.Cleanup(origin.Close)
	edge := run("edge", "--origin", origin.URL)
	s.gateway = run("gateway", "--issuers", "issuers.yaml", "--edge-url", edge.base())
	to = mustParse(s.gateway.base())
	run("connector", "--issuers", "issuers.yaml")
	return s
}

func secretOf(issuer string) []byte {
	sum := sha256.Sum256([]byte(issuer))
	return sum[:]
}

// ann is the user whom that issuer calls so, with an open stream.
func (s system) ann(issuer, more string) user {
	s.t.Helper()
	iss, alg := "https://"+issuer+".test", "HS256"
	sign := func(text string) []byte {
		mac := hmac.New(sha256.New, secretOf(issuer))
		mac.Write([]byte(text))
		return mac.Sum(nil)
	}
	if issuer == "shop" {
		iss, alg = s.shop.URL, "EdDSA"
		sign = func(text string) []byte { return ed25519.Sign(s.shopKey, []byte(text)) }
	}
	encode := base64.RawURLEncoding.EncodeToString
	text := encode(fmt.Appendf(nil, `{"alg":%q,"kid":"k","typ":"at+jwt"}`, alg)) + "." +
		encode(fmt.Appendf(nil, `{"sub":"ann","iss":%q,"aud":"board","exp":%d%s}`, iss, time.Now().Add(time.Hour).Unix(), more))
	u := user{program: s.gateway, t: s.t, token: text + "." + encode(sign(text))}
	var err error
	if u.stream, err = s.gateway.stream(s.t.Context(), u.token); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { u.stream.body.Close() })
	return u
}

// asks reads with the state that there is now.
func (u user) asks(path string) (status int, items int) {
	u.t.Helper()
	resp, got := u.send("GET", path+"?fresh", "")
	list, _ := got["items"].([]any)
	return resp.StatusCode, len(list)
}

// next returns the next reply on the user's stream.
func (u user) next() (reply map[string]any) {
	u.t.Helper()
	late := time.AfterFunc(patience, func() { u.stream.body.Close() })
	defer late.Stop()
	for {
		e, err := u.stream.Next()
		if err != nil {
			u.t.Fatalf("stream: %v", err)
		}
		if e.Name == "" && json.Unmarshal(e.Data, &reply) == nil {
			return reply
		}
	}
}

// TestIssuersHaveNoUserInCommon: ann of one cannot read, change, hear, or
// repeat what is ann's of the other, unless it is shared with her, by any part
// of the system.
func TestIssuersHaveNoUserInCommon(t *testing.T) {
	s := startSystem(t)
	staff, partner := s.ann("staff", ""), s.ann("partner", `,"roles":["staff:ann","ann"]`)

	// The same correlation id from both, so that one would be the other's repeat.
	if resp, got := staff.send("POST", task, `{"_command":"create","title":"Milk","_corr":"c1"}`); resp.StatusCode != 202 {
		t.Fatalf("got %d %v", resp.StatusCode, got)
	}
	if got := staff.next(); got["_outcome"] != "applied" || got["owner"] != "staff:ann" {
		t.Errorf("got %v, want it applied and staff:ann's", got)
	}
	partner.send("POST", task, `{"_command":"create","title":"Milk","_corr":"c1"}`)
	if got := partner.next(); got["_outcome"] != "forbidden" || got["owner"] != nil {
		t.Errorf("got %v, want it forbidden", got)
	}
	if status, _ := partner.asks(task); status != 404 {
		t.Errorf("reading what is another ann's got %d, want 404", status)
	}
	if status, n := partner.asks("/api/board/task"); status != 200 || n != 0 {
		t.Errorf("listing got %d with %d items, want none", status, n)
	}
	if status, n := staff.asks("/api/board/task"); status != 200 || n != 1 {
		t.Errorf("listing her own got %d with %d items, want one", status, n)
	}

	// Shared by the name that she has in the system.
	staff.send("POST", task, `{"_command":"share","user":"partner:ann","_corr":"c2"}`)
	if got := staff.next(); got["_corr"] != "c2" || got["_outcome"] != "applied" {
		t.Errorf("got %v, want c2 applied: what was refused is not hers to hear", got)
	}
	if got := partner.next(); got["_corr"] != "c2" || got["owner"] != "staff:ann" {
		t.Errorf("got %v, want what was shared", got)
	}
	if status, _ := partner.asks(task); status != 200 {
		t.Errorf("reading what is shared got %d, want 200", status)
	}
	// An issuer that is known by its URL alone.
	if status, _ := s.ann("shop", "").asks(task); status != 404 {
		t.Errorf("reading what is shared with others got %d, want 404", status)
	}
	s.repliesOfNobody(staff)
}

// repliesOfNobody puts replies on the topic that no issuer vouches for: they
// are put aside, and not heard by staff's ann.
func (s system) repliesOfNobody(ann user) {
	t := s.t
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(s.broker), kgo.ConsumeTopics("board-task-reply-dead"), kgo.DefaultProduceTopic("board-task-reply"),
		kgo.MetadataMinAge(50*time.Millisecond), kgo.MetadataMaxAge(100*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	for _, claims := range []string{`{"iss":"https://other.test","sub":"staff:ann"}`, `{"iss":"https://partner.test","sub":"staff:ann"}`, `{"iss":"https://staff.test","sub":"ann"}`} {
		reply := kgo.KeySliceRecord([]byte(taskID), []byte(`{"_corr":"nobody's","_jwt":`+claims+`}`))
		if err := cl.ProduceSync(t.Context(), reply).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	ann.send("POST", task, `{"_command":"rename","title":"Bread","_corr":"c3"}`)
	if got := ann.next(); got["_corr"] != "c3" {
		t.Errorf("got %v, want nothing before c3", got)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var reasons []string
	for len(reasons) < 3 {
		f := cl.PollFetches(ctx)
		if err := f.Err0(); err != nil {
			t.Fatalf("%v; put aside for %q so far", err, reasons)
		}
		f.EachRecord(func(r *kgo.Record) {
			for _, h := range r.Headers {
				if h.Key == "reason" {
					reasons = append(reasons, string(h.Value))
				}
			}
		})
	}
	slices.Sort(reasons)
	if got := strings.Join(reasons, " "); got != "foreign-user foreign-user unknown-issuer" {
		t.Errorf("put aside for %s", got)
	}
}
