package aggregate

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/ebb-events/ebb"
	"github.com/ebb-events/ebb/internal/tracing"
)

// rekeyer puts commands on the topic of unique values, so that all with the
// same value come to one instance, in order.
type rekeyer struct {
	*service
	stage Stage
	value func(Command) (value any, ok bool)
}

// run puts commands under their unique values, and executes them from there,
// until ctx or one of both ends.
func (k *rekeyer) run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var both sync.WaitGroup
	var failed [2]error
	both.Go(func() {
		defer cancel()
		l := loop{part: "aggregate: unique values", stage: k.stage, work: k.work, logger: k.Logger, metrics: k.Metrics}
		failed[0] = l.run(ctx)
	})
	both.Go(func() {
		defer cancel()
		failed[1] = k.service.run(ctx)
	})
	both.Wait()
	return errors.Join(failed[:]...)
}

// work gives each command of a batch the key of its value, or answers it.
func (k *rekeyer) work(ctx context.Context, batch ebb.Batch) error {
	if len(batch.Records) == 0 {
		return nil
	}
	start := time.Now()
	var out []ebb.Record
	var dead []string
	var refused []ebb.Outcome
	for _, r := range batch.Records {
		cmd, reason := parse(r)
		if reason == "" && cmd.ID != strings.ToLower(string(r.Key)) {
			reason = "key is not _id"
		}
		if reason != "" {
			k.stage.Dead(r, reason)
			dead = append(dead, reason)
			continue
		}
		key, no := k.keyOf(r, cmd)
		if no != nil {
			refused = append(refused, no.outcome)
			reply := k.output(ebb.Replies, r.Partition, cmd.ID, k.no(cmd, no.outcome, *no))
			out = append(out, jobTrace{text: tracing.Read(r.Header(tracing.Header))}.mark(reply))
			continue
		}
		out = append(out, ebb.Record{
			Topic: ebb.Topic(k.typ, ebb.Uniques, k.Environment), Partition: -1, Timestamp: r.Timestamp,
			Key: []byte(key), Value: r.Value, Headers: r.Headers,
		})
	}
	if err := k.stage.Commit(ctx, out); err != nil {
		return fmt.Errorf("committing: %w", err)
	}
	for _, outcome := range refused {
		k.Metrics.Executed(outcome)
	}
	for _, reason := range dead {
		k.Metrics.Dead(reason)
	}
	k.Metrics.Rekeyed(len(out)-len(refused), time.Since(start))
	return nil
}

// keyOf returns the text of a command's unique value, or what to answer.
func (k *rekeyer) keyOf(r ebb.Record, cmd Command) (key string, no *refusal) {
	defer func() {
		if p := recover(); p != nil {
			no = k.failed(cmd, &panicked{p, debug.Stack()})
		}
	}()
	value, ok := k.value(cmd)
	key, err := canonical(value)
	if ok && err != nil {
		return "", k.failed(cmd, fmt.Errorf("the unique value: %w", err))
	}
	size := len(key) + len(r.Value) + 1024
	for _, h := range r.Headers {
		size += len(h.Key) + len(h.Value)
	}
	switch {
	case !ok || key == "null":
		return "", refuse(ebb.Rejected, ebb.Error{Code: "UNIQUE", Message: "The value that tells which one is meant is missing."})
	case len(key) > maxName, size > k.MaxBytes:
		return "", refuse(ebb.Rejected, ebb.Error{Code: "TOO_LARGE", Message: "This is too large."})
	}
	return key, nil
}
