package window_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/ebb-events/ebb/internal/window"
)

// waker counts how often it is woken.
type waker int

func (w *waker) Wake() { *w++ }

// attach returns a new reader of a channel, and who it wakes.
func attach(w *window.Window, partition int32, channel string) (*window.Reader, window.Position, *waker) {
	r, woken := new(window.Reader), new(waker)
	return r, w.Attach(r, partition, channel, woken), woken
}

func entry(offset int64, channel string) window.Entry {
	return window.Entry{Offset: offset, Channel: channel, Epoch: 1, Frame: fmt.Appendf(nil, "%s-%d", channel, offset)}
}

func offsets(entries []window.Entry) (out []int64) {
	for _, e := range entries {
		out = append(out, e.Offset)
	}
	return out
}

func TestReaderHearsItsChannelAndWhatConcernsAll(t *testing.T) {
	w := window.New(1, 1<<20)
	r, at, woken := attach(w, 0, "ann")
	if at != (window.Position{Offset: -1, Epoch: -1}) {
		t.Errorf("begins at %v", at)
	}
	for i, channel := range []string{"ann", "bob", "", "ann", "bob"} {
		w.Append(0, entry(int64(i), channel))
	}
	got, at, ok := r.Read(nil, -1, 1<<20)
	if want := []int64{0, 2, 3}; !slices.Equal(offsets(got), want) || !ok || at != (window.Position{Offset: 4, Epoch: 1}) {
		t.Errorf("got %v up to %v, %v, want %v", offsets(got), at, ok, want)
	}
	if *woken != 3 {
		t.Errorf("woken %d times, want 3", *woken)
	}
	r.Close()
	w.Append(0, entry(5, "ann"))
	if *woken != 3 {
		t.Error("woken after Close")
	}
}

func TestEachIsTheReadersOfAChannel(t *testing.T) {
	w := window.New(2, 1<<20)
	a, _, first := attach(w, 1, "ann")
	_, _, second := attach(w, 1, "ann")
	attach(w, 1, "bob")
	attach(w, 0, "ann")
	owners := func(channel string) (got []window.Waker) {
		w.Each(1, channel, func(owner window.Waker) { got = append(got, owner) })
		return got
	}
	if got := owners("ann"); len(got) != 2 || !slices.Contains(got, window.Waker(first)) || !slices.Contains(got, window.Waker(second)) {
		t.Errorf("got %v, want both of ann's", got)
	}
	a.Close()
	if got := owners("ann"); len(got) != 1 || got[0] != second || owners("eve") != nil {
		t.Errorf("got %v, want the one that is left", got)
	}
}

func TestReadStopsAtMostBytesAndGoesOn(t *testing.T) {
	w := window.New(1, 1<<20)
	r, _, _ := attach(w, 0, "ann")
	for i := range int64(5) {
		w.Append(0, entry(i, "ann"))
	}
	first, at, _ := r.Read(nil, -1, 6)
	rest, end, _ := r.Read(nil, at.Offset, 1<<20)
	if got := append(offsets(first), offsets(rest)...); len(first) != 2 || at.Offset != 1 || end.Offset != 4 || !slices.Equal(got, []int64{0, 1, 2, 3, 4}) {
		t.Errorf("got %v up to %v, then %v up to %v", offsets(first), at, offsets(rest), end)
	}
}

func TestReaderThatWasPassedByIsTold(t *testing.T) {
	w := window.New(2, 1000)
	r, _, _ := attach(w, 0, "ann")
	for i := range int64(100) {
		w.Append(0, entry(i, "ann"))
	}
	if _, _, ok := r.Read(nil, -1, 100); ok {
		t.Error("read what is forgotten")
	}
	if _, _, ok := r.Read(nil, r.Start()-1, 100); !ok {
		t.Error("cannot read from the start")
	}
	if w.Bytes() > 1000 {
		t.Errorf("holds %d bytes of 1000", w.Bytes())
	}
}

func TestPositionAheadOfTheWindowStays(t *testing.T) {
	w := window.New(1, 1000)
	w.Begin(0, 10, 3)
	r, at, _ := attach(w, 0, "ann")
	if at != (window.Position{Offset: 9, Epoch: 3}) {
		t.Errorf("begins at %v", at)
	}
	if got, at, ok := r.Read(nil, 20, 100); len(got) > 0 || at.Offset != 20 || !ok {
		t.Errorf("got %v up to %v, %v", got, at, ok)
	}
}

// TestWindowAgainstModel: whatever was appended, and however little is kept,
// reading on and on gives one's own entries in order, or says that some are gone.
func TestWindowAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const n = 3
		w := window.New(n, int64(rapid.IntRange(0, 5000).Draw(t, "budget")))
		log := make([][]window.Entry, n)
		channels := []string{"", "a", "b", "c"}
		for range rapid.IntRange(0, 60).Draw(t, "records") {
			p := rapid.Int32Range(0, n-1).Draw(t, "partition")
			next := int64(0)
			if len(log[p]) > 0 {
				next = log[p][len(log[p])-1].Offset + 1
			}
			e := entry(next+int64(rapid.IntRange(0, 2).Draw(t, "hole")), rapid.SampledFrom(channels).Draw(t, "channel"))
			log[p] = append(log[p], e)
			w.Append(p, e)
		}
		for p := range int32(n) {
			own := rapid.SampledFrom(channels[1:]).Draw(t, "own")
			r, _, _ := attach(w, p, own)
			after := int64(rapid.IntRange(-1, 70).Draw(t, "after"))
			most := rapid.IntRange(1, 200).Draw(t, "most")
			var want, got []int64
			for _, e := range log[p] {
				if e.Offset > after && (e.Channel == own || e.Channel == "") {
					want = append(want, e.Offset)
				}
			}
			start := r.Start()
			for at := after; ; {
				entries, to, ok := r.Read(nil, at, most)
				if !ok {
					if at+1 >= start {
						t.Fatalf("refused %d, though the window begins at %d", at, start)
					}
					break
				}
				got = append(got, offsets(entries)...)
				if len(entries) == 0 {
					if !slices.Equal(got, want) {
						t.Fatalf("got %v, want %v", got, want)
					}
					break
				}
				at = to.Offset
			}
			r.Close()
		}
	})
}

func TestManyAtOnce(t *testing.T) {
	w := window.New(2, 2000)
	var all sync.WaitGroup
	for g := range 4 {
		all.Go(func() {
			for i := range int64(300) {
				if g < 2 {
					w.Append(int32(g), entry(i, fmt.Sprint(i%3)))
					continue
				}
				r, at, _ := attach(w, int32(g-2), "1")
				r.Read(nil, at.Offset-5, 100)
				r.Close()
			}
		})
	}
	all.Wait()
	if w.Bytes() > 2000 {
		t.Errorf("holds %d bytes", w.Bytes())
	}
}
