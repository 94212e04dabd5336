package dev_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/ebb-events/ebb/sse"
)

var (
	ordinary = flag.Int("users", 200, "ordinary users of TestNoForeignEvents")
	hostiles = flag.Int("hostile", 400, "hostile names of TestNoForeignEvents")
)

// TestNoForeignEvents: what is for one user comes to nobody else, among people
// whose names are as near to each other as names can be; all who can log in
// have a stream, half of them are cut off in the middle (S30, S31).
func TestNoForeignEvents(t *testing.T) {
	t.Setenv("EBB_PUBLISH_KEY", publishKey)
	s := start(t, t.TempDir())
	names, nobody := population(*ordinary, *hostiles)
	c := crowd{system: s, from: map[string]int{}}
	for i, name := range names {
		c.from[name] = i
		c.all = append(c.all, &listener{crowd: &c, name: name, heard: map[int]int{}})
	}
	t.Logf("%d users with streams, %d names that are nobody's", len(names), len(nobody))
	each(c.all, func(l *listener) error { return l.listen() }, t)

	c.reply(t, names, 0)
	c.replyToNobody(t, nobody)
	c.publish(t, append(slices.Clone(nobody), names[max(0, len(names)-200):]...))
	cut := make(chan bool)
	go func() {
		defer close(cut)
		for i, l := range c.all {
			if i%2 == 0 {
				l.hangUp()
			}
		}
	}()
	c.reply(t, names, 1)
	<-cut
	each(c.all, func(l *listener) error { return l.comeBack() }, t)
	// The log of a user has one order: who has heard the last has heard all.
	c.reply(t, names, 2)
	deadline := time.Now().Add(soon + time.Duration(len(names))*10*time.Millisecond)
	for _, l := range c.all {
		for !l.complete(len(names)) {
			if time.Now().After(deadline) {
				t.Fatalf("%q has heard %v", l.name, l.copy())
			}
			pause(t.Context(), 10*time.Millisecond)
		}
	}
	for _, l := range c.all {
		l.hangUp()
		for n, times := range l.copy() {
			if times != 1 {
				t.Errorf("%q has heard %d %d times", l.name, n, times)
			}
		}
	}
	if n := c.foreign.Load(); n != 0 {
		t.Errorf("%d foreign events", n)
	}
	if n := c.heard.Load(); n < int64(6*len(names)) {
		t.Errorf("%d events were heard, want 6 by each of %d", n, len(names))
	}
	t.Logf("%d events heard, %d of them foreign", c.heard.Load(), c.foreign.Load())
}

// population returns names, each once, and such as are nobody's.
func population(users, hostile int) (names, nobody []string) {
	known := map[string]bool{}
	add := func(to *[]string, name string) {
		if !known[name] {
			known[name] = true
			*to = append(*to, name)
		}
	}
	for i := range users {
		add(&names, fmt.Sprintf("user-%d-sek", i))
	}
	for i := 0; len(names)+len(nobody) < users+hostile; i++ {
		name := fmt.Sprintf("user-%d-sek", i)
		for _, like := range lookalikes(name) {
			if len(names)+len(nobody) < users+hostile {
				add(&names, like)
			}
		}
		for _, like := range unnameable(name) {
			if len(names)+len(nobody) < users+hostile {
				add(&nobody, like)
			}
		}
	}
	return names, nobody
}

// crowd is all who have a stream.
type crowd struct {
	*system
	all            []*listener
	from           map[string]int // the place of each name
	heard, foreign atomic.Int64
}

// listener is one of them.
type listener struct {
	*crowd
	name, token string
	conn        net.Conn
	gone        chan struct{}

	mu     sync.Mutex
	lastID string
	heard  map[int]int // how often each numbered event came
}

// each does something for all, some at a time.
func each(all []*listener, do func(*listener) error, t *testing.T) {
	t.Helper()
	work := make(chan *listener)
	var wait sync.WaitGroup
	for range 24 {
		wait.Go(func() {
			for l := range work {
				if err := do(l); err != nil {
					t.Errorf("%q: %v", l.name, err)
				}
			}
		})
	}
	for _, l := range all {
		work <- l
	}
	close(work)
	wait.Wait()
	if t.Failed() {
		t.FailNow()
	}
}

// listen logs in and opens a stream.
func (l *listener) listen() error {
	if l.token == "" {
		body, _ := json.Marshal(map[string]string{"user": l.name})
		token, err := post(l.api("/dev/login"), "", body, "access_token")
		if err != nil {
			return err
		}
		l.token = token
	}
	edge, err := post(l.api("/api/sse"), l.token, nil, "url")
	if err != nil {
		return err
	}
	at, err := url.Parse(edge)
	if err != nil {
		return err
	}
	if l.conn, err = net.Dial("tcp", at.Host); err != nil {
		return err
	}
	l.mu.Lock()
	lastID := l.lastID
	l.mu.Unlock()
	if lastID != "" {
		lastID = "Last-Event-ID: " + lastID + "\r\n"
	}
	fmt.Fprintf(l.conn, "GET %s HTTP/1.1\r\nHost: %s\r\nAccept: text/event-stream\r\n%s\r\n", at.RequestURI(), at.Host, lastID)
	in := bufio.NewReaderSize(l.conn, 512)
	resp, err := http.ReadResponse(in, nil)
	if err != nil {
		return err
	}
	events := sse.NewReader(resp.Body)
	if e, err := events.Next(); err != nil || e.Name != "ebb.hello" {
		return fmt.Errorf("%s, event %q %q, %v", resp.Status, e.Name, e.Data, err)
	} else if lastID == "" {
		l.note(e)
	}
	l.gone = make(chan struct{})
	go func() {
		defer close(l.gone)
		for {
			e, err := events.Next()
			if err != nil {
				return
			}
			l.note(e)
		}
	}()
	return nil
}

// note looks at an event: whom it is for, and which one it is.
func (l *listener) note(e sse.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lastID = e.ID
	if e.Name != "" {
		if e.Name == "ebb.reset" {
			l.t.Errorf("%q was reset", l.name)
		}
		return
	}
	var m struct {
		For []string
		N   int
	}
	if err := json.Unmarshal(e.Data, &m); err != nil || !slices.Contains(m.For, l.name) {
		if l.foreign.Add(1) < 10 {
			l.t.Errorf("%q hears %q", l.name, e.Data)
		}
		return
	}
	l.crowd.heard.Add(1)
	l.heard[m.N]++
}

func (l *listener) hangUp() {
	l.conn.Close()
	<-l.gone
}

// comeBack opens another stream if the one before is over.
func (l *listener) comeBack() error {
	select {
	case <-l.gone:
		return l.listen()
	default:
		return nil
	}
}

// complete tells whether all replies have come: each round one's own, and one
// that somebody shares.
func (l *listener) complete(users int) bool {
	own := l.from[l.name]
	before := (own + users - 1) % users
	l.mu.Lock()
	defer l.mu.Unlock()
	for round := range 3 {
		if l.heard[round*users+own] == 0 || l.heard[round*users+before] == 0 {
			return false
		}
	}
	return true
}

func (l *listener) copy() map[int]int {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := map[int]int{}
	for n, times := range l.heard {
		all[n] = times
	}
	return all
}

// reply writes a reply of each user, shared with the next one.
func (c *crowd) reply(t *testing.T, names []string, round int) {
	t.Helper()
	var records []*kgo.Record
	for i, name := range names {
		next := names[(i+1)%len(names)]
		value, err := json.Marshal(map[string]any{
			"_id": fmt.Sprint(i), "_type": "board-task", "_corr": fmt.Sprint(i), "_outcome": "applied",
			"_jwt": map[string]string{"sub": name}, "_subscriptions": []string{next}, "for": []string{name, next}, "n": round*len(names) + i,
		})
		if err != nil {
			t.Fatal(err)
		}
		records = append(records, &kgo.Record{Topic: "board-task-reply", Key: fmt.Append(nil, i), Value: value})
	}
	c.produce(t, records)
}

// replyToNobody writes replies to names that can be nobody's, as text and with
// the bytes as they are.
func (c *crowd) replyToNobody(t *testing.T, names []string) {
	t.Helper()
	var records []*kgo.Record
	for _, name := range names {
		quoted, _ := json.Marshal(name)
		for _, sub := range []string{string(quoted), `"` + name + `"`, `"` + name + "\xff" + `"`} {
			value := `{"_id":"x","_outcome":"applied","_subscriptions":[` + sub + `],"_jwt":{"sub":` + sub + `},"for":[]}`
			records = append(records, &kgo.Record{Topic: "board-task-reply", Value: []byte(value)})
		}
	}
	c.produce(t, records)
}

func (c *crowd) produce(t *testing.T, records []*kgo.Record) {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(c.addrOf("kafka")))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	if err := cl.ProduceSync(t.Context(), records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

// publish publishes to channels, for each by its name alone.
func (c *crowd) publish(t *testing.T, names []string) {
	t.Helper()
	for some := range slices.Chunk(names, 100) {
		var items []any
		for _, name := range some {
			data, _ := json.Marshal(map[string]any{"for": []string{name}, "n": -1})
			items = append(items, map[string]any{"channel": name, "formats": map[string]any{"http-stream": map[string]string{"content": "data: " + string(data) + "\n\n"}}})
		}
		body, _ := json.Marshal(map[string]any{"items": items})
		if _, err := post("http://"+c.addrOf("control")+"/publish/", publishKey, body, "message"); err != nil {
			t.Fatal(err)
		}
	}
}

// post sends a body with a bearer token, and returns a field of the answer.
func post(url, token string, body []byte, field string) (value string, err error) {
	req, err := http.NewRequest("POST", url, bytes.NewReader(body))
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := client.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	var answer map[string]any
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s: %v, %w", resp.Status, answer, err)
	}
	value, ok := answer[field].(string)
	if !ok {
		return "", fmt.Errorf("no %s in %v", field, answer)
	}
	return value, nil
}
