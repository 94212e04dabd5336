package bench

import (
	"context"
	"errors"
	"fmt"
)

// fanouts measures memory and broadcasts: of the floor and Ebb by turns, so
// that what the machine does besides hits both, then of the peers.
func (e Edge) fanouts(ctx context.Context, r *Report, ours ebbEdge) error {
	return e.with(ctx, ours.start, func(t *trial) error {
		floor, err := e.begin(ctx, startFloor)
		if err := r.leaveOut(err); err != nil {
			return err
		}
		turns := []turn{{t, r.Ebb}}
		if floor != nil {
			r.Floor = &Server{Name: floor.name}
			turns = append(turns, turn{floor, r.Floor})
		}
		err = e.byTurns(ctx, turns)
		if floor != nil {
			err = errors.Join(err, floor.end())
		}
		if err != nil {
			return err
		}
		return e.peerFanouts(ctx, r)
	})
}

// turn is a server that takes turns, and where its results go.
type turn struct {
	*trial
	to *Server
}

// blocks is how often each takes its turn at the full number of streams.
const blocks = 3

// byTurns begins with the streams of the first, while they are there.
func (e Edge) byTurns(ctx context.Context, turns []turn) error {
	if err := e.grow(ctx, turns[0].trial, turns[0].to); err != nil {
		return err
	}
	for i := range blocks {
		for _, t := range turns {
			if err := e.block(ctx, t); err != nil {
				return err
			}
			if i == blocks-1 {
				if err := e.burst(ctx, t); err != nil {
					return err
				}
				if err := e.fewer(ctx, t); err != nil {
					return err
				}
			}
			t.crowd.shrink(0) // room for the other's streams: there is a limit of open files
		}
	}
	return nil
}

func (e Edge) peerFanouts(ctx context.Context, r *Report) error {
	for _, name := range e.Peers {
		err := e.with(ctx, peers[name], func(t *trial) error {
			to := r.peer(t)
			if err := e.grow(ctx, t, to); err != nil {
				return err
			}
			for _, measure := range []func(context.Context, turn) error{e.block, e.burst, e.fewer} {
				if err := measure(ctx, turn{t, to}); err != nil {
					return err
				}
			}
			return nil
		})
		if err := r.leaveOut(err); err != nil {
			return err
		}
	}
	return nil
}

// warm has a server do a little of everything, so that what it needs but once
// is not counted to its streams, and returns its memory. Few streams, since it
// may keep what they took for those to come; many times, or a server that
// tidies up after a burst would do so only later.
func (e Edge) warm(ctx context.Context, t *trial) (int64, error) {
	for range min(warmOpenings/e.warmup(), 30) {
		if err := t.ensure(ctx, e.warmup()); err != nil {
			return 0, err
		}
		if _, err := t.broadcast(ctx, 1, false); err != nil {
			return 0, err
		}
		t.crowd.shrink(0)
	}
	return t.settled(ctx, e.Settle)
}

// warmOpenings is how many streams are opened and closed to warm a server up.
const warmOpenings = 3000

// warmup is how many of them there are at a time.
func (e Edge) warmup() int { return max(e.Streams/50, 1) }

// grow measures the memory of more and more streams.
func (e Edge) grow(ctx context.Context, t *trial, to *Server) error {
	base, err := e.warm(ctx, t)
	if err != nil {
		return err
	}
	for _, n := range e.Sizes {
		if err := t.ensure(ctx, n); err != nil {
			return err
		}
		now, err := t.settled(ctx, e.Settle)
		if err != nil {
			return err
		}
		to.Memory = append(to.Memory, Point{n, float64(now-base) / float64(n)})
	}
	return nil
}

// block measures broadcasts, one at a time, to all streams.
func (e Edge) block(ctx context.Context, t turn) error {
	if err := t.ensure(ctx, e.Streams); err != nil {
		return err
	}
	f, err := t.broadcast(ctx, e.Rounds, false)
	if err != nil {
		return err
	}
	t.to.Blocks = append(t.to.Blocks, f)
	return nil
}

// burst measures broadcasts as fast as they are accepted.
func (e Edge) burst(ctx context.Context, t turn) error {
	if err := t.ensure(ctx, e.Streams); err != nil {
		return err
	}
	f, err := t.broadcast(ctx, e.Burst, true)
	t.to.Burst = &f
	return err
}

// fewer measures broadcasts to fewer and fewer streams.
func (e Edge) fewer(ctx context.Context, t turn) error {
	for i := len(e.Sizes) - 1; i >= 0; i-- {
		n := e.Sizes[i]
		f := t.to.Alone()
		if n != e.Streams {
			if err := t.ensure(ctx, n); err != nil {
				return err
			}
			var err error
			rounds := min(e.Rounds*e.Streams/n, 10*e.Rounds) // as many deliveries
			if f, err = t.broadcast(ctx, rounds, false); err != nil {
				return fmt.Errorf("%d streams: %w", n, err)
			}
		}
		if f.Deliveries > 0 {
			t.to.CPU = append([]Point{{n, float64(f.Each())}}, t.to.CPU...)
		}
	}
	return nil
}
