package edge_test

import (
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ebb-events/ebb/session"
)

// TestNoStreamSlipsThroughARevocation: streams are opened while it arrives and
// the log is read anew. All that began before it end, and none that began since.
func TestNoStreamSlipsThroughARevocation(t *testing.T) {
	const before, since = 6, 3
	for range 150 {
		inSessions(t, func(topic sessions, a, _ *world) {
			behind := session.Place{Life: session.Life{1}, Next: 1}.String()
			var all sync.WaitGroup
			clients := make([]*client, before+since)
			for i := range clients {
				all.Go(func() {
					spin()
					began, p := start0, "p"
					if i >= before {
						began, p = behind, "q"
					}
					clients[i] = a.connect("/?u=ann&p="+p+"&began="+began, "")
					go clients[i].read(1000)
				})
			}
			all.Go(func() {
				spin()
				must(topic.Append(t.Context(), session.Record{Kind: session.Revoke, User: "ann"}))
			})
			all.Go(func() {
				spin()
				a.log.change(func() { a.log.cut++ })
			})
			all.Wait()
			time.Sleep(3 * time.Second) // until the log was read anew
			synctest.Wait()
			for i, c := range clients {
				ended := false
				select {
				case <-c.ended:
					ended = true
				default:
				}
				if ended != (i < before) {
					t.Errorf("stream %d of %d that began before: ended is %v", i, before, ended)
				}
			}
			for _, c := range clients[before:] {
				c.cut()
			}
		})
	}
}

// spin takes a little time, another each time.
func spin() {
	for n := rand.N(20_000); n > 0; n-- {
		_ = time.Duration(n).Nanoseconds()
	}
}
