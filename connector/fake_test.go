package connector

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ebb-events/ebb"
	"github.com/ebb-events/ebb/channel"
)

var errAway = errors.New("broker away")

// fake is a group with one member, and a log. Polls give batches in turn, one
// again until it is committed. fail says what breaks, and is called each time.
type fake struct {
	batches   []ebb.Batch
	fail      func(what string) error
	polls     []time.Time
	calls     []string // in order, "!" after one that failed
	log       []channel.Record
	dead      []letter
	committed int
}

func (f *fake) do(what string) error {
	if f.fail != nil {
		if err := f.fail(what); err != nil {
			f.calls = append(f.calls, what+"!")
			return err
		}
	}
	f.calls = append(f.calls, what)
	return nil
}

func (f *fake) Poll(ctx context.Context) (ebb.Batch, error) {
	if f.committed == len(f.batches) {
		<-ctx.Done()
		return ebb.Batch{}, ctx.Err()
	}
	f.polls = append(f.polls, time.Now())
	if err := f.do("poll"); err != nil {
		return ebb.Batch{}, err
	}
	return f.batches[f.committed], nil
}

func (f *fake) Commit(context.Context) error {
	err := f.do("commit")
	if err == nil {
		f.committed++
	}
	return err
}

func (f *fake) Append(_ context.Context, records []channel.Record) error {
	err := f.do("append")
	if err == nil {
		f.log = append(f.log, records...)
	}
	return err
}

func (f *fake) Dead(_ context.Context, r ebb.Record, reason string) error {
	err := f.do("dead")
	if err == nil {
		f.dead = append(f.dead, letter{r, reason})
	}
	return err
}

// run carries f's batches until there is nothing left to do, or for an hour.
func run(t *testing.T, f *fake, cfg Config) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		cfg.Source, cfg.Sink = f, f
		c, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithTimeout(t.Context(), time.Hour)
		defer stop()
		if err := c.Run(ctx); err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

// replies makes a batch of values at the offsets from 100 on.
func replies(values ...string) ebb.Batch {
	var b ebb.Batch
	for i, value := range values {
		b.Records = append(b.Records, ebb.Record{
			Topic: "board-task-reply", TopicID: [16]byte{9}, Partition: 3, Offset: int64(100 + i), Value: []byte(value),
		})
	}
	return b
}

// carried carries values and returns what came of them.
func carried(t *testing.T, cfg Config, values ...string) *fake {
	t.Helper()
	f := &fake{batches: []ebb.Batch{replies(values...)}}
	run(t, f, cfg)
	if f.committed != 1 {
		t.Errorf("not committed; calls %v", f.calls)
	}
	return f
}

// channels returns who got what is on the log, in its order.
func (f *fake) channels() (users []string) {
	for _, r := range f.log {
		users = append(users, r.Channel)
	}
	return users
}

func equal[T comparable](t *testing.T, what string, got, want []T) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}
