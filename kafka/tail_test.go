package kafka_test

import (
	"testing"
	"time"

	"github.com/ebb-events/ebb/channel"
	"github.com/ebb-events/ebb/kafka"
)

// TestTailHasWhatComesLaterBehindIt, and the log's leader says that the cursor
// is good.
func TestTailHasWhatComesLaterBehindIt(t *testing.T) {
	onBoth(t, func(b *bench) {
		c := b.open()
		if at, ok := c.Tail().Cursor(b.in(), "ann"); ok {
			b.Errorf("got %v of a log that is not there", at)
		}
		b.must(c.Prepare(b.in(), kafka.ChannelLog))
		log := c.Channels()
		batches, _, stop := b.tail(log)
		generation := b.next(batches, any1).Generation
		stop() // Read and Bounds know the log now
		for n := range 3 {
			// The answer that there is none is good for a second, as others are.
			end := c.Tail()
			at, ok := end.Cursor(b.in(), "ann")
			for ; !ok; at, ok = end.Cursor(b.in(), "ann") {
				<-time.After(50 * time.Millisecond)
			}
			if at.Partition != channel.Partition("ann", 12) || at.Offset != int64(n-1) || at.Proof != "" {
				b.Fatalf("got %+v, want the end at %d", at, n-1)
			}
			b.must(log.Append(b.in(), []channel.Record{event("ann", "{}")}))
			if again, _ := end.Cursor(b.in(), "ann"); again.Offset > at.Offset+1 {
				b.Errorf("got %+v, which is beyond the end", again)
			}
			heard := 0
			b.must(log.Read(b.in(), at.Partition, at.Offset+1, at.Offset+2, 0, func(channel.Entry) bool { heard++; return true }))
			if heard != 1 {
				b.Errorf("%d records lie behind %+v, want the one that came later", heard, at)
			}
			bounds, err := log.Bounds(b.in(), at.Partition, at.Epoch)
			b.must(err)
			if at.Generation != generation || bounds.EpochEnd <= at.Offset || bounds.Start > at.Offset+1 {
				b.Errorf("%+v is not good in %+v", at, bounds)
			}
		}
	})
}
