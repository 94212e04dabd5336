package session

import (
	"context"
	"sync"
	"time"
)

// most is how many sessions of one user are remembered by name. Who has more
// revoked has all of them revoked.
const most = 128

// Book knows what became of sessions, as far as the topic was read. The zero
// value has read nothing.
type Book struct {
	mu     sync.Mutex
	at     Place
	target int64 // where this life's topic ended when it was first read
	begun  bool  // something was read of this life
	read   bool  // up to the target
	users  map[string]*user
	newest time.Time     // record
	swept  time.Time     // when what does not matter any more was forgotten
	moved  chan struct{} // closed when more was read; nil if nobody waits
}

// user is what became of one user's sessions.
type user struct {
	all     told            // of all that had begun
	revoked map[string]told // by session
	ends    map[string]ends // of those that were renewed
}

// told is where a revocation lies.
type told struct {
	next int64 // one more than its offset; 0 if there is none
	at   time.Time
}

// ends is when a renewed session does.
type ends struct {
	ms int64 // since 1970
	at time.Time
}

// Apply takes the next part of the topic. It calls do for each record when
// questions are answered by it already, and is at a place beyond it only later.
// What was taken before is skipped. do may be nil.
func (b *Book) Apply(batch Batch, do func(Record)) {
	at := b.begin(batch)
	for _, e := range batch.Entries {
		if e.Offset < at.Next {
			continue
		}
		b.note(e)
		if do != nil {
			do(e.Record)
		}
	}
	b.advance(batch.Next)
}

func (b *Book) begin(batch Batch) (at Place) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.begun || b.at.Life != batch.Life {
		// Another life knows nothing of the former one's offsets.
		b.begun, b.at, b.target, b.users = true, Place{Life: batch.Life}, batch.High, map[string]*user{}
	}
	return b.at
}

func (b *Book) note(e Entry) {
	b.mu.Lock()
	defer b.mu.Unlock()
	u := b.users[e.User]
	if u == nil {
		u = &user{}
		b.users[e.User] = u
	}
	if e.Time.After(b.newest) {
		b.newest = e.Time
	}
	switch {
	case e.Kind == Renew:
		u.renew(e)
	case e.Session == "" || len(u.revoked) >= most && u.revoked[e.Session].next == 0:
		u.all, u.revoked = told{max(u.all.next, e.Offset+1), e.Time}, nil
	default:
		if u.revoked == nil {
			u.revoked = map[string]told{}
		}
		u.revoked[e.Session] = told{e.Offset + 1, e.Time}
	}
}

func (u *user) renew(e Entry) {
	if u.ends == nil {
		u.ends = map[string]ends{}
	}
	if len(u.ends) >= most && u.ends[e.Session].ms == 0 { // forget who ends first
		first := ""
		for name, other := range u.ends {
			if first == "" || other.ms < u.ends[first].ms {
				first = name
			}
		}
		delete(u.ends, first)
	}
	u.ends[e.Session] = ends{max(u.ends[e.Session].ms, e.Ends), e.Time}
}

// sweepEvery is how often what does not matter any more is forgotten.
const sweepEvery = time.Hour

func (b *Book) advance(next int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.at.Next = max(b.at.Next, next)
	b.read = b.read || b.at.Next >= b.target
	if b.moved != nil {
		close(b.moved)
		b.moved = nil
	}
	if b.newest.Sub(b.swept) < sweepEvery {
		return
	}
	b.swept = b.newest
	old := func(t time.Time) bool { return b.newest.Sub(t) > Keep }
	for name, u := range b.users {
		if u.all.next > 0 && old(u.all.at) {
			u.all = told{}
		}
		for s, t := range u.revoked {
			if old(t.at) {
				delete(u.revoked, s)
			}
		}
		for s, t := range u.ends {
			if old(t.at) {
				delete(u.ends, s)
			}
		}
		if u.all.next == 0 && len(u.revoked) == 0 && len(u.ends) == 0 {
			delete(b.users, name)
		}
	}
}

// Read tells whether the topic was read up to its end, once.
func (b *Book) Read() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.read
}

// At returns how far the topic was read: a session that begins now begins there.
func (b *Book) At() Place {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.at
}

// Wait returns when the topic was read up to its end once, and as far as p if
// that is of the same life, or with ctx's error.
func (b *Book) Wait(ctx context.Context, p Place) error {
	for {
		b.mu.Lock()
		if b.read && (b.at.Life != p.Life || b.at.Next >= p.Next) {
			b.mu.Unlock()
			return nil
		}
		if b.moved == nil {
			b.moved = make(chan struct{})
		}
		moved := b.moved
		b.mu.Unlock()
		select {
		case <-moved:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Revoked tells whether a session of a user's that began at a place was
// revoked.
func (b *Book) Revoked(name, session string, began Place) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	u := b.users[name]
	if u == nil {
		return false
	}
	all := u.all.next > 0 && (began.Life != b.at.Life || u.all.next > began.Next)
	return all || u.revoked[session].next > 0
}

// Ends returns when a renewed session ends. ok is false if it was not renewed.
func (b *Book) Ends(name, session string) (at time.Time, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if u := b.users[name]; u != nil {
		if e, ok := u.ends[session]; ok {
			return time.UnixMilli(e.ms), true
		}
	}
	return at, false
}
