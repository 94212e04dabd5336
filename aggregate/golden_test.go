package aggregate

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/ebb-events/ebb"
)

// TestMessagesOnTheWire is what other services read: every byte counts.
func TestMessagesOnTheWire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // where it is the year 2000
		b := newBroker()
		b.send(`{"_id":"I","_type":"test-counter","_corr":"c0","_command":"set","_jwt":{"sub":"ann","roles":["clerk"]},"_timestamp":1,` +
			`"value":9007199254740993,"note":"<&>","more":{"n":1e400},"_subscriptions":["bob"],"_acl":{"get":["ann"]}}`)
		b.send(`{"_id":"I","_type":"test-counter","_corr":"c1","_command":"plus","_jwt":{"sub":"bob"},"_timestamp":2}`)
		b.send(`{"_id":"I","_type":"test-counter","_corr":"c2","_command":"reject","_jwt":{"sub":"bob"},"_timestamp":3,"x":9007199254740993}`)
		b.send(`{"_id":"I","_type":"test-counter","_corr":"c3","_command":"delete","_jwt":{"sub":"ann"},"_timestamp":4}`)
		b.send(`{"_id":"I","_type":"test-counter","_corr":"c4","_command":"plus","_jwt":{"sub":"ann"},"_timestamp":5}`)
		b.send(`{"_id":"j","_type":"test-counter","_corr":"c5","_command":"minus","_jwt":{"sub":"ann"},"_timestamp":6}`)
		b.batch = 1
		b.work(t, Config{})

		var got strings.Builder
		for _, r := range b.out {
			fmt.Fprintf(&got, "%s %d %s %s\n", strings.TrimPrefix(r.Topic, "test-counter-"), r.Partition, r.Key, r.Value)
			for _, h := range r.Headers {
				if h.Key != headerOutcomes {
					fmt.Fprintf(&got, "  %s: %s\n", h.Key, h.Value)
				} else {
					fmt.Fprintf(&got, "  %s: %d bytes\n", h.Key, len(h.Value))
				}
			}
		}
		want, err := os.ReadFile("testdata/wire.txt")
		if err != nil || got.String() != string(want) {
			t.Errorf("got\n%s\nwant\n%s (%v)", got.String(), want, err)
		}
	})
}

// TestOutcomesHeader fixes the header's bytes, for states outlive programs.
func TestOutcomesHeader(t *testing.T) {
	cmd := Command{Name: "plus", Corr: "c0", User: ebb.User{Name: "ann"}}
	var o outcomes
	o = o.add(cmd.key(), refusal{outcome: ebb.Applied})
	cmd.Corr = "c1"
	o = o.add(cmd.key(), *refuse(ebb.Stale, ebb.Error{Location: "/_seq"}))
	const want = "d18ee5e3617bf2527d40c31dad254f79000045ea489101ac7f57dd5ed5d6bec1e9b303165b7b226c6f636174696f6e223a222f5f736571227d5d"
	if got := fmt.Sprintf("%x", []byte(o)); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func FuzzDamagedOutcomes(f *testing.F) {
	k := Command{}.key()
	f.Add([]byte(outcomes(nil).add(k, *refuse(ebb.Failed, ebb.Error{})).add(k, refusal{outcome: ebb.Applied})))
	f.Fuzz(func(t *testing.T, b []byte) {
		o := outcomes(b).intact()
		for range maxOutcomes + 1 {
			o.find(k)
			o = o.add(k, refusal{outcome: ebb.Unchanged})
		}
		if _, ok := o.find(k); !ok {
			t.Errorf("%q forgets what was added to it", b)
		}
		if len(o.intact()) != len(o) {
			t.Errorf("%q stays damaged", b)
		}
	})
}
