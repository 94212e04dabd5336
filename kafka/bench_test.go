package kafka_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/ebb-events/ebb"
	"github.com/ebb-events/ebb/channel"
)

// BenchmarkRoundTrip says what each step from a command to its reply costs.
func BenchmarkRoundTrip(bb *testing.B) {
	bb.Run("embedded", func(bb *testing.B) { roundTrip(bb, onEmbedded(bb)) })
	bb.Run("apache", func(bb *testing.B) { roundTrip(bb, onApache(bb)) })
}

func roundTrip(bb *testing.B, b *bench) {
	c := b.open()
	cmds, replies := c.Commands(typ, "s"+b.env), c.Replies("r"+b.env)
	defer cmds.Close()
	defer replies.Close()
	b.must(c.Prepare(b.in(), ebb.Replies))
	b.pollUntil(cmds, func(s ebb.Batch) bool { return len(s.Assigned) == 12 })
	b.pollUntil(replies, func(s ebb.Batch) bool { return len(s.Assigned) == 12 })
	took := map[string][]time.Duration{}
	step := func(name string, f func()) {
		began := time.Now()
		f()
		took[name] = append(took[name], time.Since(began))
	}
	some := func(s ebb.Batch) bool { return len(s.Records) > 0 }
	for i := 0; bb.Loop(); i++ {
		want := fmt.Sprintf(`["{\"n\":%d}"]`, i)
		check := func(got ebb.Batch) {
			if v := fmt.Sprintf("%q", values(got.Records)); v != want {
				b.Fatalf("got %s, want %s", v, want)
			}
		}
		step("trip", func() {
			var got ebb.Batch
			step("send", func() { b.must(c.Sender().Send(b.in(), typ, fmt.Sprint(i), fmt.Appendf(nil, `{"n":%d}`, i))) })
			step("poll", func() { got = b.pollUntil(cmds, some) })
			check(got)
			step("transaction", func() { b.must(cmds.Commit(b.in(), b.outputs(got.Records[0]))) })
			step("reply", func() { got = b.pollUntil(replies, some) })
			check(got)
		})
		step("append", func() { b.must(c.Channels().Append(b.in(), []channel.Record{event("ann", "x")})) })
		step("commit", func() { b.must(replies.Commit(b.in())) })
	}
	for name, d := range took {
		slices.Sort(d)
		bb.ReportMetric(float64(d[len(d)/2].Microseconds()), name+"-p50-µs")
		bb.ReportMetric(float64(d[len(d)*99/100].Microseconds()), name+"-p99-µs")
	}
}
