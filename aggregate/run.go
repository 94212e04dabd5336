package aggregate

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/ebb-events/ebb"
)

// loop takes what a stage gives and works on it, a batch at a time.
type loop struct {
	part     string // as logs call it
	stage    Stage
	work     func(context.Context, ebb.Batch) error
	logger   *slog.Logger
	metrics  Metrics
	failures int // in a row
}

// run works until ctx ends, or to go on could be wrong.
func (l *loop) run(ctx context.Context) error {
	l.logger.Info(l.part + " started")
	defer l.logger.Info(l.part + " stopped")
	for {
		err := l.step(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if last, ok := errors.AsType[fatal](err); ok {
			return last.error
		}
		l.pause(ctx, err)
	}
}

// pause waits after a failure, the longer the more there were in a row.
func (l *loop) pause(ctx context.Context, err error) {
	if err == nil {
		if l.failures > 0 {
			l.logger.Info(l.part+" goes on", "failures", l.failures)
		}
		l.failures = 0
		return
	}
	if l.failures == 0 {
		l.logger.Error(l.part+" waits and tries again", "err", err)
	}
	l.metrics.Retried()
	longest := 50 * time.Millisecond << min(l.failures, 6)
	l.failures++
	select {
	case <-time.After(longest/2 + rand.N(longest/2)):
	case <-ctx.Done():
	}
}

// step does what there is to do next.
func (l *loop) step(ctx context.Context) error {
	batch, err := l.stage.Poll(ctx)
	if err != nil {
		return fmt.Errorf("polling: %w", err)
	}
	for _, gap := range batch.Gaps {
		l.logger.Error("records lost to retention", "topic", gap.Topic, "partition", gap.Partition, "from", gap.From, "to", gap.To)
		l.metrics.Lost(gap.To - gap.From)
	}
	return l.work(ctx, batch)
}

// run executes commands until ctx ends.
func (s *service) run(ctx context.Context) error {
	l := loop{part: "aggregate", stage: s.log, work: s.work, logger: s.Logger, metrics: s.Metrics}
	return l.run(ctx)
}

// work takes in what became of partitions, and executes commands.
func (s *service) work(ctx context.Context, batch ebb.Batch) error {
	for _, p := range batch.Revoked {
		delete(s.wanted, p.Partition)
		if err := s.forget(p.Partition); err != nil {
			return err
		}
	}
	for _, p := range batch.Assigned {
		s.wanted[p.Partition] = true
	}
	for _, r := range batch.Records {
		if !s.held[r.Partition] {
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
	records := s.leaveOut(batch.Records)
	if len(records) > 0 {
		return s.transact(ctx, records)
	}
	if err := s.log.Commit(ctx, nil); err != nil {
		return fmt.Errorf("confirming what is done already: %w", err)
	}
	return nil
}
