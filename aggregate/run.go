package aggregate

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

// run works until ctx ends, or the stored state turns out to be no good.
func (s *service) run(ctx context.Context) error {
	s.Logger.Info("aggregate started")
	defer s.Logger.Info("aggregate stopped")
	for {
		err := s.step(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if wrong, ok := errors.AsType[stateError](err); ok {
			return wrong
		}
		s.pause(ctx, err)
	}
}

// pause waits after a failure, the longer the more there were in a row.
func (s *service) pause(ctx context.Context, err error) {
	if err == nil {
		if s.failures > 0 {
			s.Logger.Info("aggregate goes on", "failures", s.failures)
		}
		s.failures = 0
		return
	}
	if s.failures == 0 {
		s.Logger.Error("aggregate waits and tries again", "err", err)
	}
	s.Metrics.Retried()
	longest := 50 * time.Millisecond << min(s.failures, 6)
	s.failures++
	select {
	case <-time.After(longest/2 + rand.N(longest/2)):
	case <-ctx.Done():
	}
}

// step does what there is to do next.
func (s *service) step(ctx context.Context) error {
	batch, err := s.log.Poll(ctx)
	if err != nil {
		return fmt.Errorf("polling: %w", err)
	}
	for _, p := range batch.Revoked {
		delete(s.states, p.Partition)
		delete(s.wanted, p.Partition)
	}
	for _, p := range batch.Assigned {
		s.wanted[p.Partition] = true
	}
	for _, gap := range batch.Gaps {
		s.Logger.Error("commands lost to retention", "topic", gap.Topic, "partition", gap.Partition, "from", gap.From, "to", gap.To)
		s.Metrics.Lost(gap.To - gap.From)
	}
	for _, r := range batch.Records {
		if s.states[r.Partition] == nil {
			s.wanted[r.Partition] = true
		}
	}
	for partition := range s.wanted {
		if err := s.restore(ctx, partition); err != nil {
			return err
		}
		delete(s.wanted, partition)
	}
	if len(batch.Records) == 0 {
		return nil
	}
	return s.transact(ctx, batch.Records)
}
