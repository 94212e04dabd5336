//go:build unix

package history_test

import (
	"context"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/ebb-events/ebb/internal/kafkatest"
)

// TestThreeNodes kills and pauses services at every step on three nodes of
// Apache Kafka, which are killed too, one at a time. Leaders and coordinators
// move with every kill, and back.
func TestThreeNodes(t *testing.T) {
	t.Parallel()
	cluster, err := kafkatest.RunCluster(t.TempDir(), 3)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Stop)
	c := &campaign{T: t, seeds: cluster.Seeds, rest: 60 * time.Millisecond}
	kills := 0
	h := c.run(func(ctx context.Context, r *rand.Rand) {
		for ; sleep(ctx, time.Second+time.Duration(r.Int64N(int64(2*time.Second)))); kills++ {
			i := r.IntN(len(cluster.Seeds))
			cluster.Kill(i)
			sleep(ctx, time.Duration(r.Int64N(int64(2*time.Second))))
			if err := cluster.Restart(i); err != nil {
				t.Error(err)
				return
			}
			if err := inSync(t.Context(), cluster.Seeds); err != nil {
				t.Error(err)
				return
			}
		}
	})
	t.Logf("%3d times killed a broker", kills)
	if kills == 0 {
		t.Error("no broker was killed")
	}
	if err := h.Check(); err != nil {
		t.Error(err)
	}
}

// sleep waits for d, or returns false if ctx ends before.
func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// inSync waits until no partition lacks a replica, and then has the preferred
// ones lead.
func inSync(ctx context.Context, seeds []string) error {
	ctx, cancel := context.WithTimeout(ctx, soon)
	defer cancel()
	cl, err := kgo.NewClient(kgo.SeedBrokers(seeds...))
	if err != nil {
		return err
	}
	defer cl.Close()
	adm := kadm.NewClient(cl)
	for {
		topics, err := adm.ListTopicsWithInternal(ctx)
		if err == nil && !lacks(topics) {
			_, err = adm.ElectLeaders(ctx, kadm.ElectPreferredReplica, nil)
			return err
		}
		if !sleep(ctx, 100*time.Millisecond) {
			return ctx.Err()
		}
	}
}

func lacks(topics kadm.TopicDetails) (missing bool) {
	topics.EachPartition(func(p kadm.PartitionDetail) {
		missing = missing || p.Err != nil || len(p.ISR) < len(p.Replicas)
	})
	return missing
}
