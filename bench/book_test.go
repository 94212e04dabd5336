package bench

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestBookCountsFromWhenACommandWasDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBook()
		due := time.Now()
		time.Sleep(time.Second) // sent late
		b.expect("a", due, true)
		time.Sleep(time.Second)
		b.accepted("a")
		time.Sleep(time.Second)
		b.arrived("a")
		got := b.taken()
		if got.Event[0] != 3*time.Second || got.Accepted[0] != 2*time.Second || got.After[0] != time.Second {
			t.Errorf("got %+v", got)
		}
	})
}

func TestBookCountsWhatIsLostAndWhatComesAgain(t *testing.T) {
	b := newBook()
	for _, corr := range []string{"warm", "fine", "twice", "lost"} {
		b.expect(corr, time.Now(), corr != "warm")
		b.accepted(corr)
	}
	for _, corr := range []string{"warm", "warm", "fine", "twice", "twice"} {
		if !b.arrived(corr) {
			t.Errorf("%s was not expected", corr)
		}
	}
	if b.arrived("foreign") {
		t.Error("foreign was expected")
	}
	got := b.taken()
	if got.Commands != 3 || got.Lost != 1 || got.Duplicates != 2 || len(got.Event) != 2 {
		t.Errorf("got %+v", got)
	}
}

func TestBookWaitsForTheLastEventAndNotForever(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBook()
		for _, corr := range []string{"a", "b", "never"} {
			b.expect(corr, time.Now(), true)
		}
		begin := time.Now()
		b.wait(t.Context(), time.Minute)
		if got := time.Since(begin); got != time.Minute {
			t.Errorf("waited %v, want a minute", got)
		}
		begin = time.Now()
		for i, corr := range []string{"a", "b", "never"} {
			time.AfterFunc(time.Duration(i+1)*time.Second, func() { b.arrived(corr) })
		}
		b.wait(t.Context(), time.Minute)
		if got := time.Since(begin); got != 3*time.Second {
			t.Errorf("waited %v, want 3 s", got)
		}
	})
}
