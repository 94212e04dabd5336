package kafka

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ebb-events/ebb/channel"
)

// asked is a tail that counts how often the broker is asked, which takes 100 ms.
func asked(answer func() (ends, error)) (t *Tail, times *int) {
	times = new(int)
	ask := func(ctx context.Context) (ends, error) {
		*times++
		select {
		case <-time.After(100 * time.Millisecond):
			return answer()
		case <-ctx.Done():
			return ends{}, ctx.Err()
		}
	}
	return &Tail{ask: ask, forget: func() {}}, times
}

func endsAt(at int64) ends {
	return ends{channel.Log{Partitions: 1}, []offset{{at, 3}}}
}

func TestOneAsksForAllAndOnceASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := int64(0)
		tail, times := asked(func() (ends, error) { now++; return endsAt(now), nil })
		gone, leave := context.WithCancel(t.Context())
		var all sync.WaitGroup
		for n := range 100 {
			ctx := t.Context()
			if n == 0 {
				ctx = gone // though it may be who asks
			}
			all.Go(func() {
				if c, ok := tail.Cursor(ctx, "ann"); ok && (c.Offset != 0 || c.Epoch != 3) || !ok && n > 0 {
					t.Errorf("got %+v, %v", c, ok)
				}
			})
		}
		synctest.Wait()
		leave()
		all.Wait()
		if *times != 1 {
			t.Errorf("asked %d times for 100", *times)
		}
		time.Sleep(999 * time.Millisecond)
		if c, _ := tail.Cursor(t.Context(), "ann"); c.Offset != 0 || *times != 1 {
			t.Errorf("got %+v, asked %d times within a second", c, *times)
		}
		time.Sleep(time.Millisecond)
		if c, _ := tail.Cursor(t.Context(), "ann"); c.Offset != 1 || *times != 2 {
			t.Errorf("got %+v, asked %d times, want a new one after a second", c, *times)
		}
	})
}

func TestSilentBrokerIsLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		answer := func() (ends, error) { return ends{}, errors.New("no broker") }
		tail, times := asked(func() (ends, error) { return answer() })
		began := time.Now()
		for range 100 {
			if _, ok := tail.Cursor(t.Context(), "ann"); ok {
				t.Fatal("got a cursor of nothing")
			}
		}
		if took := time.Since(began); took != 100*time.Millisecond || *times != 1 {
			t.Errorf("asked %d times in %v", *times, took)
		}
		time.Sleep(time.Second)
		answer = func() (ends, error) { return endsAt(7), nil }
		if c, ok := tail.Cursor(t.Context(), "ann"); !ok || c.Offset != 6 {
			t.Errorf("got %+v, %v when it is back", c, ok)
		}
		// A log that ends before its end is another one, by the same name.
		time.Sleep(time.Second)
		answer = func() (ends, error) { return endsAt(6), nil }
		if c, ok := tail.Cursor(t.Context(), "ann"); ok {
			t.Errorf("got %+v of a log that was cut", c)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		tail := &Tail{ask: func(ctx context.Context) (ends, error) { <-ctx.Done(); return ends{}, ctx.Err() }}
		began := time.Now()
		if _, ok := tail.Cursor(t.Context(), "ann"); ok || time.Since(began) != tailWait {
			t.Errorf("got %v after %v", ok, time.Since(began))
		}
	})
}
