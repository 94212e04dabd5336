package edge_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ebb-events/ebb/edge"
	"github.com/ebb-events/ebb/grip"
	"github.com/ebb-events/ebb/sse"
)

// from has the requests of a stream come from an address.
func (w *world) from(addr, path string) *client {
	c := w.connectFrom(addr, path, "")
	go c.read(1 << 20)
	<-c.begun
	return c
}

// TestConnectionCaps: a user has so many streams, of which the oldest makes room
// for another; an address has so many, and more are sent away (S51).
func TestConnectionCaps(t *testing.T) {
	limits := func(c *edge.Config) { c.Limits = edge.Limits{User: 3, Address: 5} }
	in(t, limits, func(w *world) {
		var of []*client
		for i := range 3 {
			of = append(of, w.from(fmt.Sprintf("192.0.2.%d:80", i), "/?u=ann"))
			of[i].want("ebb.hello")
		}
		bob := w.from("192.0.2.9:80", "/?u=bob")
		bob.want("ebb.hello")
		for i := range 2 { // the fourth and the fifth: the first and the second go, in the order in which they came
			next := w.from("192.0.2.7:80", "/?u=ann")
			next.want("ebb.hello")
			e := of[i].next()
			if e.Name != "ebb.bye" || string(e.Data) != `{"reason":"replaced"}` || e.Retry != 10*time.Minute {
				t.Errorf("got %q %q, comes back after %v", e.Name, e.Data, e.Retry)
			}
			<-of[i].ended
			of = append(of, next)
		}
		w.append(event("ann", 1, "1"), event("bob", 1, "2"))
		for _, c := range append(of[2:], bob) {
			if e := c.next(); string(e.Data) != "1" && string(e.Data) != "2" {
				t.Errorf("got %q %q", e.Name, e.Data)
			}
		}

		// Of one network of IPv6, five and no more.
		for i := range 5 {
			of = append(of, w.from(fmt.Sprintf("[2001:db8::%d]:80", i), fmt.Sprintf("/?u=%d", i)))
			of[len(of)-1].want("ebb.hello")
		}
		more := w.from("[2001:db8::ffff]:80", "/?u=x")
		if e := more.next(); e.Name != "ebb.bye" || string(e.Data) != `{"reason":"address"}` || e.Retry < 5*time.Second || more.status != 200 {
			t.Errorf("got %d %q %q, comes back after %v", more.status, e.Name, e.Data, e.Retry)
		}
		<-more.ended
		w.from("[2001:db8:1::1]:80", "/?u=x").want("ebb.hello") // another network
		of[len(of)-1].cut()
		w.from("[2001:db8::ffff]:80", "/?u=x").want("ebb.hello") // there is room again
	})
}

// TestReplacedAcrossANewReadingOfTheLog: which stream is the oldest is known
// also when all of them have moved to another window.
func TestReplacedAcrossANewReadingOfTheLog(t *testing.T) {
	in(t, func(c *edge.Config) { c.Limits = edge.Limits{User: 4} }, func(w *world) {
		var of []*client
		for range 4 {
			of = append(of, w.open("/?u=ann", ""))
		}
		w.log.change(func() { w.log.cut++ })
		time.Sleep(5 * time.Second)
		for _, c := range of {
			c.want("ebb.hello")
		}
		w.open("/?u=ann", "").want("ebb.hello")
		of[0].want(`ebb.bye {"reason":"replaced"}`)
		for _, c := range of[1:] {
			c.silent()
		}
	})
}

// TestStreamsOfForeignBackEndsHaveNoUser: what is held without a session may be
// heard by as many as like to.
func TestStreamsOfForeignBackEndsHaveNoUser(t *testing.T) {
	in(t, func(c *edge.Config) { c.Limits = edge.Limits{User: 2} }, func(w *world) {
		w.origin = func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Set("Content-Type", sse.ContentType)
			rw.Header().Set("Grip-Hold", grip.ModeStream)
			rw.Header().Set("Grip-Channel", "news")
		}
		for range 10 {
			w.open("/", "").want("ebb.hello")
		}
		if n := w.edge.Streams(); n != 10 {
			t.Errorf("%d streams, want 10", n)
		}
	})
}

// TestPollsOfAnAddress count among what it has.
func TestPollsOfAnAddress(t *testing.T) {
	in(t, func(c *edge.Config) { c.Limits = edge.Limits{Address: 2} }, func(w *world) {
		w.origin = func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Set("Grip-Hold", grip.ModeResponse)
			rw.Header().Set("Grip-Channel", "c")
			rw.Header().Set("Grip-Timeout", "10")
		}
		ask := func() *httptest.ResponseRecorder {
			rec := httptest.NewRecorder()
			r := httptest.NewRequest("GET", "http://edge/", nil)
			r.RemoteAddr = "192.0.2.1:80"
			w.edge.ServeHTTP(rec, r.WithContext(w.t.Context()))
			return rec
		}
		var waiting sync.WaitGroup
		for range 2 {
			waiting.Go(func() {
				if rec := ask(); rec.Code != 200 {
					t.Errorf("got %d", rec.Code)
				}
			})
		}
		synctest.Wait()
		if rec := ask(); rec.Code != 503 || rec.Header().Get("Retry-After") == "" {
			t.Errorf("the third got %d %v", rec.Code, rec.Header())
		}
		waiting.Wait()
		waiting.Go(func() { ask() })
		waiting.Wait()
	})
}

// TestOpensASecond: an address opens no more than it may, all together no more
// than they may, and who is exempt has no limit but the latter. Who is sent away
// costs the origin nothing.
func TestOpensASecond(t *testing.T) {
	limits := func(c *edge.Config) {
		c.Limits = edge.Limits{AddressOpens: 2, Opens: 50, Exempt: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}
	}
	in(t, limits, func(w *world) {
		asked := 0
		w.origin = func(rw http.ResponseWriter, r *http.Request) { asked++; setUp(rw, r) }
		open := func(addr string) string {
			c := w.from(addr, "/?u=ann")
			e := c.next()
			c.cut()
			if e.Name == "ebb.bye" && (e.Retry < 5*time.Second || e.Retry > 20*time.Second) {
				t.Errorf("comes back after %v", e.Retry)
			}
			return e.Name + string(e.Data)
		}
		count := func(n int, addr string) (opened int) {
			for range n {
				switch got := open(addr); got {
				case "ebb.hello":
					opened++
				case `ebb.bye{"reason":"rate"}`:
				default:
					t.Errorf("got %s", got)
				}
			}
			return opened
		}
		if n := count(30, "192.0.2.1:80"); n != 20 {
			t.Errorf("%d at once from one address, want 20", n)
		}
		if n := count(40, "127.0.0.1:80"); n != 30 {
			t.Errorf("%d more from one that is exempt, want 30", n)
		}
		if asked != 50 {
			t.Errorf("the origin was asked %d times", asked)
		}
		time.Sleep(time.Second)
		if n := count(10, "192.0.2.1:80"); n != 2 {
			t.Errorf("%d a second later, want 2", n)
		}
	})
}

// TestWatermarks: an edge stops taking streams well below what it could hold,
// still answers everybody else, and takes streams again when some have gone (S51).
func TestWatermarks(t *testing.T) {
	in(t, func(c *edge.Config) { c.Streams = 9 }, func(w *world) {
		var held []*client
		for i := range 9 {
			held = append(held, w.open(fmt.Sprintf("/?u=%d", i), ""))
			held[i].want("ebb.hello")
		}
		w.open("/?u=x", "").want(`ebb.bye {"reason":"full"}`)
		w.origin = func(rw http.ResponseWriter, _ *http.Request) { io.WriteString(rw, "an answer") }
		rec := httptest.NewRecorder()
		w.edge.ServeHTTP(rec, httptest.NewRequest("GET", "http://edge/", nil))
		if rec.Code != 200 || rec.Body.String() != "an answer" {
			t.Errorf("a full edge answers %d %q to what is no stream", rec.Code, rec.Body)
		}
		w.origin = setUp
		held[0].cut()
		w.open("/?u=x", "").want("ebb.hello")
	})
}

// TestRefusedPublishersAreAudited (S57).
func TestRefusedPublishersAreAudited(t *testing.T) {
	var b bytes.Buffer
	log := slog.New(slog.NewJSONHandler(&b, nil))
	in(t, func(c *edge.Config) { c.Logger = log }, func(w *world) {
		r := httptest.NewRequest("POST", "http://edge/publish/?token=canary", strings.NewReader(`{"items":[]}`))
		r.RemoteAddr = "192.0.2.1:7"
		r.Header.Set("Authorization", "Bearer canary")
		w.edge.Control().ServeHTTP(httptest.NewRecorder(), r)
	})
	var line map[string]any
	if err := json.Unmarshal(b.Bytes(), &line); err != nil {
		t.Fatalf("%v: %s", err, b.Bytes())
	}
	if line["msg"] != "audit" || line["action"] != "publish" || line["outcome"] != "refused" || line["address"] != "192.0.2.1" || line["status"] != 401.0 {
		t.Errorf("got %v", line)
	}
	if strings.Contains(b.String(), "canary") {
		t.Errorf("it tells a secret: %s", b.Bytes())
	}
}
