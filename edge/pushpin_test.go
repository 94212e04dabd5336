//go:build linux

package edge_test

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ebb-events/ebb/internal/logtest"
	"github.com/ebb-events/ebb/internal/pushpintest"
	"github.com/ebb-events/ebb/sse"
)

// TestAgainstPushpin asks this edge and Debian's Pushpin the same, in front of
// the same origin, and compares what comes back. A difference must be named in
// the table, and explained in docs/grip.md; one that is gone must be taken out.
func TestAgainstPushpin(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { instruct(`{"response":{"body":"ready"}}`)(w, r, "") })
	back := httptest.NewServer(mux)
	t.Cleanup(back.Close)
	edge := goLive(t, back.URL, must(net.Listen("tcp", "127.0.0.1:0")))
	first := startPushpin(t, back)
	pushpin := first
	docs := string(must(os.ReadFile("../docs/grip.md")))

	// Some wait for seconds, so several ask at a time.
	type row struct {
		name, differs string
		faulty        bool
		ask           func(live) string
		ours, theirs  chan string
	}
	var rows []*row
	for i, x := range exchanges {
		ch := "c" + strconv.Itoa(i)
		mux.HandleFunc("/"+ch+"/", func(w http.ResponseWriter, r *http.Request) { x.origin(w, r, ch) })
		rows = append(rows, &row{name: x.name, differs: x.differs, faulty: x.faulty, ask: func(l live) string { return x.ask(t, l, ch) }})
	}
	for _, p := range publications {
		rows = append(rows, &row{name: "publish " + p.name, differs: p.differs, ask: func(l live) string { return p.ask(t, l) }})
	}
	for _, r := range rows {
		r.ours, r.theirs = make(chan string, 1), make(chan string, 1)
	}
	var broken atomic.Bool
	places := make(chan bool, 16)
	begin := func(r *row) {
		places <- true
		go func() {
			defer func() { <-places }()
			r.ours <- r.ask(edge)
		}()
		places <- true
		go func() {
			defer func() { <-places }()
			theirs := stalled
			if !broken.Load() { // it delivers to nobody then
				theirs = r.ask(first)
				broken.CompareAndSwap(false, strings.HasPrefix(theirs, stalled))
			}
			r.theirs <- theirs
		}()
	}
	check := func(r *row) {
		ours, theirs := <-r.ours, <-r.theirs
		if strings.HasPrefix(theirs, stalled) {
			// Under load Pushpin 1.36 now and then delivers nothing to anybody.
			t.Logf("%s: Pushpin has stalled; another is asked", r.name)
			if pushpin == first {
				pushpin = startPushpin(t, back)
			}
			theirs = r.ask(pushpin)
		}
		t.Run(r.name, func(t *testing.T) {
			switch {
			case r.differs == "" && ours != theirs:
				t.Errorf("the edge and Pushpin differ\n--- edge\n%s\n--- Pushpin\n%s", ours, theirs)
			case r.differs != "" && ours == theirs:
				t.Errorf("both are now the same, not %q:\n%s", r.differs, ours)
			case r.differs != "" && !strings.Contains(docs, "| "+r.differs+" |"):
				t.Errorf("docs/grip.md does not explain %q", r.differs)
			}
		})
	}
	var last []*row
	go func() {
		for _, r := range rows {
			if !r.faulty {
				begin(r)
			}
		}
	}()
	for _, r := range rows {
		if r.faulty {
			last = append(last, r)
			continue
		}
		check(r)
	}
	for _, r := range last { // now that nobody else is there
		begin(r)
		check(r)
	}
}

// stalled begins what is no answer.
const stalled = "no answer: "

// once has a connection for each request: Pushpin closes idle ones when it likes.
var once = &http.Transport{DisableKeepAlives: true}

// exchange is a request, what the origin says to it, and what is published. CH
// stands for its channel.
type exchange struct {
	name    string
	origin  func(w http.ResponseWriter, r *http.Request, ch string)
	method  string   // GET if empty
	headers []string // in pairs
	body    string
	hold    string   // stream, or response; otherwise the answer comes by itself
	publish []string // items
	awaits  []string // of a stream: what it must get before the next item, and the close
	differs string   // how Pushpin's answer is another
	faulty  bool     // Pushpin ends the stream for it, and then may deliver to nobody any more
}

// ask returns what the client gets, without what is never the same.
func (x *exchange) ask(t *testing.T, l live, ch string) string {
	ctx, cancel := context.WithTimeout(t.Context(), 12*time.Second)
	defer cancel()
	r := must(http.NewRequestWithContext(ctx, x.method, l.front+"/"+ch+"/?a=b", strings.NewReader(x.body)))
	for i := 0; i+1 < len(x.headers); i += 2 {
		r.Header.Add(x.headers[i], x.headers[i+1])
	}
	if x.hold == "response" {
		stop := x.publishUntil(t, l, ch)
		defer stop()
	}
	resp, err := once.RoundTrip(r)
	if err != nil {
		return stalled + err.Error()
	}
	defer resp.Body.Close()
	body := new(logtest.Text)
	done := make(chan bool)
	go func() {
		defer close(done)
		io.Copy(body, resp.Body)
	}()
	if x.hold == "stream" {
		x.play(t, l, ch, body, done)
	}
	if <-done; ctx.Err() != nil {
		return stalled + "it does not end: " + body.String()
	}
	return transcript(resp, body.String(), x.awaits)
}

// ping is published to find out whether a stream is held.
const ping = ": ping\n\n"

// play publishes to a stream once it is held, and then closes it.
func (x *exchange) play(t *testing.T, l live, ch string, body *logtest.Text, done chan bool) {
	if !wait(body, done, ping, func() { l.post(t, ch, `{"channel":"CH","http-stream":{"content":": ping\n\n"}}`) }) {
		return
	}
	for i := range max(len(x.publish), len(x.awaits)) { // channels have no order among each other
		if i < len(x.publish) {
			l.post(t, ch, x.publish[i])
		}
		if i < len(x.awaits) {
			wait(body, done, x.awaits[i], func() {})
		}
	}
	l.post(t, ch, `{"channel":"CH","http-stream":{"action":"close","content":""}}`)
}

// publishUntil publishes what a held response waits for, on and on.
func (x *exchange) publishUntil(t *testing.T, l live, ch string) (stop func()) {
	if len(x.publish) == 0 {
		return func() {}
	}
	end, ended := make(chan bool), make(chan bool)
	go func() {
		defer close(ended)
		for tick := time.NewTicker(100 * time.Millisecond); ; {
			select {
			case <-tick.C:
				for _, item := range x.publish {
					l.post(t, ch, item)
				}
			case <-end:
				return
			}
		}
	}()
	return func() { close(end); <-ended }
}

// post publishes an item, which must work.
func (l live) post(t *testing.T, ch, item string) {
	status, text := l.send(t, "POST", "/publish/", `{"items":[`+strings.ReplaceAll(item, "CH", ch)+`]}`)
	if status != 200 {
		t.Errorf("publishing %s got %d %s", item, status, text)
	}
}

func (l live) send(t *testing.T, method, path, body string, headers ...string) (status int, text string) {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	r := must(http.NewRequestWithContext(ctx, method, l.control+path, strings.NewReader(body)))
	r.Header.Set("Authorization", "Bearer "+secret) // which Pushpin does not look at
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
		if headers[i] == "Transfer-Encoding" {
			r.ContentLength = -1
		}
	}
	resp, err := once.RoundTrip(r)
	if err != nil {
		return 0, err.Error() // also where the server has hung up on a body that is too large
	}
	defer resp.Body.Close()
	return resp.StatusCode, string(must(io.ReadAll(resp.Body)))
}

// wait calls try again and again until body has text. It returns false if done.
func wait(body *logtest.Text, done chan bool, text string, try func()) bool {
	for tick := time.NewTicker(50 * time.Millisecond); ; {
		if strings.Contains(body.String(), text) {
			return true
		}
		try()
		select {
		case <-tick.C:
		case <-done:
			return false
		}
	}
}

// unlike are headers that say nothing about GRIP, or that only one of both adds.
var unlike = []string{"Date", "Content-Length", "Connection", "Keep-Alive", "Transfer-Encoding", "X-Accel-Buffering", "Cache-Control"}

// transcript is a response without what is never the same. Of what was awaited
// there may be any number.
func transcript(resp *http.Response, body string, awaited []string) string {
	var b strings.Builder
	fmt.Fprintln(&b, resp.Status)
	if resp.StatusCode == http.StatusBadGateway {
		return b.String() // with a text for people
	}
	for _, name := range slices.Sorted(maps.Keys(resp.Header)) {
		if !slices.Contains(unlike, name) {
			fmt.Fprintf(&b, "%s: %q\n", name, resp.Header[name])
		}
	}
	body = strings.ReplaceAll(body, ping, "")
	for _, text := range awaited {
		if n := strings.Count(body, text); text != "" && n > 1 {
			body = strings.Replace(body, text, "", n-1)
		}
	}
	if resp.Header.Get("Content-Type") != sse.ContentType {
		fmt.Fprintf(&b, "%q\n", body)
		return b.String()
	}
	for r := sse.NewReader(strings.NewReader(body)); ; {
		e, err := r.Next()
		if err != nil {
			return b.String()
		}
		if !strings.HasPrefix(e.Name, "ebb.") {
			fmt.Fprintf(&b, "%s %q\n", e.Name, e.Data)
		}
	}
}

// publication is a request to the control port.
type publication struct {
	name, method, path, body string
	headers                  []string
	differs                  string
}

// ask returns the status, and the text of success: those of refusals are for
// people.
func (p *publication) ask(t *testing.T, l live) string {
	status, text := l.send(t, p.method, p.path, p.body, p.headers...)
	if status != 200 {
		text = ""
	}
	return strings.TrimSpace(fmt.Sprint(status, " ", text))
}

func startPushpin(t *testing.T, back *httptest.Server) live {
	t.Helper()
	p := pushpintest.Start(t, back.Listener.Addr().String(), secret)
	return live{p.Front, p.Control}
}
