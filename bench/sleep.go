package bench

import (
	"context"
	"time"
)

// coarse is how much later than asked for a timer of Go's may come.
const coarse = 2 * time.Millisecond

// sleepUntil returns at that time, within some microseconds where the system
// can, or when ctx ends.
func sleepUntil(ctx context.Context, at time.Time) {
	if d := time.Until(at) - coarse; d > 0 {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			return
		}
	}
	for d := time.Until(at); d > 0; d = time.Until(at) {
		nanosleep(d)
	}
}
