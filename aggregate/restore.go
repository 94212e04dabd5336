package aggregate

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/ebb-events/ebb"
)

// fatal ends a service: what it did next could be wrong.
type fatal struct{ error }

func (f fatal) Unwrap() error { return f.error }

// restore puts a partition's instances into the store.
func (s *service) restore(ctx context.Context, partition int32) error {
	start := time.Now()
	if err := s.forget(partition); err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	f := filler{s: s, partition: partition}
	records, written := 0, ""
	of, err := s.log.Restore(ctx, partition, func(r ebb.Record) {
		records++
		if n := r.Header(headerPartitions); n != nil && written == "" {
			written = string(n)
		}
		if err := f.add(r); err != nil {
			cancel(err)
		}
	})
	if err := f.flush(); err != nil {
		cancel(err)
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		return fmt.Errorf("restoring partition %d: %w", partition, err)
	}
	if written == "" && s.of != 0 {
		written = strconv.Itoa(int(s.of))
	}
	if written != "" && written != strconv.Itoa(int(of)) {
		return fatal{fmt.Errorf("aggregate: %s has %d partitions but its state was written for %s: instances would no longer be found", s.typ, of, written)}
	}
	s.of = of
	s.held[partition] = true
	s.Metrics.Restored(records, time.Since(start))
	return nil
}

// forget takes a partition out of the store.
func (s *service) forget(partition int32) error {
	delete(s.held, partition)
	if err := s.Store.Clear(partition); err != nil {
		return fatal{fmt.Errorf("aggregate: %s: clearing the store: %w", s.typ, err)}
	}
	return nil
}
