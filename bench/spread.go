package bench

import (
	"math"
	"math/bits"
	"time"
)

// spread is how many millions of times are spread, to within one percent, in
// little memory.
type spread struct {
	counts [64 << fine]uint32 // by their highest bits
	total  int
}

// fine is how many bits behind the highest one are kept.
const fine = 7

func (s *spread) add(d time.Duration) {
	s.counts[slot(uint64(max(d, 0)))]++
	s.total++
}

// slot is which count a time belongs to: that of its highest bit, and the bits
// behind it.
func slot(v uint64) int {
	if v < 1<<fine {
		return int(v)
	}
	shift := bits.Len64(v) - 1 - fine
	return (shift+1)<<fine | int(v>>shift&(1<<fine-1))
}

// percentile returns the least time that p percent do not exceed, 0 if there
// are none.
func (s *spread) percentile(p float64) time.Duration {
	rank := max(int(math.Ceil(p/100*float64(s.total))), 1)
	for i, n := range s.counts {
		if rank -= int(n); rank <= 0 && s.total > 0 {
			return least(i)
		}
	}
	return 0
}

// least is the least time of a slot.
func least(i int) time.Duration {
	if i < 1<<fine {
		return time.Duration(i)
	}
	return time.Duration((1<<fine | i&(1<<fine-1)) << (i>>fine - 1))
}

// join adds what another has.
func (s *spread) join(o *spread) {
	for i, n := range o.counts {
		s.counts[i] += n
	}
	s.total += o.total
}
