//go:build unix

package history_test

import (
	"context"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kversion"
)

// TestLeadersMove has the leaders of partitions and the coordinators of groups
// and transactions move all the time. The cluster is older than KIP-890, so
// that services take the steps that newer ones spare them.
func TestLeadersMove(t *testing.T) {
	t.Parallel()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(3), kfake.MaxVersions(kversion.V3_7_0()), kfake.GroupMinSessionTimeout(session/4))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	c := &campaign{T: t, seeds: cluster.ListenAddrs(), local: true, old: true, rest: 60 * time.Millisecond}
	moves := 0
	h := c.run(func(ctx context.Context, r *rand.Rand) {
		for ; sleep(ctx, time.Duration(r.Int64N(int64(time.Second)))); moves++ {
			cluster.ShufflePartitionLeaders()
			if r.IntN(12) == 0 {
				cluster.RehashCoordinators()
			}
		}
	})
	t.Logf("%3d times moved the leaders", moves)
	if moves == 0 {
		t.Error("no leader moved")
	}
	if err := h.Check(); err != nil {
		t.Error(err)
	}
}
