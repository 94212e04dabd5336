package bench

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// Personal is how a server does whose every stream hears a channel of its own.
type Personal struct {
	Streams int
	Memory  float64 // bytes for a stream

	Opening time.Duration // all streams, set-up calls included; after tickets were got
	OpenCPU time.Duration // of the server, for each

	Events  int           // to single users
	Took    time.Duration // from the first to the last delivery
	EachCPU time.Duration // of the server, for each

	Back    time.Duration // until the last of all had what it missed, all cut at once
	BackCPU time.Duration // of the server, for each stream
	Missed  int           // events for each of them

	Lost  int
	Wrong counts
}

// personal measures with n streams. batch is how many events go into one
// request, and hands how many publish at a time.
func (e Edge) personal(ctx context.Context, t *trial, batch, hands int) (p Personal, err error) {
	c := t.crowd
	base, err := e.warm(ctx, t)
	if err != nil {
		return p, err
	}
	p.Streams, p.Missed = e.Streams, e.Missed
	users := make([]int32, e.Streams)
	for i := range users {
		users[i] = int32(i)
	}
	paths, err := t.paths(ctx, users)
	if err != nil {
		return p, err
	}
	for i, path := range paths {
		c.add(path, users[i], 0)
	}
	p.Opening, p.OpenCPU, err = t.timed(func() error { return t.opened(ctx) })
	if err != nil {
		return p, err
	}
	now, err := t.settled(ctx, e.Settle)
	if err != nil {
		return p, err
	}
	p.Memory = float64(now-base) / float64(len(users))

	sender := &sender{trial: t, users: users, batch: batch, hands: hands}
	// One for each first: nchan resumes only where it has sent an id.
	if _, err := sender.send(ctx, 1, true); err != nil {
		return p, fmt.Errorf("the first event of each: %w", err)
	}
	if err := c.begin(); err != nil {
		return p, err
	}
	p.Events = e.Personal * len(users)
	var lost int
	_, p.EachCPU, err = t.timed(func() error {
		lost, err = sender.send(ctx, e.Personal, true)
		return err
	})
	if err != nil {
		return p, err
	}
	p.Took = c.last.Sub(c.first)
	p.EachCPU /= time.Duration(e.Personal)
	p.Lost, p.Wrong = lost, c.counts

	c.cut(0)
	c.forget()
	if _, err := sender.send(ctx, e.Missed, false); err != nil {
		return p, err
	}
	c.comeBack()
	c.back = true
	want := e.Missed * len(users)
	p.Back, p.BackCPU, err = t.timed(func() error {
		err := t.run(ctx, "coming back", func() (int, int) { return c.Events, want },
			func() bool { return c.Events >= want })
		if errors.Is(err, errSilent) {
			err = nil // which Lost tells
		}
		return err
	})
	p.Lost += want - c.Events
	p.Wrong = p.Wrong.plus(c.counts)
	return p, err
}

// timed tells how long f took, and what it cost the server for each stream.
func (t *trial) timed(f func() error) (took, cpu time.Duration, err error) {
	pids := t.pids()
	before, err := cpuTime(pids)
	if err != nil {
		return 0, 0, err
	}
	begin := time.Now()
	if err := f(); err != nil {
		return 0, 0, err
	}
	took = time.Since(begin)
	after, err := cpuTime(pids)
	return took, (after - before) / time.Duration(max(len(t.crowd.streams), 1)), err
}

// plus is both together.
func (c counts) plus(d counts) counts {
	return counts{
		c.Events + d.Events, c.Repeats + d.Repeats, c.Missing + d.Missing, c.Foreign + d.Foreign,
		c.Resets + d.Resets, c.Ended + d.Ended, c.Refused + d.Refused,
	}
}

// sender sends numbered events to single users.
type sender struct {
	*trial
	users []int32
	batch int
	hands int
	sent  uint32 // to each

	accepted atomic.Int64
}

// send publishes so many events for each user, from several hands, each with
// users of its own, so that they are in order. If they are heard it waits for
// all, and tells how many were lost.
func (s *sender) send(ctx context.Context, each int, heard bool) (lost int, err error) {
	c := s.crowd
	already := c.Events
	want := each * len(s.users)
	publishing := beside(func() error {
		var all sync.WaitGroup
		errs := make([]error, s.hands)
		for h := range s.hands {
			mine := s.users[len(s.users)*h/s.hands : len(s.users)*(h+1)/s.hands]
			all.Go(func() { errs[h] = s.sendTo(ctx, mine, each) })
		}
		all.Wait()
		return errors.Join(errs...)
	})
	step := "events to single users"
	progress := func() (int, int) { return c.Events - already, want }
	if !heard { // nothing comes meanwhile
		step = "events while all are away"
		progress = func() (int, int) { return int(s.accepted.Load()), want }
		s.accepted.Store(0)
		patient := c.patient
		c.patient = time.Minute
		defer func() { c.patient = patient }()
	}
	err = s.run(ctx, step, progress, func() bool {
		return publishing.over() && (publishing.err != nil || !heard || c.Events-already >= want)
	})
	failed := publishing.wait()
	s.sent += uint32(each)
	if heard {
		lost = want - (c.Events - already)
	}
	if errors.Is(err, errSilent) {
		err = nil // which lost tells
	}
	return lost, errors.Join(err, failed)
}

func (s *sender) sendTo(ctx context.Context, users []int32, each int) error {
	items := make([]item, 0, s.batch)
	for n := range each {
		for i, u := range users {
			items = append(items, item{u, s.sent + uint32(n) + 1, s.size})
			if len(items) == s.batch || i == len(users)-1 {
				if err := s.publish(ctx, items); err != nil {
					return err
				}
				s.accepted.Add(int64(len(items)))
				items = items[:0]
			}
		}
	}
	return nil
}
