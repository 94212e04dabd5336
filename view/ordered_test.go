package view

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/ebb-events/ebb"
)

// TestOrderedIsASortedMap compares with a map, over random changes, and looks
// at every snapshot again when it is old.
func TestOrderedIsASortedMap(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var o ordered
	want := map[string]*instance{}
	type old struct {
		got  snapshot
		want map[string]*instance
	}
	var olds []old
	for range 20_000 {
		id := fmt.Sprintf("%04d", random.IntN(3000))
		if random.IntN(3) > 0 {
			i := &instance{id: id}
			o.put(i)
			want[id] = i
		} else {
			o.remove(id)
			delete(want, id)
		}
		if random.IntN(500) == 0 {
			olds = append(olds, old{o.snapshot(), maps.Clone(want)})
		}
	}
	olds = append(olds, old{o.snapshot(), want})
	for _, s := range olds {
		ids := slices.Sorted(maps.Keys(s.want))
		from := fmt.Sprintf("%04d", random.IntN(3000))
		for _, after := range []string{"", from, "9"} {
			var got, rest []*instance
			for i := range s.got.after(after) {
				got = append(got, i)
			}
			for _, id := range ids {
				if id > after {
					rest = append(rest, s.want[id])
				}
			}
			if !slices.Equal(got, rest) {
				t.Fatalf("after %q: got %d instances, want %d", after, len(got), len(rest))
			}
		}
		if s.got.get(from) != s.want[from] {
			t.Errorf("got %v for %s, want %v", s.got.get(from), from, s.want[from])
		}
	}
	for id := range want {
		o.remove(id)
	}
	if len(o.runs) != 0 || o.snapshot().get("0001") != nil {
		t.Errorf("got %d runs when all is removed", len(o.runs))
	}
}

func BenchmarkPut(b *testing.B) {
	for _, readers := range []bool{false, true} {
		b.Run(fmt.Sprint("read after every change: ", readers), func(b *testing.B) {
			var o ordered
			for n := range 1_000_000 {
				o.put(&instance{id: fmt.Sprintf("%08x", uint32(n)*2654435761)})
			}
			n := 0
			for b.Loop() {
				n++
				o.put(&instance{id: fmt.Sprintf("%08x", uint32(n)*2654435761)})
				if readers {
					o.snapshot()
				}
			}
		})
	}
}

func BenchmarkFilter(b *testing.B) {
	var o ordered
	for n := range 100_000 {
		id := fmt.Sprintf("%08x", uint32(n)*2654435761)
		o.put(&instance{id: id, limited: true, readers: []string{"ann"}, json: fmt.Appendf(nil,
			`{"_acl":{"get":["ann"]},"_corr":"c","_id":%q,"_seq":1,"_type":"board-task","column":"c%d","text":"%s","title":"x"}`, id, n%1000, strings.Repeat("y", 200))})
	}
	where := []ebb.Condition{{At: ebb.Pointer{"column"}, Value: "c7"}}
	for b.Loop() {
		found := 0
		for i := range o.snapshot().after("") {
			if i.shows(ebb.User{Name: "ann"}) && holds(i.json, where) {
				found++
			}
		}
		if found != 100 {
			b.Fatalf("found %d, want 100", found)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/100_000, "ns/instance")
}
