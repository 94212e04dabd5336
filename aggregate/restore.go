package aggregate

import (
	"bytes"
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
	var done position
	var last []byte // position read: all states of a batch have the same one
	of, err := s.log.Restore(ctx, partition, func(r ebb.Record) {
		if ctx.Err() != nil {
			return
		}
		records++
		if n := r.Header(headerPartitions); n != nil && written == "" {
			written = string(n)
		}
		if text := r.Header(ebb.HeaderAt); !bytes.Equal(text, last) {
			last = text
			if at, ok := parsePosition(text); ok && at.partition == partition && at.beyond(done) { // states may be copies from elsewhere
				done = at
			}
		}
		if err := f.add(r); err != nil {
			cancel(err)
		}
	})
	if ctx.Err() == nil {
		if err := f.flush(); err != nil {
			cancel(err)
		}
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
	if written == "" {
		if written, err = s.elsewhere(ctx, partition, of); err != nil {
			return err
		}
	}
	if written != "" && written != strconv.Itoa(int(of)) {
		return fatal{fmt.Errorf("aggregate: %s has %d partitions but its state was written for %s: instances would no longer be found", s.typ, of, written)}
	}
	s.of = of
	s.held[partition] = true
	if done != (position{}) {
		s.done[partition] = done
	}
	s.Metrics.Restored(records, time.Since(start))
	return nil
}

// elsewhere looks for the number of partitions in those of a type's partitions
// that somebody else may have: one that was added has nothing to tell.
func (s *service) elsewhere(ctx context.Context, but, of int32) (written string, err error) {
	for partition := range of {
		if partition == but {
			continue
		}
		ctx, enough := context.WithCancel(ctx)
		records := 0
		_, err := s.log.Restore(ctx, partition, func(r ebb.Record) {
			if records++; ctx.Err() != nil {
				return
			}
			if n := r.Header(headerPartitions); n != nil {
				written = string(n)
			}
			if written != "" || records == 1000 { // of another program, which has none
				enough()
			}
		})
		if err != nil && ctx.Err() == nil {
			enough()
			return "", fmt.Errorf("looking into partition %d: %w", partition, err)
		}
		enough()
		if written != "" {
			break
		}
	}
	return written, nil
}

// forget takes a partition out of the store.
func (s *service) forget(partition int32) error {
	delete(s.held, partition)
	delete(s.done, partition)
	delete(s.told, partition)
	if err := s.Store.Clear(partition); err != nil {
		return fatal{fmt.Errorf("aggregate: %s: clearing the store: %w", s.typ, err)}
	}
	return nil
}
