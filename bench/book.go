package bench

import (
	"context"
	"sync"
	"time"
)

// book is what became of commands.
type book struct {
	mu      sync.Mutex
	entries map[string]*entry // by _corr
	left    int               // without an event
	none    chan struct{}     // has one once left is 0
}

// entry is one command. Times are zero for what did not happen.
type entry struct {
	due, accepted, arrived time.Time

	measured bool
	again    int // how often the event came again
}

func newBook() *book { return &book{entries: map[string]*entry{}, none: make(chan struct{}, 1)} }

// expect adds a command.
func (b *book) expect(corr string, due time.Time, measured bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.entries[corr] = &entry{due: due, measured: measured}
	b.left++
}

// accepted notes the answer to a command.
func (b *book) accepted(corr string) {
	now := time.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.entries[corr].accepted = now
}

// arrived notes the event of a command, and tells whether it was expected.
func (b *book) arrived(corr string) bool {
	now := time.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	e := b.entries[corr]
	if e == nil {
		return false
	}
	if !e.arrived.IsZero() {
		e.again++
		return true
	}
	e.arrived = now
	if b.left--; b.left == 0 {
		select {
		case b.none <- struct{}{}:
		default:
		}
	}
	return true
}

// wait returns when all events are there, or nobody waits any longer.
func (b *book) wait(ctx context.Context, patience time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		b.mu.Lock()
		left := b.left
		b.mu.Unlock()
		if left == 0 {
			return
		}
		select {
		case <-b.none:
		case <-ctx.Done():
			return
		}
	}
}

// taken sums up.
func (b *book) taken() Taken {
	b.mu.Lock()
	defer b.mu.Unlock()
	t := Taken{Lost: b.left}
	for _, e := range b.entries {
		t.Duplicates += e.again
		if !e.measured {
			continue
		}
		t.Commands++
		if !e.arrived.IsZero() && !e.accepted.IsZero() {
			t.Event = append(t.Event, e.arrived.Sub(e.due))
			t.Accepted = append(t.Accepted, e.accepted.Sub(e.due))
			t.After = append(t.After, e.arrived.Sub(e.accepted))
		}
	}
	return t
}
