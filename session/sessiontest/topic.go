// Package sessiontest has the topic of sessions in memory, for tests.
package sessiontest

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/ebb-events/ebb/session"
)

// Topic is ebb-sessions for any number of writers and readers.
type Topic struct {
	mu      sync.Mutex
	entries []session.Entry
	changed chan struct{} // closed and renewed when there is more
	away    bool
	hidden  bool
}

// NewTopic returns an empty one.
func NewTopic() *Topic { return &Topic{changed: make(chan struct{})} }

// Away has writers fail.
func (t *Topic) Away() { t.change(func() { t.away = true }) }

// Hide has readers see nothing new, until it is undone.
func (t *Topic) Hide(yes bool) { t.change(func() { t.hidden = yes }) }

func (t *Topic) change(f func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	f()
	close(t.changed)
	t.changed = make(chan struct{})
}

// Append adds a record and returns the place behind it.
func (t *Topic) Append(_ context.Context, r session.Record) (behind session.Place, err error) {
	t.change(func() {
		if t.away {
			err = errors.New("away")
			return
		}
		t.entries = append(t.entries, session.Entry{Record: r, Offset: int64(len(t.entries)), Time: time.Now()})
		behind = session.Place{Life: session.Life{1}, Next: int64(len(t.entries))}
	})
	return behind, err
}

// Entries returns all that was written.
func (t *Topic) Entries() []session.Entry {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.entries)
}

// Follow tells what there is and what comes, until ctx ends.
func (t *Topic) Follow(ctx context.Context, handle func(session.Batch)) error {
	for next := int64(0); ; {
		t.mu.Lock()
		b := session.Batch{Life: session.Life{1}, High: int64(len(t.entries)), Next: next}
		if !t.hidden {
			b.Entries, b.Next = t.entries[next:], b.High
		}
		changed := t.changed
		t.mu.Unlock()
		next = b.Next
		handle(b)
		select {
		case <-changed:
		case <-ctx.Done():
			return nil
		}
	}
}
