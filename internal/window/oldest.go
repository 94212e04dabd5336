package window

import "time"

// Oldest returns the time of the oldest entry, zero if there is none.
func (w *Window) Oldest() (oldest time.Time) {
	for i := range w.parts {
		p := &w.parts[i]
		p.mu.Lock()
		if len(p.entries) > 0 && (oldest.IsZero() || p.entries[0].Time.Before(oldest)) {
			oldest = p.entries[0].Time
		}
		p.mu.Unlock()
	}
	return oldest
}
