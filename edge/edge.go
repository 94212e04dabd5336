// Package edge holds the streams of browsers, as Pushpin and Fastly Fanout do:
// it proxies a request to its origin, and where the answer says so it keeps the
// response open and sends what is published on the channel.
//
// Beyond them, everything it sends comes out of the channel log and has a
// cursor for an id. A stream is a position in that log: cut at any byte, it
// goes on at any edge exactly behind its cursor, or says ebb.reset first.
package edge

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/ebb-events/ebb/grip"
	"github.com/ebb-events/ebb/internal/audit"
	"github.com/ebb-events/ebb/internal/hold"
	"github.com/ebb-events/ebb/session"
)

// Config says whose streams to hold.
type Config struct {
	Log       Log            // required
	Publisher Publisher      // required
	Sessions  session.Source // what becomes of the gateway's sessions; none is revoked or renewed if nil
	Origin    *url.URL       // what requests are proxied to that no route is for; this or Routes is required
	Routes    []Route        // to other origins; none if empty

	GripKey    grip.Key // signs requests to the origin; required with one
	GripIssuer string   // "ebb" if empty
	PublishKey grip.Key // who has it may publish; nobody if zero

	Window int64         // bytes of the recent log to keep in memory; 256 MiB if zero
	Scan   int64         // bytes of the log to read for one stream that is behind; 64 MiB if zero
	Lanes  int           // reads of the log beyond the window at a time; 4 if zero
	Wait   time.Duration // how long the origin may take to answer a stream; 5 s if zero

	Streams int    // most to hold at a time; any number if zero
	Limits  Limits // of users and addresses; none if zero

	Logger    *slog.Logger      // silent if nil
	Tracer    trace.Tracer      // of OpenTelemetry, for streams that open and for events that are traced; no traces if nil
	Metrics   Metrics           // none if zero
	Transport http.RoundTripper // to the origins; one that dials nothing else, without redirects and proxies, if nil
}

// Metrics is told what happens. Any func may be nil.
type Metrics struct {
	Opened    func()                            // a stream is held
	Closed    func(reason string)               // and no more
	SentAway  func(reason string)               // a stream was not to be had for now
	Delivered func(events, bytes int)           // written to a stream's buffer
	Age       func(time.Duration)               // of an event, from the broker's time to the stream
	Replayed  func(events int)                  // read from beyond the window
	Stalled   func()                            // a socket took no more for now
	Reset     func(reason string)               // a gap was announced
	Lag       func(partition int32, lag int64)  // records not yet seen here
	Published func(items int)                   // durable items
	Polled    func(outcome string)              // a held response has ended: answered, timeout, hint, gone, draining
	Window    func(bytes int64)                 // what the window takes
	Refused   func(status int)                  // publish requests
	Origin    func(status int, d time.Duration) // set-up answers; 0 for none
	Copies    func()                            // repeats in the log, removed
}

// Edge holds streams. It is an [http.Handler] for them; [Edge.Control] is the
// one for publishers.
type Edge struct {
	cfg    Config
	begun  time.Time
	routes atomic.Pointer[[]*route]
	setups chan struct{} // set-up calls under way
	loop   *hold.Loop    // holds streams on connections of HTTP/1
	reads  *lanes        // the log beyond the window
	asks   *lanes        // what leaders say of cursors
	unsent atomic.Int64  // bytes that were read for streams and not taken

	tail  atomic.Pointer[tail] // nil until the log was read up to its end
	ready chan struct{}        // closed when tail is first set

	polls polls // requests that wait for a response to be published
	audit *audit.Log

	book    *session.Book // what became of sessions; nil if nothing does
	telling sync.Mutex    // streams what became of theirs, or moving them to another tail

	mu       sync.Mutex
	gate     gate
	born     uint64    // streams so far
	streams  []*stream // in no order; each knows its place
	draining bool
	gone     chan struct{} // closed when draining and the last stream has gone
}

// New returns an edge, or says what is wrong with cfg.
func New(cfg Config) (*Edge, error) {
	switch {
	case cfg.Log == nil || cfg.Publisher == nil:
		return nil, errors.New("edge: Log and Publisher are required")
	case cfg.Origin == nil && len(cfg.Routes) == 0:
		return nil, errors.New("edge: an origin or routes are required")
	case cfg.Origin != nil && cfg.GripKey.IsZero():
		return nil, errors.New("edge: GripKey is required, or the origin cannot tell that we are its edge")
	case cfg.Origin != nil && !signs(cfg.GripKey):
		return nil, errors.New("edge: GripKey is a public key, which cannot sign")
	case cfg.Streams < 0 || cfg.Limits.User < 0 || cfg.Limits.Address < 0:
		return nil, errors.New("edge: Streams and Limits cannot be negative")
	}
	if cfg.GripIssuer == "" {
		cfg.GripIssuer = "ebb"
	}
	if cfg.Window == 0 {
		cfg.Window = 256 << 20
	}
	if cfg.Scan == 0 {
		cfg.Scan = 64 << 20
	}
	if cfg.Lanes == 0 {
		cfg.Lanes = 4
	}
	if cfg.Wait == 0 {
		cfg.Wait = 5 * time.Second
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	e := &Edge{
		cfg:    cfg,
		begun:  time.Now().Add(-time.Second), // so that 0 is no time
		setups: make(chan struct{}, maxSetups),
		loop:   &hold.Loop{Full: cfg.Metrics.Stalled},
		ready:  make(chan struct{}),
		gone:   make(chan struct{}),
		gate:   newGate(cfg.Limits),
		audit:  audit.New(cfg.Logger.With("part", "edge")),
	}
	if cfg.Sessions != nil {
		e.book = new(session.Book)
	}
	if cfg.Transport == nil {
		e.cfg.Transport = e.newTransport()
	}
	e.reads, e.asks = newLanes(e, cfg.Lanes, true), newLanes(e, 4*cfg.Lanes, false)
	return e, e.SetRoutes(cfg.Routes)
}

func signs(k grip.Key) bool {
	_, err := k.Sign("", time.Now())
	return err == nil
}

// Run reads the channel log until ctx ends, and ends all streams then. It waits
// for a log that is away.
func (e *Edge) Run(ctx context.Context) error {
	var running sync.WaitGroup
	for _, l := range []*lanes{e.reads, e.asks} {
		for range cap(l.turn) {
			running.Go(func() { l.run(ctx) })
		}
	}
	if e.book != nil {
		running.Go(func() { e.followSessions(ctx) })
	}
	e.follow(ctx)
	running.Wait()
	e.endAll(reasonStopped)
	e.polls.end(0)
	e.loop.Close()
	return nil
}

// follow reads the log, anew whenever that is over.
func (e *Edge) follow(ctx context.Context) {
	for wait := time.Second; ; wait = min(2*wait, 10*time.Second) {
		t := newTail(e)
		began := time.Now()
		err := e.cfg.Log.Tail(ctx, t.apply)
		if ctx.Err() != nil {
			return
		}
		if time.Since(began) > time.Minute {
			wait = time.Second
		}
		e.cfg.Logger.Warn("reading the channel log anew", "part", "edge", "cause", err, "in", wait)
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait/2 + rand.N(wait/2)):
		}
	}
}

func (e *Edge) endAll(reason string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, s := range e.streams {
		s.end(reason)
	}
}

// clock is the time that streams go by.
func (e *Edge) clock(t time.Time) time.Duration { return t.Sub(e.begun) }

// swap puts a tail into use that was read up to the end of the log. Streams
// find out whether they can go on where they are.
func (e *Edge) swap(t *tail) {
	e.telling.Lock()
	defer e.telling.Unlock()
	if former := e.tail.Load(); former != nil && e.book != nil {
		former.told = e.book.At()
	}
	first := e.tail.Swap(t) == nil
	if first {
		close(e.ready)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, s := range e.streams {
		s.Wake()
	}
	e.polls.wake()
}

// Ready is nil once the log was read up to its end, and what became of sessions.
func (e *Edge) Ready() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case e.draining:
		return errors.New("draining")
	case e.tail.Load() == nil:
		return errors.New("reading the channel log")
	case e.book != nil && !e.book.Read():
		return errors.New("reading the sessions")
	}
	return nil
}

// Drain ends all streams, each at a moment of its own within grace, so that
// browsers do not all come back at once. New ones are sent away with a time to
// come back. It returns when the last has gone, or with ctx's error.
func (e *Edge) Drain(ctx context.Context, grace time.Duration) error {
	e.mu.Lock()
	if !e.draining {
		e.draining = true
		if len(e.streams) == 0 {
			close(e.gone)
		}
		for _, s := range e.streams {
			time.AfterFunc(rand.N(grace*3/4+1), func() { s.end(reasonDraining) })
		}
	}
	e.mu.Unlock()
	e.polls.end(grace)
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-e.gone:
		return nil
	}
}

// add counts a stream among those held, or says why there is no room for it.
func (e *Edge) add(s *stream) (reason string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if reason := e.noRoom(0, s.peer); reason != "" {
		return reason
	}
	if other := e.oldest(s); other != nil {
		other.end(reasonReplaced)
	}
	e.gate.enter(s.peer)
	e.born++
	s.born = e.born
	s.place = int32(len(e.streams))
	e.streams = append(e.streams, s)
	call(e.cfg.Metrics.Opened)
	return ""
}

func (e *Edge) remove(s *stream, reason string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	last := len(e.streams) - 1
	e.streams[s.place] = e.streams[last]
	e.streams[s.place].place = s.place
	e.streams[last] = nil
	e.streams = e.streams[:last]
	e.gate.leave(s.peer)
	if e.draining && len(e.streams) == 0 {
		close(e.gone)
	}
	call1(e.cfg.Metrics.Closed, reason)
}

func call(f func()) {
	if f != nil {
		f()
	}
}

func call1[A any](f func(A), a A) {
	if f != nil {
		f(a)
	}
}
