package bench

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"
)

// trial is a server that runs, with a crowd of streams at it.
type trial struct {
	*target
	crowd  *crowd
	size   int                               // of an event's data
	number uint32                            // of the last event that everybody got
	tell   func(step string, done, want int) // of progress
}

// begin starts a server.
func (e Edge) begin(ctx context.Context, start func(context.Context) (*target, error)) (*trial, error) {
	t, err := start(ctx)
	if err != nil {
		return nil, err
	}
	c, err := newCrowd(t.streams, t.hello, e.Patience)
	if err != nil {
		return nil, errors.Join(err, t.stop())
	}
	if t.atOnce > 0 {
		c.atOnce = t.atOnce
	}
	return &trial{target: t, crowd: c, size: e.Size, tell: e.Progress}, nil
}

// end stops everything.
func (t *trial) end() error {
	t.crowd.close()
	if err := t.stop(); err != nil {
		return fmt.Errorf("%s: %w", t.name, err)
	}
	return nil
}

// run lets the crowd work until done says so, and tells of the progress.
func (t *trial) run(ctx context.Context, step string, progress func() (done, want int), done func() bool) error {
	step = t.name + ": " + step
	var last time.Time
	err := t.crowd.run(ctx, func() bool {
		if now := time.Now(); now.Sub(last) > 100*time.Millisecond {
			last = now
			t.tell(step, min(t.part(progress)), 1000)
		}
		return done()
	})
	t.tell(step, 1000, 1000)
	return err
}

// part is how much of something is done, in thousandths, never all.
func (t *trial) part(progress func() (done, want int)) (int, int) {
	done, want := progress()
	return done * 1000 / max(want, 1), 999
}

// work is what goes on beside the crowd, mostly publishing.
type work struct {
	done  chan error
	ended bool
	err   error
}

func beside(f func() error) *work {
	w := &work{done: make(chan error, 1)}
	go func() { w.done <- f() }()
	return w
}

// over tells whether it has ended, without waiting.
func (w *work) over() bool {
	if !w.ended {
		select {
		case w.err = <-w.done:
			w.ended = true
		default:
		}
	}
	return w.ended
}

// wait waits for its end.
func (w *work) wait() error {
	if !w.ended {
		w.err, w.ended = <-w.done, true
	}
	return w.err
}

// ensure has n streams open that hear what everybody does.
func (t *trial) ensure(ctx context.Context, n int) error {
	c := t.crowd
	if c.open == n && len(c.streams) == n {
		return nil
	}
	c.shrink(n)
	users := make([]int32, n)
	for i := range users {
		users[i] = everybody
	}
	paths, err := t.paths(ctx, users)
	if err != nil {
		return err
	}
	for i := range c.streams {
		if s := &c.streams[i]; s.state == isClosed {
			*s = stream{path: paths[i], user: everybody, last: t.number, fd: -1, life: s.life}
		}
	}
	c.comeBack()
	for i := len(c.streams); i < n; i++ {
		c.add(paths[i], everybody, t.number)
	}
	return t.opened(ctx)
}

// opened waits until all streams are open.
func (t *trial) opened(ctx context.Context) error {
	c := t.crowd
	err := t.run(ctx, "opening streams", func() (int, int) { return c.open, len(c.streams) }, c.allOpen)
	if errors.Is(err, errSilent) {
		err = fmt.Errorf("only %d of %d streams could be opened, %d attempts were refused", c.open, len(c.streams), c.Refused)
	}
	return err
}

const (
	steady  = 6 * time.Second        // without a change
	sampled = 500 * time.Millisecond // how often memory is looked at
)

// settled waits until the server's memory changes no more, or for a minute, and
// returns the least that it was, in bytes: garbage comes and goes.
func (t *trial) settled(ctx context.Context, most time.Duration) (lowest int64, err error) {
	pids := t.pids()
	begin := time.Now()
	next, calm := begin, begin
	var now, least, highest int64
	lowest = math.MaxInt64
	stop := func() bool {
		if time.Now().Before(next) {
			return false
		}
		next = time.Now().Add(min(sampled, most/8))
		if now, err = memory(pids); err != nil {
			return true
		}
		least, highest, lowest = min(least, now), max(highest, now), min(lowest, now)
		if highest-least > max(highest/200, 128<<10) {
			least, highest, calm = now, now, time.Now()
		}
		return time.Since(calm) > min(steady, most) || time.Since(begin) > most
	}
	patient := t.crowd.patient
	t.crowd.patient = 2 * most // nothing has to come meanwhile
	defer func() { t.crowd.patient = patient }()
	elapsed := func() (int, int) { return int(time.Since(begin)), int(most) }
	return lowest, errors.Join(t.run(ctx, "letting memory settle", elapsed, stop), err)
}

// Fanout is what sending events to many streams has cost.
type Fanout struct {
	Streams    int
	Deliveries int           // that came, in order
	Lost       int           // that did not
	CPU        time.Duration // of the server
	Took       time.Duration // from the first publishing to the last delivery
	P50, P99   time.Duration // from publishing to delivery
	Wrong      counts
}

// Each is the server's processor time for a delivery.
func (f Fanout) Each() time.Duration { return f.CPU / time.Duration(max(f.Deliveries, 1)) }

// Rate is deliveries a second.
func (f Fanout) Rate() float64 { return float64(f.Deliveries) / max(f.Took.Seconds(), 1e-9) }

// plus is both together; percentiles are the greater ones.
func (f Fanout) plus(g Fanout) Fanout {
	f.Streams = g.Streams
	f.Deliveries += g.Deliveries
	f.Lost += g.Lost
	f.CPU += g.CPU
	f.Took += g.Took
	f.P50, f.P99 = max(f.P50, g.P50), max(f.P99, g.P99)
	f.Wrong = f.Wrong.plus(g.Wrong)
	return f
}

// broadcast sends events to all streams: each when the one before has reached
// everybody, or, at once, as fast as they are accepted.
func (t *trial) broadcast(ctx context.Context, events int, atOnce bool) (Fanout, error) {
	c := t.crowd
	if err := c.begin(); err != nil {
		return Fanout{}, err
	}
	defer c.forget()
	want := events * len(c.streams)
	pids := t.pids()
	before, err := cpuTime(pids)
	if err != nil {
		return Fanout{}, err
	}
	begin := time.Now()
	turn := events // how many are sent before the next wait
	step := "broadcasts, as fast as accepted"
	if !atOnce {
		turn, step = 1, "broadcasts, one at a time"
	}
	progress := func() (int, int) { return c.Events, want }
	for sent := 0; sent < events; sent += turn {
		first := t.number
		t.number += uint32(turn)
		publishing := beside(func() error {
			for i := range turn {
				if err := t.publish(ctx, []item{{everybody, first + uint32(i) + 1, t.size}}); err != nil {
					return err
				}
			}
			return nil
		})
		err = t.run(ctx, step, progress, func() bool {
			return publishing.over() && (publishing.err != nil || c.Events >= (sent+turn)*len(c.streams))
		})
		if err := publishing.wait(); err != nil {
			return Fanout{}, err
		}
		if err != nil {
			break
		}
	}
	if err != nil && !errors.Is(err, errSilent) {
		return Fanout{}, err
	}
	end := c.last
	after, err := cpuTime(pids)
	return Fanout{
		Streams: len(c.streams), Deliveries: c.Events, Lost: want - c.Events, CPU: after - before, Took: end.Sub(begin),
		P50: c.ages.percentile(50), P99: c.ages.percentile(99), Wrong: c.counts,
	}, err
}
