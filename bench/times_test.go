package bench

import (
	"math/rand/v2"
	"testing"
	"time"
)

func TestPercentile(t *testing.T) {
	var hundred Times
	for _, i := range rand.Perm(100) {
		hundred = append(hundred, time.Duration(i+1))
	}
	tests := []struct {
		name  string
		times Times
		p     float64
		want  time.Duration
	}{
		{"none", nil, 50, 0},
		{"least", hundred, 0, 1},
		{"middle", hundred, 50, 50},
		{"between two ranks", hundred, 98.5, 99},
		{"near the end", hundred, 99, 99},
		{"greatest", hundred, 100, 100},
		{"one of few", Times{3, 1, 2}, 99, 3},
		{"below zero", Times{-2, 5}, 50, -2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.times.Percentile(tt.p); got != tt.want {
				t.Errorf("got %d, want %d", got, tt.want)
			}
		})
	}
	if hundred[0] == 1 && hundred[1] == 2 && hundred[2] == 3 {
		t.Error("the times were sorted in place")
	}
}
