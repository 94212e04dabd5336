package serve

import (
	"context"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// A process is quiet when it allocates less than calm between two looks. What
// was allocated since the last trim must be worth one.
const (
	look  = 2 * time.Second
	calm  = 1 << 20 // bytes
	worth = 16 << 20
)

// Trim gives memory back to the system when a burst is over, until ctx ends: of
// requests, say, whose streams stay and take little. Go itself takes minutes.
func Trim(ctx context.Context) error {
	ticker := time.NewTicker(look)
	defer ticker.Stop()
	last, trimmed := allocated(), uint64(0)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		now := allocated()
		if now-last < calm && now-trimmed > worth {
			debug.FreeOSMemory()
			now = allocated()
			trimmed = now
		}
		last = now
	}
}

// allocated is how many bytes have ever been.
func allocated() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}
