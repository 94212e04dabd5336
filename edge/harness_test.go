package edge_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ebb-events/ebb/channel"
	"github.com/ebb-events/ebb/edge"
	"github.com/ebb-events/ebb/grip"
	"github.com/ebb-events/ebb/sse"
)

const partitions = 3

var (
	proof = strings.Repeat("p", 22)
	topic = [16]byte{9, 9}
	key   = must(grip.SecretKey([]byte(strings.Repeat("k", 32))))
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// memLog is a channel log with everything that can happen to one.
type memLog struct {
	mu      sync.Mutex
	changed chan struct{} // closed and renewed at every change
	parts   [partitions]memPart
	life    byte // of the topic
	cut     int  // how often the log was cut or made anew
	seen    int64
	reads   int
	slow    time.Duration // what a Read takes, in a bubble
	away    bool          // the leader does not answer
	lag     bool          // what is appended does not reach tailing edges
}

type memPart struct {
	entries []channel.Entry
	start   int64
	next    int64
	epoch   int32
	ends    map[int32]int64 // where former epochs ended
}

func newLog() *memLog { return &memLog{changed: make(chan struct{}), life: 1} }

func (l *memLog) change(f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f()
	close(l.changed)
	l.changed = make(chan struct{})
}

func (l *memLog) log() channel.Log {
	return channel.Log{Generation: channel.Generation{l.life}, Partitions: partitions}
}

func (l *memLog) Append(_ context.Context, records []channel.Record) error {
	l.change(func() {
		for _, r := range records {
			if r.Channel != "" {
				l.put(channel.Partition(r.Channel, partitions), r)
				continue
			}
			for p := range int32(partitions) {
				l.put(p, r)
			}
		}
	})
	return nil
}

func (l *memLog) put(p int32, r channel.Record) {
	part := &l.parts[p]
	part.entries = append(part.entries, channel.Entry{Record: r, Partition: p, Offset: part.next, Epoch: part.epoch, Time: time.Now()})
	part.next++
}

func (p *memPart) from(offset int64) []channel.Entry {
	for i, e := range p.entries {
		if e.Offset >= offset {
			return p.entries[i:]
		}
	}
	return nil
}

var errCut = errors.New("the log was cut")

func (l *memLog) Tail(ctx context.Context, handle func(channel.Batch)) error {
	l.mu.Lock()
	cut := l.cut
	var next [partitions]int64
	for p := range next {
		next[p] = l.parts[p].next
		for _, e := range l.parts[p].entries {
			if time.Since(e.Time) <= 10*time.Minute {
				next[p] = e.Offset
				break
			}
		}
	}
	l.mu.Unlock()
	for first := true; ; first = false {
		l.mu.Lock()
		if l.cut != cut {
			l.mu.Unlock()
			return errCut
		}
		changed := l.changed
		var batches []channel.Batch
		for p := range int32(partitions) {
			part := &l.parts[p]
			b := channel.Batch{Log: l.log(), Partition: p, Start: part.start, High: part.next, Epoch: part.epoch, Next: next[p]}
			if !first && !l.lag {
				b.Entries = append(b.Entries, part.from(next[p])...)
				b.Next = part.next
				next[p] = part.next
			}
			batches = append(batches, b)
		}
		l.mu.Unlock()
		for _, b := range batches {
			handle(b)
		}
		if first {
			continue
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		}
	}
}

func (l *memLog) Read(_ context.Context, p int32, from, to int64, warm time.Duration, handle func(channel.Entry) bool) error {
	if l.slow > 0 {
		time.Sleep(l.slow)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	part := &l.parts[p]
	l.reads++
	if l.away || from < part.start {
		return errors.New("cannot read")
	}
	var begin time.Time
	for _, e := range part.from(from) {
		begin = e.Time.Add(-warm)
		break
	}
	for _, e := range part.entries {
		if e.Offset < to && (e.Offset >= from || warm > 0 && !e.Time.Before(begin)) {
			l.seen++
			if !handle(e) {
				break
			}
		}
	}
	return nil
}

func (l *memLog) Bounds(_ context.Context, p, epoch int32) (channel.Bounds, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	part := &l.parts[p]
	if l.away {
		return channel.Bounds{}, errors.New("away")
	}
	b := channel.Bounds{Start: part.start, High: part.next, EpochEnd: -1}
	if end, ok := part.ends[epoch]; ok {
		b.EpochEnd = end
	} else if epoch == part.epoch {
		b.EpochEnd = part.next
	}
	return b, nil
}

// event is a reply for ann, made from a source record.
func event(user string, offset int64, data string) channel.Record {
	return channel.Record{Channel: user, Kind: channel.Event, Data: []byte(data), Src: channel.Src{TopicID: topic, Offset: offset}}
}

// world is an edge, its log and its origin.
type world struct {
	t      *testing.T
	log    *memLog
	edge   *edge.Edge
	origin http.HandlerFunc
}

// RoundTrip is the way to the origin.
func (w *world) RoundTrip(r *http.Request) (*http.Response, error) {
	rec := httptest.NewRecorder()
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.origin(rec, r)
	}()
	select {
	case <-done:
		resp := rec.Result()
		resp.Request = r
		return resp, nil
	case <-r.Context().Done():
		return nil, context.Cause(r.Context())
	}
}

// setUp answers as the gateway does; ?u= is the user, ?ttl= the session's rest.
func setUp(w http.ResponseWriter, r *http.Request) {
	meta := map[string]string{grip.MetaSession: "s", grip.MetaProof: proof, grip.MetaTTL: "3600"}
	if ttl := r.URL.Query().Get("ttl"); ttl != "" {
		meta[grip.MetaTTL] = ttl
	}
	w.Header().Set("Content-Type", grip.InstructType)
	_ = json.NewEncoder(w).Encode(grip.Instruct{
		Hold:     &grip.Hold{Mode: grip.ModeStream, Channels: []grip.Channel{{Name: r.URL.Query().Get("u")}}, Meta: meta},
		Response: grip.Response{Header: http.Header{"Content-Type": {sse.ContentType}, "Cache-Control": {"no-store"}}},
	})
}

// in runs a test in a bubble with an edge that has read its log.
func in(t *testing.T, change func(*edge.Config), test func(w *world)) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, log: newLog(), origin: setUp}
		stop := w.start(change)
		defer stop()
		test(w)
	})
}

// start gives the world a new edge on its log.
func (w *world) start(change func(*edge.Config)) (stop func()) {
	cfg := edge.Config{
		Log: w.log, Publisher: w.log, Origin: must(url.Parse("http://origin")), GripKey: key, PublishKey: key, Transport: w,
	}
	if change != nil {
		change(&cfg)
	}
	w.edge = must(edge.New(cfg))
	end := running(w.t, w.edge)
	synctest.Wait()
	return func() {
		end()
		synctest.Wait()
	}
}

// running runs an edge until stop, which waits for its end.
func running(tb testing.TB, e *edge.Edge) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- e.Run(ctx) }()
	return func() {
		cancel()
		if err := <-ended; err != nil {
			tb.Errorf("Run ended with %v", err)
		}
	}
}

// facing serves an edge to browsers as ebb edge does: it takes their connections
// over, where there is a loop to hold them.
func facing(e *edge.Edge) *httptest.Server {
	srv := unstarted(e)
	srv.Start()
	return srv
}

func unstarted(e *edge.Edge) *httptest.Server {
	srv := httptest.NewUnstartedServer(e)
	srv.Config.ConnContext = edge.ConnContext
	srv.Listener = edge.Listen(srv.Listener)
	return srv
}

// client is a browser's stream.
type client struct {
	t      *testing.T
	header http.Header
	status int
	begun  chan struct{} // closed when the header was written
	ended  chan struct{} // closed when the edge is done with it
	events chan sse.Event
	in     *io.PipeWriter
	out    *io.PipeReader
	cancel func()
	lastID string
}

func (c *client) Header() http.Header { return c.header }
func (c *client) WriteHeader(status int) {
	if c.status == 0 {
		c.status = status
		close(c.begun)
	}
}
func (c *client) Write(b []byte) (int, error) {
	c.WriteHeader(http.StatusOK)
	return c.in.Write(b)
}
func (c *client) Flush() {}

// open asks for a stream and reads it on and on.
func (w *world) open(path, lastID string) *client {
	c := w.connect(path, lastID)
	go c.read(1 << 20)
	<-c.begun
	return c
}

// connect asks for a stream that nobody reads yet.
func (w *world) connect(path, lastID string) *client {
	return w.connectFrom("192.0.2.1:1234", path, lastID)
}

func (w *world) connectFrom(addr, path, lastID string) *client {
	r := httptest.NewRequest("GET", "http://edge"+path, nil)
	r.RemoteAddr = addr
	if lastID != "" {
		r.Header.Set("Last-Event-ID", lastID)
	}
	return w.hear(r, lastID)
}

// connectAs is connect with a header of one's own.
func (w *world) connectAs(path string, header http.Header) *client {
	r := httptest.NewRequest("GET", "http://edge"+path, nil)
	r.Header = header
	return w.hear(r, "")
}

func (w *world) hear(r *http.Request, lastID string) *client {
	r.Header.Set("Accept", sse.ContentType)
	ctx, cancel := context.WithCancel(w.t.Context())
	c := &client{t: w.t, header: http.Header{}, begun: make(chan struct{}), ended: make(chan struct{}), events: make(chan sse.Event, 10000), cancel: cancel, lastID: lastID}
	c.out, c.in = io.Pipe()
	e := w.edge
	go func() {
		defer close(c.ended)
		e.ServeHTTP(c, r.WithContext(ctx))
		c.in.Close()
	}()
	return c
}

func (c *client) read(buffer int) {
	defer close(c.events)
	r := sse.NewReader(bufio.NewReaderSize(c.out, buffer))
	for {
		e, err := r.Next()
		if err != nil {
			return
		}
		c.events <- e
	}
}

// cut takes the connection away.
func (c *client) cut() {
	c.cancel()
	c.out.CloseWithError(io.ErrClosedPipe)
	<-c.ended
}

// next returns what comes next, and nothing if nothing does.
func (c *client) next() sse.Event {
	c.t.Helper()
	synctest.Wait()
	select {
	case e, ok := <-c.events:
		if ok && e.ID != "" {
			c.lastID = e.ID
		}
		return e
	default:
		return sse.Event{}
	}
}

// want reads events and compares them: "name data", or data alone.
func (c *client) want(want ...string) {
	c.t.Helper()
	for _, w := range want {
		e := c.next()
		got := strings.TrimSpace(e.Name + " " + string(e.Data))
		if got != w {
			c.t.Errorf("got %q, want %q", got, w)
		}
	}
}

// silent fails if anything is left.
func (c *client) silent() {
	c.t.Helper()
	if e := c.next(); e.Data != nil || e.Name != "" {
		c.t.Errorf("got %q %q, want nothing", e.Name, e.Data)
	}
}

func (w *world) append(records ...channel.Record) {
	w.t.Helper()
	if err := w.log.Append(w.t.Context(), records); err != nil {
		w.t.Fatal(err)
	}
	synctest.Wait()
}

// await waits for something that comes by itself.
func await(t *testing.T, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); runtime.Gosched() {
		if time.Now().After(end) {
			t.Fatal("waited too long")
		}
	}
}
