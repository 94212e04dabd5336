package edge_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ebb-events/ebb/channel"
	"github.com/ebb-events/ebb/edge"
	"github.com/ebb-events/ebb/grip"
	"github.com/ebb-events/ebb/sse"
)

var secret = strings.Repeat("k", 32)

// publish posts a body with the key, or with headers in pairs.
func (w *world) publish(body string, headers ...string) *httptest.ResponseRecorder {
	return w.control("POST", "/publish/", body, append([]string{"Authorization", "Bearer " + secret}, headers...)...)
}

func (w *world) control(method, path, body string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "http://edge"+path, strings.NewReader(body))
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	rec := httptest.NewRecorder()
	w.edge.Control().ServeHTTP(rec, r)
	synctest.Wait()
	return rec
}

// send publishes content, which must work.
func (w *world) send(channel, content string) {
	w.t.Helper()
	body := grip.FormatItems(grip.Item{Channel: channel, Stream: &grip.Stream{Content: []byte(content), Action: grip.ActionSend}})
	if rec := w.publish(string(body)); rec.Code != 200 {
		w.t.Fatalf("got %d %s", rec.Code, rec.Body)
	}
}

const oneItem = `{"items":[{"channel":"ann","formats":{"http-stream":{"content":"data: x\n\n"}}}]}`

func TestPublishAuthMatrix(t *testing.T) {
	other := must(grip.SecretKey([]byte(strings.Repeat("o", 32))))
	in(t, nil, func(w *world) {
		fresh := must(key.Sign("realm", time.Now()))
		tests := []struct {
			name   string
			header string
			want   int
		}{
			{"none", "", 401},
			{"Bearer and nothing", "Bearer ", 401},
			{"the key", "Bearer " + secret, 200},
			{"the key, base64", "Bearer " + base64.StdEncoding.EncodeToString([]byte(secret)), 200},
			{"lower case", "bearer " + secret, 200},
			{"another key", "Bearer " + strings.Repeat("o", 32), 401},
			{"a prefix", "Bearer " + secret[1:], 401},
			{"Basic", "Basic " + base64.StdEncoding.EncodeToString([]byte("realm:"+secret)), 200},
			{"Basic, base64 key", "Basic " + base64.StdEncoding.EncodeToString([]byte("realm:"+base64.StdEncoding.EncodeToString([]byte(secret)))), 200},
			{"Basic, key as user", "Basic " + base64.StdEncoding.EncodeToString([]byte(secret+":")), 401},
			{"Basic of Python 3", "Basic b'" + base64.StdEncoding.EncodeToString([]byte("realm:"+secret)) + "'", 401},
			{"JWT", "Bearer " + fresh, 200},
			{"JWT, expired", "Bearer " + must(key.Sign("realm", time.Now().Add(-time.Hour))), 401},
			{"JWT of another key", "Bearer " + must(other.Sign("realm", time.Now())), 401},
			{"JWT without signature", "Bearer eyJhbGciOiJub25lIn0.eyJleHAiOjk5OTk5OTk5OTl9.", 401},
			{"another scheme", "Digest " + secret, 401},
		}
		for _, tt := range tests {
			rec := w.control("POST", "/publish/", oneItem, "Authorization", tt.header)
			if rec.Code != tt.want || (tt.want == 401) != (rec.Header().Get("WWW-Authenticate") != "") {
				t.Errorf("%s: got %d %s, want %d", tt.name, rec.Code, rec.Body, tt.want)
			}
			if strings.Contains(rec.Body.String(), "kkkk") {
				t.Errorf("%s: the answer tells the key", tt.name)
			}
		}
	})
	in(t, func(c *edge.Config) { c.PublishKey = grip.Key{} }, func(w *world) {
		for _, header := range []string{"", "Bearer ", "Basic Og==", "Bearer " + secret} {
			if rec := w.control("POST", "/publish/", oneItem, "Authorization", header); rec.Code != 403 {
				t.Errorf("without a key %q got %d", header, rec.Code)
			}
		}
	})
}

func TestPublishRequests(t *testing.T) {
	item := func(s string) string { return `{"items":[` + s + `]}` }
	tests := []struct {
		name, method, path, body string
		want                     int
	}{
		{"as clients do", "POST", "/publish/", oneItem, 200},
		{"without a slash", "POST", "/publish", oneItem, 200},
		{"two slashes", "POST", "//publish/", oneItem, 200},
		{"GET", "GET", "/publish/", "", 405},
		{"PUT", "PUT", "/publish/", oneItem, 405},
		{"OPTIONS", "OPTIONS", "/publish", "", 405},
		{"of a realm", "POST", "/realm/r/publish/", oneItem, 200},
		{"of a service", "POST", "/service/s//publish", oneItem, 200},
		{"elsewhere", "POST", "/", oneItem, 404},
		{"below", "POST", "/publish/ann", oneItem, 404},
		{"of a realm, below", "POST", "/realm/r/publish/ann/", oneItem, 404},
		{"of nobody", "POST", "/team/t/publish/", oneItem, 404},
		{"no JSON", "POST", "/publish/", "<", 400},
		{"nothing", "POST", "/publish/", "", 400},
		{"no items", "POST", "/publish/", "{}", 400},
		{"an empty list", "POST", "/publish/", item(""), 200},
		{"too large", "POST", "/publish/", item(`{"channel":"ann","http-stream":{"content":"` + strings.Repeat("x", 1<<20) + `"}}`), 413},
		{"no channel", "POST", "/publish/", item(`{"http-stream":{"content":"x"}}`), 400},
		{"no content", "POST", "/publish/", item(`{"channel":"ann","http-stream":{}}`), 400},
		{"an unknown action", "POST", "/publish/", item(`{"channel":"ann","http-stream":{"action":"x"}}`), 400},
		{"no base64", "POST", "/publish/", item(`{"channel":"ann","http-stream":{"content-bin":"?"}}`), 400},
		{"one bad of two", "POST", "/publish/", item(`{"channel":"ann","http-stream":{"content":"data: bad\n\n"}},{"channel":"ann","http-stream":{}}`), 400},
		{"of another transport", "POST", "/publish/", item(`{"channel":"ann","formats":{"ws-message":{"content":"x"}}}`), 200},
		{"hint", "POST", "/publish/", item(`{"channel":"ann","formats":{"http-stream":{"action":"hint"}}}`), 200},
	}
	var refused []int
	in(t, func(c *edge.Config) { c.Metrics.Refused = func(status int) { refused = append(refused, status) } }, func(w *world) {
		c := w.open("/?u=ann", "")
		c.want("ebb.hello")
		wrong := 0
		for _, tt := range tests {
			rec := w.control(tt.method, tt.path, tt.body, "Authorization", "Bearer "+secret)
			if rec.Code != tt.want {
				t.Errorf("%s: got %d %s, want %d", tt.name, rec.Code, rec.Body, tt.want)
			}
			if rec.Code == 405 && rec.Header().Get("Allow") != "POST" {
				t.Errorf("%s: Allow is %q", tt.name, rec.Header().Get("Allow"))
			}
			if tt.want != 200 {
				wrong++
			}
		}
		if len(refused) != wrong {
			t.Errorf("counted %v, want %d", refused, wrong)
		}
		c.want("x", "x", "x", "x", "x")
		c.silent()
		c.cut()
	})
}

// TestCutWithinAnItemOfSeveralEvents loses nothing and repeats nothing: each has
// an id of its own. The item published again is a copy, whole or in part.
func TestCutWithinAnItemOfSeveralEvents(t *testing.T) {
	for _, end := range []string{"\n", "\r\n"} {
		for _, window := range []int64{1, 1 << 20} {
			in(t, func(c *edge.Config) { c.Window = window }, func(w *world) {
				c := w.open("/?u=ann", "")
				c.want("ebb.hello")
				content := strings.ReplaceAll("data: a\n\nevent: x\ndata: b\n\n:c\n\ndata: c\n\ndata: left open", "\n", end)
				body, _ := json.Marshal(content)
				for range 2 {
					w.publish(`{"items":[{"channel":"ann","id":"1","http-stream":{"content":` + string(body) + `}}]}`)
				}
				w.send("ann", "data: next\n\n")
				for i, want := range []string{"a", "x b", "c", "left open", "next"} {
					c.want(want)
					c.cut()
					back := w.open("/?u=ann", c.lastID)
					back.want("ebb.hello")
					back.want([]string{"x b", "c", "left open", "next"}[i:]...)
					back.silent()
					back.cut()
					c = w.open("/?u=ann", c.lastID)
					c.want("ebb.hello")
				}
				c.cut()
			})
		}
	}
}

func TestBothShapesOfItemsAndAllOrders(t *testing.T) {
	in(t, nil, func(w *world) {
		ann, bob := w.open("/?u=ann", ""), w.open("/?u=bob", "")
		ann.want("ebb.hello")
		bob.want("ebb.hello")
		rec := w.publish(`{"items":[
			{"channel":"ann","id":"1","prev-id":"0","formats":{"http-stream":{"content":"event: message\ndata:{\"a\":1}\n\n"},"ws-message":{"content":"no"}}},
			{"channel":"bob","http-stream":{"content":"data: b\n\n"}},
			{"channel":"ann","http-stream":{"content-bin":"ZGF0YTogYmluCgo="}}]}`)
		if rec.Code != 200 || rec.Body.String() != "Published\n" {
			t.Errorf("got %d %q", rec.Code, rec.Body)
		}
		ann.want(`message {"a":1}`, "bin")
		bob.want("b")
		ann.silent()
		bob.silent()
		ann.cut()
		bob.cut()
	})
}

// sink is a channel log that takes what it is told to.
type sink func(ctx context.Context, records []channel.Record) error

func (s sink) Append(ctx context.Context, records []channel.Record) error { return s(ctx, records) }

func TestPublish200MeansDurable(t *testing.T) {
	var durable, published int
	answer := make(chan error)
	in(t, func(c *edge.Config) {
		answer = make(chan error) // of the bubble
		c.Publisher = sink(func(ctx context.Context, records []channel.Record) error {
			select {
			case err := <-answer:
				if err == nil {
					durable += len(records)
				}
				return err
			case <-ctx.Done():
				return ctx.Err()
			}
		})
		c.Metrics.Published = func(n int) { published += n }
	}, func(w *world) {
		got := make(chan *httptest.ResponseRecorder, 1)
		go func() { got <- w.publish(oneItem) }()
		synctest.Wait()
		time.Sleep(time.Minute)
		select {
		case rec := <-got:
			t.Errorf("got %d before the log had it", rec.Code)
		default:
		}
		answer <- nil
		if rec := <-got; rec.Code != 200 || durable != 1 || published != 1 {
			t.Errorf("got %d, %d durable, %d counted", rec.Code, durable, published)
		}
		go func() { got <- w.publish(oneItem) }()
		answer <- errors.New("not enough replicas")
		if rec := <-got; rec.Code != 503 || rec.Header().Get("Retry-After") != "1" || strings.Contains(rec.Body.String(), "replicas") || published != 1 {
			t.Errorf("got %d %q", rec.Code, rec.Body)
		}
	})
}

func TestBodyThatEndsEarlyIsRefused(t *testing.T) {
	in(t, nil, func(w *world) {
		r := httptest.NewRequest("POST", "http://edge/publish/", io.MultiReader(strings.NewReader(oneItem), broken{}))
		r.Header.Set("Authorization", "Bearer "+secret)
		rec := httptest.NewRecorder()
		w.edge.Control().ServeHTTP(rec, r)
		if rec.Code != 400 || w.log.parts[annIn].next != 0 {
			t.Errorf("got %d", rec.Code)
		}
	})
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestItemsIDTwiceIsOneEvent(t *testing.T) {
	in(t, nil, func(w *world) {
		c := w.open("/?u=ann", "")
		c.want("ebb.hello")
		for range 2 {
			w.publish(`{"items":[{"channel":"ann","id":"a:1","http-stream":{"content":"data: once\n\n"}},{"channel":"ann","http-stream":{"content":"data: each time\n\n"}}]}`)
		}
		c.want("once", "each time", "each time")
		c.silent()
		c.cut()
	})
}

func TestPublishedEventsResume(t *testing.T) {
	for _, content := range []string{"data: %d\n\n", "data: %d\r\n\r\n", "event: message\ndata:%d\n\n", "data: %d", "data: %d\n", "data: %d\r\r", "data: %d\n\n\n", "data: %d\n\n: comment\n\n", "id: own\ndata: %d\n\n"} {
		for _, window := range []int64{1, 1 << 20} {
			in(t, func(c *edge.Config) { c.Window = window }, func(w *world) {
				next := func(c *client, want string) {
					t.Helper()
					e := c.next()
					if got := string(e.Data); got != want {
						t.Errorf("%q: got %q %q, want %q", content, e.Name, got, want)
					}
				}
				c := w.open("/?u=ann", "")
				c.want("ebb.hello")
				for i := range 4 {
					w.send("ann", fmt.Sprintf(content, i))
				}
				next(c, "0")
				if strings.HasSuffix(content, "\r\r") || strings.HasPrefix(content, "id") {
					c.want("ebb.mark") // which has the cursor
				}
				if cursor, err := channel.ParseCursor(c.lastID); err != nil || cursor.Offset != 0 {
					t.Errorf("%q: the id is %q, %v", content, c.lastID, err)
				}
				c.cut()
				back := w.open("/?u=ann", c.lastID)
				back.want("ebb.hello")
				for i := 1; i < 4; {
					if e := back.next(); e.Name != "ebb.mark" {
						if string(e.Data) != fmt.Sprint(i) {
							t.Errorf("%q: got %q, want %d", content, e.Data, i)
						}
						i++
					}
				}
				back.cut()
			})
		}
	}
}

func TestCloseEndsLiveStreamsAndReplaySkipsIt(t *testing.T) {
	for _, window := range []int64{1, 1 << 20} {
		in(t, func(c *edge.Config) { c.Window = window }, func(w *world) {
			live, cut, bob := w.open("/?u=ann", ""), w.open("/?u=ann", ""), w.open("/?u=bob", "")
			live.want("ebb.hello")
			cut.want("ebb.hello")
			bob.want("ebb.hello")
			cut.cut()
			rec := w.publish(`{"items":[
				{"channel":"ann","http-stream":{"content":"data: before\n\n"}},
				{"channel":"ann","http-stream":{"action":"close","content":""}},
				{"channel":"ann","http-stream":{"content":"data: after\n\n"}}]}`)
			if rec.Code != 200 {
				t.Errorf("got %d", rec.Code)
			}
			live.want("before", `ebb.bye {"reason":"closed"}`)
			<-live.ended
			for _, at := range []string{live.lastID, live.lastID, cut.lastID} {
				back := w.open("/?u=ann", at)
				back.want("ebb.hello")
				if at == cut.lastID {
					back.want("before")
				}
				back.want("after")
				back.silent()
				back.cut()
			}
			back := w.open("/?u=ann", cut.lastID)
			back.want("ebb.hello", "before", "after")
			w.publish(`{"items":[{"channel":"ann","http-stream":{"action":"close"}}]}`)
			back.want(`ebb.bye {"reason":"closed"}`)
			bob.silent()
			bob.cut()
			synctest.Wait()
			if w.edge.Streams() != 0 {
				t.Errorf("%d left", w.edge.Streams())
			}
		})
	}
}

func TestSlowStreamIsClosedInItsPlace(t *testing.T) {
	in(t, func(c *edge.Config) { c.Window = 2000 }, func(w *world) {
		slow := w.connect("/?u=ann", "")
		synctest.Wait()
		for i := range int64(50) {
			w.append(event("ann", i, fmt.Sprintf("%0200d", i)))
		}
		w.append(channel.Record{Channel: "ann", Kind: channel.Close}, event("ann", 50, "after"))
		go slow.read(16)
		slow.want("ebb.hello")
		for i := range 50 {
			slow.want(fmt.Sprintf("%0200d", i))
		}
		slow.want(`ebb.bye {"reason":"closed"}`)
		<-slow.ended
		back := w.open("/?u=ann", slow.lastID)
		back.want("ebb.hello", "after")
		back.cut()
	})
}

// FuzzPublishedContentStaysInItsPlace: whatever is published or carried, the
// next of our events, and its id, are what they would be without it.
func FuzzPublishedContentStaysInItsPlace(f *testing.F) {
	for _, content := range []string{
		"", "\n", "\r", "data: x", "data: x\n", "data: x\n\n", "data: x\r", "data: x\r\n\r\n", "data: x\r\r", "data: x\n\r", "data: x\r\n\n", ":", "event: ebb.reset", "id", "id: 7\n\n", "id: 7\ndata: x", "data: a\rid:\r\rdata: b\n\n",
		"data: a\n\ndata: b", "\ufeffdata: x\n\n", "\xe2\x82", "retry: 0\n", "id: a\x00\n\n", "data: \x00\n\n", "data: \u2028id: 9\n\n", "data: \u2029\u0085id: 9\n\n", "data: \xff\xfe\n\n", "\xffid: 9\n\n", "data: a\n\ndata: b\n\n", "data: a\r\n\r\nid\r\n\r\n", "id\x00: 9\n\n", "data: a\x0bid: 9\n\n", "data: x\n\n\n\n", "data: x\n\n:c\n\n", "data: x\n\nid", " \n", "x",
	} {
		f.Add([]byte(content), "name", []byte("data"))
	}
	f.Add([]byte("data: x\n\n"), "na\nme\r\x00", []byte("d\r\n\rid: 9\n\nevent: ebb.bye\x00"))
	f.Fuzz(func(t *testing.T, content []byte, name string, data []byte) {
		if strings.Contains(string(content), "AQAAAAAA") {
			return // a forged cursor: who may publish may send one
		}
		synctest.Test(t, func(t *testing.T) {
			w := &world{t: t, log: newLog(), origin: setUp}
			stop := w.start(nil)
			defer stop()
			c := w.open("/?u=ann", "")
			c.want("ebb.hello")
			w.append(
				channel.Record{Channel: "ann", Kind: channel.Raw, Data: content},
				channel.Record{Channel: "ann", Kind: channel.Event, Name: name, Data: data},
				channel.Record{Channel: "ann", Kind: channel.Raw, Data: content},
				event("ann", 3, "ours"),
			)
			time.Sleep(20 * time.Second)
			wantName := name
			if !sse.ValidName(name) {
				wantName = ""
			}
			wantData := strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(string(data))
			// Ours come first with their cursors; what is published keeps the last one.
			offset := int64(-1)
			seen := map[int64]sse.Event{}
			for e := c.next(); e.Data != nil; e = c.next() {
				cursor, err := channel.ParseCursor(e.ID)
				if err != nil {
					if !strings.Contains(string(content), "id") {
						t.Errorf("got id %q", e.ID)
					}
					continue
				}
				if cursor.Offset < offset {
					t.Errorf("id goes back from %d to %d", offset, cursor.Offset)
				}
				if _, ok := seen[cursor.Offset]; !ok {
					seen[cursor.Offset] = e
				}
				offset = cursor.Offset
			}
			if e := seen[1]; e.Name != wantName || string(e.Data) != wantData {
				t.Errorf("behind %q: got %+v, want %q %q", content, e, wantName, wantData)
			}
			if e := seen[3]; e.Name != "" || string(e.Data) != "ours" {
				t.Errorf("behind %q: got %+v", content, e)
			}
			c.cut()
		})
	})
}

func TestManyPublishersAndStreamsAtOnce(t *testing.T) {
	in(t, nil, func(w *world) {
		const n = 20
		done := make(chan bool, 2*n)
		for i := range n {
			user := fmt.Sprint("u", i%4)
			go func() {
				w.edge.Control().ServeHTTP(httptest.NewRecorder(), func() *http.Request {
					r := httptest.NewRequest("POST", "http://edge/publish/", strings.NewReader(strings.ReplaceAll(oneItem, "ann", user)))
					r.Header.Set("Authorization", "Bearer "+secret)
					return r
				}())
				done <- true
			}()
			go func() {
				w.open("/?u="+user, "").cut()
				done <- true
			}()
		}
		for range 2 * n {
			<-done
		}
		synctest.Wait()
		if w.edge.Streams() != 0 {
			t.Errorf("%d left", w.edge.Streams())
		}
	})
}
