package kafka_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/ebb-events/ebb"
	"github.com/ebb-events/ebb/kafka"
)

// view is what Follow handed over.
type states struct {
	mu      sync.Mutex
	records []string
	at      map[string]map[int32]int64
	changed chan struct{}
}

func (b *bench) follow(c *kafka.Client) *states {
	s := &states{at: map[string]map[int32]int64{}, changed: make(chan struct{}, 1)}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	b.Cleanup(func() { cancel(); <-done })
	go func() {
		defer close(done)
		err := c.States().Follow(ctx, func(records []ebb.Record, positions []ebb.Position) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.records = append(s.records, values(records)...)
			for _, p := range positions {
				if s.at[p.Topic] == nil {
					s.at[p.Topic] = map[int32]int64{}
				}
				s.at[p.Topic][p.Partition] = p.Offset
			}
			select {
			case s.changed <- struct{}{}:
			default:
			}
		})
		if err != nil {
			b.Error(err)
		}
	}()
	return s
}

// reach waits until the positions are the ends.
func (b *bench) reach(s *states, ends []ebb.Position) {
	b.Helper()
	for {
		s.mu.Lock()
		there := !slices.ContainsFunc(ends, func(p ebb.Position) bool {
			at, ok := s.at[p.Topic][p.Partition]
			return !ok || at < p.Offset
		})
		s.mu.Unlock()
		if there {
			return
		}
		select {
		case <-s.changed:
		case <-b.in().Done():
			b.Fatalf("at %v, want %v", s.at, ends)
		}
	}
}

func TestFollowReachesTheEndBehindMarkers(t *testing.T) {
	onBoth(t, func(b *bench) {
		c := b.open()
		b.must(c.Prepare(b.in(), ebb.Aggregates))
		topic := b.topic(ebb.Aggregates)
		b.transaction(true, &kgo.Record{Topic: topic, Partition: 1, Key: []byte("k"), Value: []byte(`{"n":0}`)})
		open := b.transaction(false, &kgo.Record{Topic: topic, Partition: 2, Key: []byte("k"), Value: []byte(`{"n":1}`)})
		b.must(open.EndTransaction(b.in(), kgo.TryAbort))
		s := b.follow(c)
		ends, err := c.States().Ends(b.in(), typ)
		b.must(err)
		if len(ends) != 12 || ends[1].Offset == 0 || ends[2].Offset == 0 {
			b.Errorf("got %v", ends)
		}
		b.reach(s, ends)
		if s.mu.Lock(); !slices.Equal(s.records, []string{`{"n":0}`}) {
			b.Errorf("got %v", s.records)
		}
		s.mu.Unlock()
		b.put(topic, 3, 5, 8)
		ends, err = c.States().Ends(b.in(), typ)
		b.must(err)
		b.reach(s, ends)
		if s.mu.Lock(); !slices.Equal(s.records, []string{`{"n":0}`, `{"n":5}`, `{"n":6}`, `{"n":7}`}) {
			b.Errorf("got %v", s.records)
		}
		s.mu.Unlock()
	})
}

func TestFollowFindsNewTypes(t *testing.T) {
	onBoth(t, func(b *bench) {
		c := b.open(func(c *kafka.Config) { c.Types = nil })
		s := b.follow(c) // nothing is there yet
		if _, err := c.States().Ends(b.in(), "shop-order"); !errors.Is(err, ebb.ErrUnknownType) {
			b.Errorf("got %v", err)
		}
		other := b.open(func(c *kafka.Config) { c.Types = []string{"shop-order"} })
		b.must(other.Prepare(b.in(), ebb.Aggregates))
		b.put(ebb.Topic("shop-order", ebb.Aggregates, b.env), 0, 0, 1)
		var ends []ebb.Position
		for ctx := b.in(); ; {
			var err error
			if ends, err = c.States().Ends(ctx, "shop-order"); err == nil {
				break
			} else if !errors.Is(err, ebb.ErrUnknownType) {
				b.Fatal(err)
			}
			<-time.After(50 * time.Millisecond) // the answer is good for a second
		}
		b.reach(s, ends)
	})
}
