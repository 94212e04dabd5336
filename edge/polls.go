package edge

import (
	"math/rand/v2"
	"sync"
	"time"

	"github.com/ebb-events/ebb/internal/limit"
)

// enter counts a request that is to wait among what its address holds, or says
// why it may not.
func (e *Edge) enter(peer limit.Peer) (reason string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if reason := e.noRoom(len(e.setups), peer); reason != "" {
		return reason
	}
	e.gate.enter(peer)
	return ""
}

func (e *Edge) leave(peer limit.Peer) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.gate.leave(peer)
}

// polls are the requests that wait for a response to be published. The zero
// value has none.
type polls struct {
	mu    sync.Mutex
	all   map[*poll]struct{}
	ended bool
}

// add returns false if no more are wanted.
func (ps *polls) add(p *poll) bool {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if ps.ended {
		return false
	}
	if ps.all == nil {
		ps.all = map[*poll]struct{}{}
	}
	ps.all[p] = struct{}{}
	return true
}

func (ps *polls) remove(p *poll) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	delete(ps.all, p)
}

func (ps *polls) count() int {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	return len(ps.all)
}

// wake has all look at the log.
func (ps *polls) wake() {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	for p := range ps.all {
		p.Wake()
	}
}

// end ends all, each at a moment of its own within grace.
func (ps *polls) end(grace time.Duration) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if ps.ended {
		return
	}
	ps.ended = true
	for p := range ps.all {
		time.AfterFunc(rand.N(grace*3/4+1), func() { close(p.ended) })
	}
}
