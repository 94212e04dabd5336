//go:build linux

package bench

import (
	"strings"
	"testing"
	"time"
)

// TestManyStreamsHearEverythingOnceInOrder is ebb bench edge, in short. It
// looks at what arrives, never at how fast.
func TestManyStreamsHearEverythingOnceInOrder(t *testing.T) {
	steps := map[string]bool{}
	r, err := Edge{
		Program: build(t), Streams: 200, Sizes: []int{50},
		Rounds: 3, Burst: 20, Personal: 5, Missed: 3, Fast: 50, SlowEvents: 1000, SlowRate: 2000, Secure: 20,
		Settle:   100 * time.Millisecond,
		Patience: time.Minute, // the machine may have other things to do
		Progress: func(step string, _, _ int) { steps[step] = true },
	}.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Wrong(); err != nil {
		t.Error(err)
	}
	if got, want := r.Ebb.Alone().Deliveries, blocks*3*200; got != want {
		t.Errorf("got %d deliveries, one broadcast at a time, want %d", got, want)
	}
	if got, want := r.Ebb.Burst.Deliveries, 20*200; got != want {
		t.Errorf("got %d deliveries of many broadcasts, want %d", got, want)
	}
	if p := r.Ebb.Personal; p.Events != 5*200 || p.Wrong.Events != 5*200+3*200 {
		t.Errorf("got %d events to single users and %d in all, want %d and %d", p.Events, p.Wrong.Events, 5*200, 8*200)
	}
	if r.Slow.Received != 1000 {
		t.Errorf("the slow reader got %d events, want 1000", r.Slow.Received)
	}
	if r.Floor != nil && r.Floor.Alone().Deliveries != blocks*3*200 {
		t.Errorf("got %d deliveries of the floor", r.Floor.Alone().Deliveries)
	}
	if len(r.Ebb.Memory) != 2 || len(r.Ebb.CPU) != 2 {
		t.Errorf("got memory %v and CPU %v at 50 and at 200 streams", r.Ebb.Memory, r.Ebb.CPU)
	}
	for _, step := range []string{"Ebb: opening streams", "Ebb: coming back", "Ebb: the slow reader catches up"} {
		if !steps[step] {
			t.Errorf("was not told of %q, but of %v", step, steps)
		}
	}
	page := r.Page("- Made by: us\n")
	for _, part := range []string{"| opening streams, /s | 5,000 |", "- Made by: us", "4.3 s to come back"} {
		if !strings.Contains(page, part) {
			t.Errorf("%q is missing in\n%s", part, page)
		}
	}
	svg, err := r.Plot()
	if err != nil || !strings.Contains(string(svg), ">Ebb<") {
		t.Errorf("got %v and the plot %.200s", err, svg)
	}
}

func TestEdgeRefusesWhatItCannotMeasure(t *testing.T) {
	for want, e := range map[string]Edge{
		"Program":      {},
		"negative":     {Program: "ebb", Streams: -1},
		"of the peers": {Program: "ebb", Peers: []string{"apache"}},
		"of the parts": {Program: "ebb", Only: []string{"all"}},
	} {
		if _, err := e.Run(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want something about %q", err, want)
		}
	}
}
