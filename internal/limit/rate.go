// Package limit says how often somebody may do something, and who somebody is
// as far as addresses tell.
//
// What it keeps of each is one number, for as long as that matters, and of no
// more than a fixed number of them: who has many names costs no more memory.
package limit

import (
	"sync"
	"time"
)

// maxKeys is how many a Rate knows at a time.
const maxKeys = 100_000

// Rate allows each key so much a second. A nil one allows everything.
type Rate[K comparable] struct {
	every time.Duration // that one more is allowed
	burst time.Duration // how much of that may be used at once
	begun time.Time

	mu    sync.Mutex
	full  map[K]time.Duration // when a key will have its whole burst again, since begun
	sweep int                 // keys at which to look for those to forget
}

// NewRate returns one that allows perSecond, and at once what that is in the
// time of burst, one at least. It is nil if perSecond is 0 or less.
func NewRate[K comparable](perSecond float64, burst time.Duration) *Rate[K] {
	if perSecond <= 0 {
		return nil
	}
	every := max(1, time.Duration(float64(time.Second)/perSecond))
	return &Rate[K]{every: every, burst: max(burst, every), begun: time.Now(), full: map[K]time.Duration{}, sweep: 1000}
}

// Take takes one of what key is allowed, and returns 0; or takes nothing and
// returns after what time there is one.
func (r *Rate[K]) Take(key K, now time.Time) (wait time.Duration) {
	if r == nil {
		return 0
	}
	at := now.Sub(r.begun)
	r.mu.Lock()
	defer r.mu.Unlock()
	full, known := r.full[key]
	if !known || full < at {
		full = at
	}
	full += r.every
	if wait = full - at - r.burst; wait > 0 {
		return wait
	}
	if !known {
		r.makeRoom(at)
	}
	r.full[key] = full
	return 0
}

// makeRoom forgets keys that have their whole burst, which are as good as new,
// and if there are too many others, any of them.
func (r *Rate[K]) makeRoom(at time.Duration) {
	if len(r.full) < r.sweep {
		return
	}
	for key, full := range r.full {
		if full <= at {
			delete(r.full, key)
		}
	}
	if len(r.full) == maxKeys {
		for key := range r.full {
			if delete(r.full, key); len(r.full) <= maxKeys*9/10 { // and not one each time
				break
			}
		}
	}
	r.sweep = min(maxKeys, max(1000, 2*len(r.full)))
}

// Keys is how many keys are known.
func (r *Rate[K]) Keys() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.full)
}
