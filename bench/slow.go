package bench

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync/atomic"
	"time"
)

// Slow is how others fare beside a reader that takes next to nothing.
type Slow struct {
	Fast     int           // streams beside it
	Events   int           // for each of them, while it is there
	Data     int           // bytes of an event
	Rate     int           // events a second
	Without  time.Duration // the others' p99 before it came and after it went
	With     time.Duration // the others' p99
	Memory   []int64       // of the server, every second while it was there, in bytes
	Received int           // by the slow reader, in order, in the end
	Read     int           // bytes, while others were sent events
	Cuts     int           // how often the server ended its stream; it came back with its last id
	Lost     int           // by the others
	Wrong    counts
}

// burst is how many events are sent at a time.
const burst = 10

// slow measures fast streams without a slow one, with it, and without it again.
func (e Edge) slow(ctx context.Context, t *trial) (s Slow, err error) {
	s = Slow{Fast: e.Fast, Events: e.SlowEvents, Data: 1024, Rate: e.SlowRate}
	if err := t.ensure(ctx, e.Fast); err != nil {
		return s, err
	}
	if _, err := t.paced(ctx, s.Events/8, s.Data, s.Rate, nil); err != nil { // warms up
		return s, err
	}
	before, err := t.paced(ctx, s.Events/2, s.Data, s.Rate, nil)
	if err != nil {
		return s, err
	}
	paths, err := t.paths(ctx, []int32{everybody})
	if err != nil {
		return s, err
	}
	reader := &crawler{addr: t.streams, path: paths[0], last: t.number, hello: t.hello}
	crawling, cancel := context.WithCancel(ctx)
	defer cancel()
	if err := reader.open(crawling); err != nil {
		return s, fmt.Errorf("slow reader: %w", err)
	}
	hurry := make(chan struct{})
	slow := beside(func() error { return reader.crawl(crawling, t.number+uint32(s.Events), hurry) })
	defer slow.wait()
	defer cancel()
	pids := t.pids()
	with, err := t.paced(ctx, s.Events, s.Data, s.Rate, func() {
		if m, err := memory(pids); err == nil {
			s.Memory = append(s.Memory, m)
		}
	})
	if err != nil {
		return s, err
	}
	s.Read = int(reader.got.Load())
	close(hurry)
	t.crowd.patient += time.Minute // nothing comes meanwhile
	err = t.run(ctx, "the slow reader catches up", func() (int, int) { return 0, 1 }, slow.over)
	t.crowd.patient -= time.Minute
	if err == nil {
		err = slow.wait()
	}
	s.Received, s.Cuts = s.Events-int(t.number-reader.last), reader.cuts
	if err != nil {
		return s, fmt.Errorf("slow reader, after %d of %d events and %d cuts: %w", s.Received, s.Events, s.Cuts, err)
	}
	after, err := t.paced(ctx, s.Events/2, s.Data, s.Rate, nil)
	if err != nil {
		return s, err
	}
	s.With = with.ages.percentile(99)
	before.ages.join(&after.ages)
	s.Without = before.ages.percentile(99)
	for _, f := range []*phase{before, with, after} {
		s.Lost += f.lost
		s.Wrong = s.Wrong.plus(f.counts)
	}
	return s, nil
}

// phase is one part of a measurement.
type phase struct {
	ages   spread
	counts counts
	lost   int
}

// paced sends everybody so many events, some at a time at fixed times, and
// calls every every second.
func (t *trial) paced(ctx context.Context, events, data, rate int, every func()) (*phase, error) {
	c := t.crowd
	c.forget()
	first := t.number
	t.number += uint32(events)
	publishing := beside(func() error {
		begin := time.Now()
		for i := 0; i < events; i += burst {
			sleepUntil(ctx, begin.Add(time.Duration(i)*time.Second/time.Duration(rate)))
			var items []item
			for n := i; n < min(i+burst, events); n++ {
				items = append(items, item{everybody, first + uint32(n) + 1, data})
			}
			if err := t.publish(ctx, items); err != nil {
				return err
			}
		}
		return nil
	})
	want := events * len(c.streams)
	next := time.Now()
	err := t.run(ctx, "beside a slow reader", func() (int, int) { return c.Events, want }, func() bool {
		if now := time.Now(); every != nil && now.After(next) {
			next = now.Add(time.Second)
			every()
		}
		return publishing.over() && (publishing.err != nil || c.Events >= want)
	})
	if errors.Is(err, errSilent) {
		err = nil
	}
	return &phase{c.ages, c.counts, want - c.Events}, errors.Join(err, publishing.wait())
}

// crawler reads a stream at 1 KB a second, until it is told to hurry.
type crawler struct {
	addr, path string
	hello      bool
	conn       net.Conn
	wire       wire
	last       uint32       // number of the last event
	cuts       int          // how often the server ended the stream
	got        atomic.Int64 // bytes
}

// open returns when events would be heard, behind the last one.
func (r *crawler) open(ctx context.Context) (err error) {
	s := stream{path: r.path, wire: wire{lastID: r.wire.lastID}}
	dialer := net.Dialer{Control: narrow}
	if r.conn, err = dialer.DialContext(ctx, "tcp", r.addr); err != nil {
		return err
	}
	if _, err := r.conn.Write(s.request()); err != nil {
		return err
	}
	r.wire = wire{lastID: r.wire.lastID, id: slices.Clone(r.wire.lastID)}
	for greeted := false; !greeted; {
		heard, err := r.read(ctx, make([]byte, 64))
		if err != nil {
			return err
		}
		greeted = !r.hello && r.wire.part >= inBody
		for _, h := range heard {
			greeted = greeted || h.kind == kindHello || h.kind == kindEvent
		}
	}
	return nil
}

// read hears what comes next.
func (r *crawler) read(ctx context.Context, b []byte) ([]heard, error) {
	defer context.AfterFunc(ctx, func() { r.conn.Close() })()
	n, err := r.conn.Read(b)
	r.got.Add(int64(n))
	heard, wrong := r.wire.feed(b[:n], nil)
	for _, h := range heard {
		if h.kind == kindReset || h.kind == kindEvent && h.number != r.last+1 {
			return nil, fmt.Errorf("got event %d behind %d, or a reset", h.number, r.last)
		}
		if h.kind == kindEvent {
			r.last = h.number
		}
	}
	switch {
	case wrong != nil:
		return nil, wrong
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil || r.wire.part == isOver || r.wire.status > 200:
		return heard, errEnded
	}
	return heard, nil
}

// crawl returns when it has heard the event of that number.
func (r *crawler) crawl(ctx context.Context, until uint32, hurry <-chan struct{}) error {
	defer func() { r.conn.Close() }()
	step := make([]byte, 256)
	tick := time.NewTicker(time.Second / 4)
	defer tick.Stop()
	for r.last < until {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		case <-hurry:
			step = make([]byte, 64<<10)
		}
		_, err := r.read(ctx, step)
		for errors.Is(err, errEnded) {
			r.conn.Close()
			if r.cuts++; r.cuts > attempts {
				return fmt.Errorf("cut %d times", r.cuts)
			}
			err = r.open(ctx)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
