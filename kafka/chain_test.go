package kafka_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/ebb-events/ebb"
	"github.com/ebb-events/ebb/aggregate"
	"github.com/ebb-events/ebb/aggregate/disk"
	"github.com/ebb-events/ebb/kafka"
)

// tally is a state that counts.
type tally struct {
	N int `json:"n"`
}

func plus(_ context.Context, t tally, _ aggregate.Command) (tally, error) {
	t.N++
	return t, nil
}

var (
	orders = aggregate.Type[tally]{Name: "shop-order", On: map[string]aggregate.Reducer[tally]{"pay": plus}}

	// parcels are told by their address, whatever their _id.
	parcels = aggregate.Type[tally]{
		Name: "shop-parcel",
		On:   map[string]aggregate.Reducer[tally]{"pack": plus},
		Unique: func(cmd aggregate.Command) (any, bool) {
			var given struct {
				To string `json:"to"`
			}
			return given.To, cmd.Decode(&given) == nil && given.To != ""
		},
	}

	packing = aggregate.Reactor{Name: "packing", On: map[string]aggregate.Reaction{
		"pay": func(_ context.Context, e aggregate.Event) ([]aggregate.Send, error) {
			return []aggregate.Send{{Type: "shop-parcel", ID: "p" + e.ID + fmt.Sprint(e.Seq), Command: "pack", Fields: map[string]string{"to": "street " + e.ID}}}, nil
		},
	}}
)

// shop is a process with two services and a reactor between them.
func (b *bench) shop(c *kafka.Client) (stop func()) {
	b.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	run := func(f func(ctx context.Context) error) {
		all.Go(func() {
			if err := f(ctx); err != nil {
				b.Error(err)
			}
		})
	}
	cfg := aggregate.Config{Environment: b.env}
	run(func(ctx context.Context) error {
		log := c.Commands(orders.Name, "orders"+b.env)
		defer log.Close()
		return orders.Run(ctx, log, cfg)
	})
	run(func(ctx context.Context) error {
		events := c.Events(orders.Name, "packing"+b.env)
		defer events.Close()
		return packing.Run(ctx, events, cfg)
	})
	run(func(ctx context.Context) error {
		log, unique := c.Commands(parcels.Name, "parcels"+b.env), c.Unique(parcels.Name, "parcels"+b.env)
		defer log.Close()
		defer unique.Close()
		store, err := disk.Open(b.TempDir())
		if err != nil {
			return err
		}
		defer store.Close()
		cfg := cfg
		cfg.Unique, cfg.Store = unique, store
		return parcels.Run(ctx, log, cfg)
	})
	return func() { cancel(); all.Wait() }
}

// replies are those of a type as readers see them, once there are so many.
func (b *bench) replies(c *kafka.Client, typ string, want int) (all []ebb.Message) {
	b.Helper()
	topic := ebb.Topic(typ, ebb.Replies, b.env)
	for ctx := b.in(); len(all) < want && ctx.Err() == nil; {
		all = nil
		for p := range int32(12) {
			for _, v := range b.committed(topic, p) {
				m, err := ebb.ParseMessage([]byte(v))
				b.must(err)
				all = append(all, m)
			}
		}
	}
	if len(all) != want {
		b.Fatalf("got %d replies of %s, want %d", len(all), typ, want)
	}
	return all
}

func (b *bench) pay(c *kafka.Client, id string, corr int) {
	b.Helper()
	b.must(c.Sender().Send(b.in(), orders.Name, id, fmt.Appendf(nil, `{"_id":%q,"_type":"shop-order","_corr":"%d","_command":"pay","_jwt":{"sub":"ann"}}`, id, corr)))
}

func shopTypes(cfg *kafka.Config) { cfg.Types = []string{orders.Name, parcels.Name} }

// checkShop checks the parcels of n payments for each of some orders: one
// parcel for each address, with the _id of whichever command came first.
func (b *bench) checkShop(c *kafka.Client, ids []string, n int) {
	b.Helper()
	counted := map[string]int{}
	for _, m := range b.replies(c, parcels.Name, len(ids)*n) {
		id := m.String(ebb.FieldID)
		if counted[id]++; string(m["n"]) != fmt.Sprint(counted[id]) || m.User().Name != "ann" || m.String(ebb.FieldOutcome) != "applied" {
			b.Errorf("answer %d of %s is %s", counted[id], id, m.JSON())
		}
	}
	for id, got := range counted {
		if got != n {
			b.Errorf("got %d steps of parcel %s, want %d", got, id, n)
		}
	}
	if len(counted) != len(ids) {
		b.Errorf("got %d parcels, want %d", len(counted), len(ids))
	}
}

func TestChainOfTwoTypesThroughRestarts(t *testing.T) {
	onBoth(t, func(b *bench) {
		c := b.open(shopTypes)
		ids, corr := []string{"a", "b", "c"}, 0
		for range 3 {
			for _, id := range ids {
				b.pay(c, id, corr)
				corr++
			}
			stop := b.shop(c)
			b.replies(c, orders.Name, corr)
			if corr == 9 {
				b.replies(c, parcels.Name, corr)
			}
			stop() // wherever reactor and parcels are
		}
		b.checkShop(c, ids, 3)
	})
}

// TestChainThroughFaults has the broker refuse or doubt transactions.
func TestChainThroughFaults(t *testing.T) {
	t.Parallel()
	b, cluster := onKfake(t)
	c := b.open(shopTypes)
	var mu sync.Mutex
	faults := map[int16]int{}
	for _, key := range []kmsg.Key{kmsg.EndTxn, kmsg.TxnOffsetCommit} {
		cluster.ControlKey(int16(key), func(req kmsg.Request) (kmsg.Response, error, bool) {
			cluster.KeepControl()
			mu.Lock()
			defer mu.Unlock()
			faults[int16(key)]++
			if n := faults[int16(key)]; n < 2 || n > 5 {
				return nil, nil, false
			}
			switch resp := req.ResponseKind().(type) {
			case *kmsg.EndTxnResponse:
				resp.ErrorCode = kerr.UnknownServerError.Code
				return resp, nil, true
			case *kmsg.TxnOffsetCommitResponse:
				for _, t := range req.(*kmsg.TxnOffsetCommitRequest).Topics {
					rt := kmsg.NewTxnOffsetCommitResponseTopic()
					rt.Topic = t.Topic
					for _, p := range t.Partitions {
						rp := kmsg.NewTxnOffsetCommitResponseTopicPartition()
						rp.Partition, rp.ErrorCode = p.Partition, kerr.UnknownServerError.Code
						rt.Partitions = append(rt.Partitions, rp)
					}
					resp.Topics = append(resp.Topics, rt)
				}
				return resp, nil, true
			}
			return nil, nil, false
		})
	}
	ids := []string{"a", "b"}
	for i := range 2 * 4 {
		b.pay(c, ids[i%2], i)
	}
	stop := b.shop(c)
	defer stop()
	b.checkShop(c, ids, 4)
	mu.Lock()
	defer mu.Unlock()
	if len(faults) != 2 {
		t.Errorf("the faults did not happen: %v", faults)
	}
}

func TestReactorWaitsForATopic(t *testing.T) {
	b := onEmbedded(t)
	c := b.open()
	stage := c.Events(typ, "r"+b.env)
	defer stage.Close()
	b.must(c.Prepare(b.in(), ebb.Events))
	b.put(b.topic(ebb.Events), 4, 0, 1)
	got := b.pollUntil(stage, func(s ebb.Batch) bool { return len(s.Records) == 1 })
	send := ebb.Record{Topic: ebb.Topic("shop-order", ebb.Commands, b.env), Partition: -1, Key: []byte("k"), Value: got.Records[0].Value}
	if err := stage.Commit(b.in(), []ebb.Record{send}); err == nil || !strings.Contains(err.Error(), "is not there yet") {
		t.Errorf("got %v", err)
	}
	b.must(b.open(shopTypes).Prepare(b.in(), ebb.Commands)) // its service has come
	b.pollUntil(stage, func(s ebb.Batch) bool { return len(s.Records) == 1 })
	b.must(stage.Commit(b.in(), []ebb.Record{send}))
	if v := b.committed(send.Topic, b.partitionOf(c, "k")); len(v) != 1 {
		t.Errorf("got %v", v)
	}
}

// partitionOf is where the gateway's commands for an instance go.
func (b *bench) partitionOf(c *kafka.Client, id string) int32 {
	b.Helper()
	b.must(c.Sender().Send(b.in(), typ, id, []byte(`{}`)))
	for p := range int32(12) {
		if len(b.committed(b.topic(ebb.Commands), p)) > 0 {
			return p
		}
	}
	b.Fatal("it is in no partition")
	return -1
}

func TestAnotherNumberOfUniquePartitionsIsRefused(t *testing.T) {
	b := onEmbedded(t)
	c := b.open()
	b.make(5, ebb.Topic(typ, ebb.Uniques, b.env))
	stage := c.Unique(typ, "u"+b.env)
	defer stage.Close()
	if _, err := stage.Poll(b.in()); err == nil || !strings.Contains(err.Error(), "make them equal") {
		t.Errorf("got %v", err)
	}
	first := c.Commands(typ, "u"+b.env)
	defer first.Close()
	b.must(c.Prepare(b.in(), ebb.Commands))
	b.put(b.topic(ebb.Commands), 4, 0, 1)
	b.pollUntil(first, func(s ebb.Batch) bool { return len(s.Records) == 1 })
	ctx, cancel := context.WithTimeout(b.in(), 5*time.Second)
	defer cancel()
	if err := first.Commit(ctx, []ebb.Record{{Topic: b.topic(ebb.Uniques), Partition: -1, Key: []byte("k")}}); err == nil || !strings.Contains(err.Error(), "make them equal") {
		t.Errorf("got %v", err)
	}
}
