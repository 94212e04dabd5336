package bench

import (
	"math/rand/v2"
	"testing"
	"time"
)

func TestSpreadIsWithinOnePercent(t *testing.T) {
	var s spread
	var all Times
	for range 10_000 {
		d := time.Duration(rand.ExpFloat64() * float64(20*time.Millisecond))
		s.add(d)
		all = append(all, d)
	}
	for _, p := range []float64{0, 1, 50, 99, 99.9, 100} {
		got, want := s.percentile(p), all.Percentile(p)
		if got > want || want-got > want/100 {
			t.Errorf("p%v: got %v, want %v", p, got, want)
		}
	}
	var none spread
	none.add(-time.Second)
	if got := none.percentile(50); got != 0 {
		t.Errorf("got %v for a time below zero", got)
	}
	if got := new(spread).percentile(99); got != 0 {
		t.Errorf("got %v of none", got)
	}
}
