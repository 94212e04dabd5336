package serve

import (
	"context"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// A process is quiet when it allocates less than calm between two looks. What
// was allocated since the last trim must be worth one; another follows when what
// the burst has left behind, idle connections, is gone too.
const (
	look   = 2 * time.Second
	calm   = 1 << 20 // bytes
	worth  = 16 << 20
	follow = 2 // quiet looks
)

// Trim gives memory back to the system when a burst is over, until ctx ends: of
// requests, say, whose streams stay and take little. Go itself takes minutes.
func Trim(ctx context.Context) error {
	ticker := time.NewTicker(look)
	defer ticker.Stop()
	last, trimmed, due := allocated(), uint64(0), 0
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		now := allocated()
		quiet, much := now-last < calm, now-trimmed > worth
		last = now
		switch {
		case !quiet:
			continue
		case much:
			due = follow
		case due > 1:
			due--
			continue
		case due == 1:
			due = 0
		default:
			continue
		}
		debug.FreeOSMemory()
		last = allocated()
		trimmed = last
	}
}

// allocated is how many bytes have ever been.
func allocated() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}
