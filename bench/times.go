package bench

import (
	"math"
	"slices"
	"time"
)

// Times are measured ones, in no order.
type Times []time.Duration

// Percentile returns the least time that p percent of all do not exceed, 0 if
// there are none. That of 100 is the greatest.
func (t Times) Percentile(p float64) time.Duration {
	if len(t) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(t))
	rank := int(math.Ceil(p / 100 * float64(len(t))))
	return sorted[min(max(rank, 1), len(t))-1]
}
