package edge

import "time"

// Streams returns how many are held.
func (e *Edge) Streams() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.streams)
}

// Setups returns how many set-up calls are under way.
func (e *Edge) Setups() int { return len(e.setups) }

// WindowSpan returns the age of the oldest event in memory, 0 if there is none.
func (e *Edge) WindowSpan() time.Duration {
	t := e.tail.Load()
	if t == nil {
		return 0
	}
	oldest := t.window.Oldest()
	if oldest.IsZero() {
		return 0
	}
	return time.Since(oldest)
}
