//go:build unix

package history_test

import (
	"context"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/ebb-events/ebb/internal/broker"
)

// TestEmbeddedBroker kills and pauses services at every step on the embedded
// broker.
func TestEmbeddedBroker(t *testing.T) {
	t.Parallel()
	b, err := broker.Start(broker.Config{Addr: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	allowShortSessions(t, b.Addr())
	c := &campaign{T: t, seeds: []string{b.Addr()}, local: true, rest: 60 * time.Millisecond}
	h := c.run(func(context.Context, *rand.Rand) {})
	if err := h.Check(); err != nil {
		t.Fatal(err)
	}
	t.Run("damage is seen", func(t *testing.T) { seesDamage(t, h) })
}

// allowShortSessions has a broker of ours accept the time-outs of the campaign.
func allowShortSessions(t *testing.T, seeds ...string) {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(seeds...))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	least := "500"
	got, err := kadm.NewClient(cl).AlterBrokerConfigs(t.Context(), []kadm.AlterConfig{{Name: "group.min.session.timeout.ms", Value: &least}})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range got {
		if r.Err != nil {
			t.Fatal(r.Err)
		}
	}
}
