package aggregate_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/ebb-events/ebb/aggregate"
	"github.com/ebb-events/ebb/aggregate/disk"
	"pgregory.net/rapid"
)

// onBoth runs a test on every kind of store.
func onBoth(t *testing.T, test func(t *testing.T, s aggregate.Store)) {
	t.Run("memory", func(t *testing.T) { test(t, aggregate.NewMemory()) })
	t.Run("disk", func(t *testing.T) {
		s, err := disk.Open(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}()
		test(t, s)
	})
}

// TestStoreHasWhatWasPut compares a store with a map, operation by operation.
func TestStoreHasWhatWasPut(t *testing.T) {
	onBoth(t, func(t *testing.T, s aggregate.Store) {
		rapid.Check(t, func(t *rapid.T) {
			model := map[int32]map[string]string{}
			partition := rapid.Int32Range(0, 2)
			for p := range int32(3) {
				if err := s.Clear(p); err != nil {
					t.Fatal(err)
				}
				model[p] = map[string]string{}
			}
			keys := []string{"a", "b", "\x00", "ä", strings.Repeat("k", 1024), `{"email":"a@b"}`}
			t.Repeat(map[string]func(*rapid.T){
				"put": func(t *rapid.T) {
					p := partition.Draw(t, "partition")
					var entries []aggregate.Entry
					for range rapid.IntRange(0, 4).Draw(t, "entries") {
						e := aggregate.Entry{Key: rapid.SampledFrom(keys).Draw(t, "key")}
						delete(model[p], e.Key)
						if n := rapid.IntRange(-1, 3).Draw(t, "size"); n >= 0 {
							e.Value = []byte(strings.Repeat("v", n*n*1000))
							model[p][e.Key] = string(e.Value)
						}
						entries = append(entries, e)
					}
					if err := s.Put(p, entries); err != nil {
						t.Fatal(err)
					}
				},
				"clear": func(t *rapid.T) {
					p := partition.Draw(t, "partition")
					clear(model[p])
					if err := s.Clear(p); err != nil {
						t.Fatal(err)
					}
				},
				"": func(t *rapid.T) {
					for p := range int32(3) {
						for _, key := range keys {
							want, ok := model[p][key]
							if got, err := s.Get(p, key); err != nil || string(got) != want || (got != nil) != ok {
								t.Fatalf("partition %d key %.10q: got %d bytes, %v, want %d, %v", p, key, len(got), err, len(want), ok)
							}
						}
					}
				},
			})
		})
	})
}

// TestStoreIsReadAndFilledAtTheSameTime is for the race detector, too.
func TestStoreIsReadAndFilledAtTheSameTime(t *testing.T) {
	onBoth(t, func(t *testing.T, s aggregate.Store) {
		const n = 300
		var all sync.WaitGroup
		for p := range int32(4) {
			all.Go(func() {
				for i := range n {
					key := fmt.Sprint(i)
					if err := s.Put(p, []aggregate.Entry{{Key: key, Value: []byte(key)}}); err != nil {
						t.Error(err)
					}
					if got, err := s.Get(p, key); err != nil || string(got) != key {
						t.Errorf("got %q, %v, want %q", got, err, key)
					}
				}
			})
		}
		all.Wait()
		if err := s.Clear(0); err != nil {
			t.Fatal(err)
		}
		for p := range int32(4) {
			for i := range n {
				got, err := s.Get(p, fmt.Sprint(i))
				if err != nil || (got == nil) != (p == 0) {
					t.Fatalf("partition %d: got %q, %v", p, got, err)
				}
			}
		}
	})
}
