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

// Slow is how others fare beside a reader that takes next to nothing, compared
// with a server of the same kind that has no such reader.
type Slow struct {
	Fast   int // streams beside it
	Events int // for each of them, and for the slow one
	Data   int // bytes of an event
	Rate   int // events a second

	With, Without Beside
	Received      int // by the slow reader, in order, in the end
	Read          int // bytes, while others were sent events
	Cuts          int // how often the server ended its stream; it came back with its last id
}

// Beside is how the fast streams of one server fare.
type Beside struct {
	P99    time.Duration
	Memory []int64 // of the server, in bytes, every second while events were sent
	Lost   int
	Wrong  counts

	ages spread
}

const (
	burst  = 10 // events that are sent at a time
	stints = 8  // of each server, by turns
)

// slow measures two servers by turns. One has a slow reader all the time.
func (e Edge) slow(ctx context.Context, t, control *trial) (s Slow, err error) {
	s = Slow{Fast: e.Fast, Events: e.SlowEvents, Data: 1024, Rate: e.SlowRate}
	for _, each := range []*trial{control, t} {
		if err := each.ensure(ctx, e.Fast); err != nil {
			return s, err
		}
		var warm Beside
		if err := each.paced(ctx, s.Events/stints, s, &warm); err != nil {
			return s, err
		}
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
	slow := beside(func() error { return reader.crawl(crawling, reader.last+uint32(s.Events), hurry) })
	defer slow.wait()
	defer cancel()
	for i := range stints {
		events := s.Events*(i+1)/stints - s.Events*i/stints
		if err := control.paced(ctx, events, s, &s.Without); err != nil {
			return s, err
		}
		if err := t.paced(ctx, events, s, &s.With); err != nil {
			return s, err
		}
	}
	s.Read = int(reader.got.Load())
	close(hurry)
	t.crowd.patient += time.Minute // nothing comes meanwhile
	err = t.run(ctx, "the slow reader catches up", func() (int, int) { return 0, 1 }, slow.over)
	t.crowd.patient -= time.Minute
	if err != nil {
		cancel()
	}
	err = errors.Join(err, slow.wait())
	s.Received, s.Cuts = s.Events-int(t.number-reader.last), reader.cuts
	if err != nil {
		return s, fmt.Errorf("slow reader, after %d of %d events and %d cuts: %w", s.Received, s.Events, s.Cuts, err)
	}
	for _, b := range []*Beside{&s.With, &s.Without} {
		b.P99 = b.ages.percentile(99)
	}
	return s, nil
}

// paced sends everybody so many events, some at a time at fixed times.
func (t *trial) paced(ctx context.Context, events int, s Slow, to *Beside) error {
	c := t.crowd
	if err := c.begin(); err != nil {
		return err
	}
	defer c.forget()
	first := t.number
	t.number += uint32(events)
	publishing := beside(func() error {
		begin := time.Now()
		for i := 0; i < events; i += burst {
			sleepUntil(ctx, begin.Add(time.Duration(i)*time.Second/time.Duration(s.Rate)))
			var items []item
			for n := i; n < min(i+burst, events); n++ {
				items = append(items, item{everybody, first + uint32(n) + 1, s.Data})
			}
			if err := t.publish(ctx, items); err != nil {
				return err
			}
		}
		return nil
	})
	pids := t.pids()
	var unseen error
	want := events * len(c.streams)
	next := time.Now()
	err := t.run(ctx, "events beside a slow reader, and without", func() (int, int) { return c.Events, want }, func() bool {
		if now := time.Now(); now.After(next) {
			next = now.Add(time.Second)
			var size int64
			size, unseen = memory(pids)
			to.Memory = append(to.Memory, size)
		}
		return publishing.over() && (publishing.err != nil || c.Events >= want)
	})
	if errors.Is(err, errSilent) {
		err = nil // which Lost tells
	}
	to.ages.join(&c.ages)
	to.Lost += want - c.Events
	to.Wrong = to.Wrong.plus(c.counts)
	return errors.Join(err, publishing.wait(), unseen)
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
