package edge_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/ebb-events/ebb/channel"
	"github.com/ebb-events/ebb/edge"
	"github.com/ebb-events/ebb/gateway"
	"github.com/ebb-events/ebb/grip"
	"github.com/ebb-events/ebb/internal/broker"
	"github.com/ebb-events/ebb/kafka"
	"github.com/ebb-events/ebb/sse"
)

var tokenKey = []byte(strings.Repeat("t0", 16))

// bearer is a user's, good for so long.
func bearer(user string, life time.Duration) string {
	b64 := base64.RawURLEncoding.EncodeToString
	signed := b64([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." + b64(fmt.Appendf(nil, `{"sub":%q,"exp":%d}`, user, time.Now().Add(life).Unix()))
	mac := hmac.New(sha256.New, tokenKey)
	mac.Write([]byte(signed))
	return signed + "." + b64(mac.Sum(nil))
}

// node is a gateway and an edge that asks it.
type node struct {
	t       *testing.T
	gateway *gateway.Gateway
	api     string
	edge    string
	stop    func()
}

// newNode starts one on a broker, and returns when it is ready.
func newNode(t *testing.T, brokers string) *node {
	t.Helper()
	client := must(kafka.Open(kafka.Config{Seeds: []string{brokers}, Embedded: true}))
	box := must(gateway.New(gateway.Config{
		Sessions: client.Sessions(), EdgeURL: "http://edge",
		TicketKeys: []grip.Key{must(grip.SecretKey([]byte(strings.Repeat("s0", 16))))}, GripKeys: []grip.Key{key},
		Issuers: []gateway.Issuer{{Key: must(grip.SecretKey(tokenKey))}},
	}))
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- box.Run(ctx) }()
	api := httptest.NewServer(box)
	log := client.Channels()
	e := must(edge.New(edge.Config{Log: log, Publisher: log, Sessions: client.Sessions(), Origin: must(url.Parse(api.URL)), GripKey: key}))
	end := running(t, e)
	front := facing(e)
	await(t, func() bool { return e.Ready() == nil && box.Ready() == nil })
	n := &node{t: t, gateway: box, api: api.URL, edge: front.URL}
	n.stop = func() {
		n.stop = func() {}
		end()
		front.CloseClientConnections()
		front.Close()
		api.Close()
		cancel()
		<-ended
		client.Close()
	}
	t.Cleanup(func() { n.stop() })
	return n
}

// ask asks the gateway with a token.
func (n *node) ask(method, path, token, id string) (status int, body string, header http.Header) {
	n.t.Helper()
	req := must(http.NewRequest(method, n.api+path, nil))
	req.Header.Set("Authorization", "Bearer "+token)
	if id != "" {
		req.Header.Set("Last-Event-ID", id)
	}
	resp := must(http.DefaultTransport.RoundTrip(req))
	defer resp.Body.Close()
	return resp.StatusCode, string(must(io.ReadAll(resp.Body))), resp.Header
}

// ticket is what the gateway sends a browser to the edge with.
func (n *node) ticket(token string) string {
	n.t.Helper()
	status, _, header := n.ask("GET", "/api/sse", token, "")
	if status != http.StatusTemporaryRedirect {
		n.t.Fatalf("got %d", status)
	}
	return must(url.Parse(header.Get("Location"))).Query().Get("u")
}

// open opens a stream, and tells the status if there is none.
func (n *node) open(u, id string) (status int, events chan sse.Event) {
	n.t.Helper()
	req := must(http.NewRequestWithContext(n.t.Context(), "GET", n.edge+"/api/sse-setup?u="+u, nil))
	req.Header.Set("Accept", sse.ContentType)
	if id != "" {
		req.Header.Set("Last-Event-ID", id)
	}
	resp := must(http.DefaultTransport.RoundTrip(req))
	if resp.StatusCode != http.StatusOK {
		resp.Body.Close()
		return resp.StatusCode, nil
	}
	return http.StatusOK, eventsOf(n.t, resp)
}

// hello opens a stream and returns the id that it begins with.
func (n *node) hello(u, id string) (events chan sse.Event, at string) {
	n.t.Helper()
	status, events := n.open(u, id)
	if status != http.StatusOK {
		n.t.Fatalf("got %d", status)
	}
	return events, expect(n.t, events, "ebb.hello", "").ID
}

// until reads a stream to its end, which must be of that reason.
func until(t *testing.T, events chan sse.Event, reason string) {
	t.Helper()
	var last sse.Event
	for {
		select {
		case e, ok := <-events:
			if !ok {
				if string(last.Data) != `{"reason":"`+reason+`"}` {
					t.Errorf("ended with %s %s, want %s", last.Name, last.Data, reason)
				}
				return
			}
			last = e
		case <-time.After(20 * time.Second):
			t.Fatalf("it does not end with %s", reason)
		}
	}
}

// hear waits for an event of the channel's, past Ebb's own.
func hear(t *testing.T, events chan sse.Event, data string) sse.Event {
	t.Helper()
	for {
		select {
		case e, ok := <-events:
			if ok && strings.HasPrefix(e.Name, "ebb.") && e.Name != "ebb.bye" {
				continue
			}
			if string(e.Data) != data {
				t.Fatalf("got %q %q, want %q", e.Name, e.Data, data)
			}
			return e
		case <-time.After(20 * time.Second):
			t.Fatalf("nothing came, want %q", data)
		}
	}
}

// TestSessionsThroughAnyNode renews at one node what another began, restarts
// nodes, and revokes: on all of them within 2 s, and on those that come later.
func TestSessionsThroughAnyNode(t *testing.T) {
	b := must(broker.Start(broker.Config{Addr: "127.0.0.1:0"}))
	t.Cleanup(func() { b.Close() })
	first, second := newNode(t, b.Addr()), newNode(t, b.Addr())

	// One device's session is renewed through the other gateway; the other device's ends.
	begun := time.Now()
	laptop, phone := first.ticket(bearer("ann", 3*time.Second)), second.ticket(bearer("ann", 3*time.Second))
	onFirst, at := first.hello(laptop, "")
	onSecond, _ := second.hello(laptop, "")
	other, _ := second.hello(phone, "")
	status, body, _ := second.ask("POST", "/api/sse/renew", bearer("ann", time.Hour), at)
	var renewed struct{ Expires int64 }
	if json.Unmarshal([]byte(body), &renewed) != nil || status != 200 || renewed.Expires < time.Now().Add(50*time.Minute).Unix() {
		t.Fatalf("got %d %s", status, body)
	}
	until(t, other, "expired")
	if took := time.Since(begun); took < time.Second || took > 8*time.Second {
		t.Errorf("ended after %v, of a session of 3 s", took)
	}
	log := must(kafka.Open(kafka.Config{Seeds: []string{b.Addr()}, Embedded: true}))
	defer log.Close()
	append1 := func(data string) {
		t.Helper()
		if err := log.Channels().Append(t.Context(), []channel.Record{{Channel: "ann", Kind: channel.Event, Data: []byte(data)}}); err != nil {
			t.Fatal(err)
		}
	}
	append1("beyond its first end")
	for _, events := range []chan sse.Event{onFirst, onSecond} {
		at = hear(t, events, "beyond its first end").ID
	}

	// A node that starts anew knows of the renewal, by the topic alone.
	first.stop()
	third := newNode(t, b.Addr())
	onThird, _ := third.hello(laptop, at)
	if status, _ := third.open(phone, at); status != http.StatusForbidden {
		t.Errorf("got %d for a session that is over", status)
	}

	// An operator revokes the user.
	begun = time.Now()
	r := httptest.NewRequest("POST", "/revoke", strings.NewReader(`{"user":"ann"}`))
	r.Header.Set("Content-Type", "application/json")
	answer := httptest.NewRecorder()
	second.gateway.Revoke(answer, r)
	if answer.Code != http.StatusNoContent {
		t.Fatalf("got %d %s", answer.Code, answer.Body)
	}
	until(t, onSecond, "revoked")
	until(t, onThird, "revoked")
	if took := time.Since(begun); took > 2*time.Second {
		t.Errorf("ended after %v, want 2 s at most", took)
	} else {
		t.Logf("ended %v after the revocation", took)
	}
	second.stop()
	late, from := newNode(t, b.Addr()), at
	for i, n := range []*node{third, late} {
		if status, _ := n.open(laptop, at); status != http.StatusForbidden {
			t.Errorf("node %d: got %d for a revoked ticket", i, status)
		}
		again, _ := n.hello(n.ticket(bearer("ann", time.Hour)), from)
		append1(fmt.Sprint("new", i))
		from = hear(t, again, fmt.Sprint("new", i)).ID
	}
}
