package kafka_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"

	"github.com/ebb-events/ebb"
	"github.com/ebb-events/ebb/aggregate"
	"github.com/ebb-events/ebb/connector"
	"github.com/ebb-events/ebb/edge"
	"github.com/ebb-events/ebb/gateway"
	"github.com/ebb-events/ebb/internal/broker"
	"github.com/ebb-events/ebb/internal/kafkatest"
	"github.com/ebb-events/ebb/kafka"
	"github.com/ebb-events/ebb/view"
)

var (
	_ gateway.Sender   = (*kafka.Sender)(nil)
	_ gateway.Tail     = (*kafka.Tail)(nil)
	_ gateway.Answers  = (*kafka.Answers)(nil)
	_ view.Source      = (*kafka.States)(nil)
	_ connector.Source = (*kafka.Replies)(nil)
	_ connector.Sink   = (*kafka.Channels)(nil)
	_ edge.Log         = (*kafka.Channels)(nil)
	_ edge.Publisher   = (*kafka.Channels)(nil)
	_ aggregate.Log    = (*kafka.Stage)(nil)
)

// real is the Apache Kafka that all tests of the package share.
var real struct {
	once  sync.Once
	dir   string
	seeds []string
	stop  func()
	err   error
}

func TestMain(m *testing.M) {
	code := m.Run()
	if real.stop != nil {
		real.stop()
	}
	if real.dir != "" {
		os.RemoveAll(real.dir)
	}
	stopSecured()
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// typ is the aggregate type of the tests.
const typ = "board-task"

// bench is a broker with topics of a test's own.
type bench struct {
	testing.TB
	seeds    []string
	embedded bool
	env      string
	admin    *kgo.Client
}

// onBoth runs a test on the embedded broker and on Apache Kafka.
func onBoth(t *testing.T, test func(b *bench)) {
	t.Run("embedded", func(t *testing.T) {
		t.Parallel()
		test(onEmbedded(t))
	})
	t.Run("apache", func(t *testing.T) {
		t.Parallel()
		test(onApache(t))
	})
}

func onApache(t testing.TB) *bench {
	real.once.Do(func() {
		if real.dir, real.err = os.MkdirTemp("", "ebb-kafka"); real.err == nil {
			real.seeds, real.stop, real.err = kafkatest.Run(real.dir)
		}
	})
	if real.err != nil {
		t.Fatal(real.err)
	}
	return newBench(t, real.seeds, false)
}

func onEmbedded(t testing.TB) *bench {
	b, err := broker.Start(broker.Config{Addr: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return newBench(t, []string{b.Addr()}, true)
}

func newBench(t testing.TB, seeds []string, embedded bool) *bench {
	admin, err := kgo.NewClient(kgo.SeedBrokers(seeds...), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.MetadataMinAge(10*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(admin.Close)
	return &bench{t, seeds, embedded, "t" + strings.ToLower(rand.Text()[:10]), admin}
}

// onKfake is a bench on a broker of its own, in process, that can be told to fail.
func onKfake(t testing.TB, opts ...kfake.Opt) (*bench, *kfake.Cluster) {
	t.Helper()
	cluster, err := kfake.NewCluster(append(opts, kfake.NumBrokers(1))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	return newBench(t, cluster.ListenAddrs(), true), cluster
}

// config is a client's, for the test's topics.
func (b *bench) config() kafka.Config {
	return kafka.Config{Seeds: b.seeds, Environment: b.env, Embedded: b.embedded, Types: []string{typ}}
}

func (b *bench) open(change ...func(*kafka.Config)) *kafka.Client {
	b.Helper()
	cfg := b.config()
	for _, f := range change {
		f(&cfg)
	}
	c, err := kafka.OpenHasty(cfg, 5*time.Second, 500*time.Millisecond)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(c.Close)
	return c
}

// in is a context for what must not take long.
func (b *bench) in() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 25*time.Second)
	b.Cleanup(cancel)
	return ctx
}

func (b *bench) must(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

func (b *bench) topic(p ebb.Purpose) string { return ebb.Topic(typ, p, b.env) }

// put writes values n, n+1, ... to a partition, as they are.
func (b *bench) put(topic string, partition int32, from, to int) {
	b.Helper()
	var records []*kgo.Record
	for i := from; i < to; i++ {
		records = append(records, &kgo.Record{Topic: topic, Partition: partition, Key: []byte("k"), Value: fmt.Appendf(nil, `{"n":%d}`, i)})
	}
	b.must(b.admin.ProduceSync(b.in(), records...).FirstErr())
}

// cutBefore deletes records of a partition.
func (b *bench) cutBefore(topic string, partition int32, offset int64) {
	b.Helper()
	o := kadm.Offsets{}
	o.AddOffset(topic, partition, offset, -1)
	got, err := kadm.NewClient(b.admin).DeleteRecords(b.in(), o)
	b.must(err)
	b.must(got.Error())
}

// values are what records hold.
func values(records []ebb.Record) (v []string) {
	for _, r := range records {
		v = append(v, string(r.Value))
	}
	return v
}

// poller is what groups have in common.
type poller interface {
	Poll(context.Context) (ebb.Batch, error)
}

// pollUntil polls until ok says that it has seen enough, adding up.
func (b *bench) pollUntil(p poller, ok func(sum ebb.Batch) bool) (sum ebb.Batch) {
	b.Helper()
	ctx := b.in()
	for !ok(sum) {
		got, err := p.Poll(ctx)
		if err != nil {
			b.Fatalf("%v, after %d revoked, %d assigned, gaps %.200v, records %.200q", err, len(sum.Revoked), len(sum.Assigned), sum.Gaps, values(sum.Records))
		}
		sum.Revoked = append(sum.Revoked, got.Revoked...)
		sum.Assigned = append(sum.Assigned, got.Assigned...)
		sum.Gaps, sum.Records = got.Gaps, got.Records // unconfirmed ones come again
	}
	return sum
}
