package broker_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"

	"github.com/ebb-events/ebb/internal/broker"
)

// TestMain is also the child process that is killed.
func TestMain(m *testing.M) {
	if dir := os.Getenv("EBB_BROKER_CHILD"); dir != "" {
		child(dir)
	}
	if dir := os.Getenv("EBB_BROKER_TRANSACTOR"); dir != "" {
		transactFor(dir)
	}
	goleak.VerifyTestMain(m)
}

func start(t *testing.T, cfg broker.Config) *broker.Broker {
	t.Helper()
	if cfg.Addr == "" {
		cfg.Addr = "127.0.0.1:0"
	}
	b, err := broker.Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

func client(t *testing.T, addr string, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	cl, err := kgo.NewClient(append(opts, kgo.SeedBrokers(addr), kgo.MetadataMinAge(10*time.Millisecond))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return cl
}

// create makes a topic of one partition. configs are name, value pairs.
func create(t *testing.T, cl *kgo.Client, topic string, configs ...string) {
	t.Helper()
	m := map[string]*string{}
	for i := 0; i < len(configs); i += 2 {
		m[configs[i]] = &configs[i+1]
	}
	if _, err := kadm.NewClient(cl).CreateTopic(t.Context(), 1, 1, m, topic); err != nil {
		t.Fatal(err)
	}
}

func produce(t *testing.T, cl *kgo.Client, records ...*kgo.Record) {
	t.Helper()
	if err := cl.ProduceSync(t.Context(), records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

// read returns n records of a topic from its start.
func read(t *testing.T, addr, topic string, n int) (records []*kgo.Record) {
	t.Helper()
	cl := client(t, addr, kgo.ConsumeTopics(topic))
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for len(records) < n {
		f := cl.PollFetches(ctx)
		if err := f.Err0(); err != nil {
			t.Fatalf("after %d of %d records: %v", len(records), n, err)
		}
		records = append(records, f.Records()...)
	}
	return records
}

func TestSecondProcessIsRefused(t *testing.T) {
	dir := t.TempDir()
	b := start(t, broker.Config{Dir: dir})
	_, err := broker.Start(broker.Config{Dir: dir, Addr: "127.0.0.1:0"})
	if want := "data directory " + dir + " is in use by another process (--data)"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	b.Close()
	start(t, broker.Config{Dir: dir})
}

func TestPortInUseNamesTheFlag(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	_, err = broker.Start(broker.Config{Dir: t.TempDir(), Addr: ln.Addr().String()})
	if want := ln.Addr().String() + " is in use, perhaps by a real Kafka (--kafka-addr)"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestUnknownFormatIsRefused(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "format"), []byte("2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := broker.Start(broker.Config{Dir: dir, Addr: "127.0.0.1:0"})
	if err == nil || !strings.Contains(err.Error(), `has format "2"`) || strings.Contains(err.Error(), "\n") {
		t.Errorf("got %v", err)
	}
}

func TestAdvertisedHostCanBeReached(t *testing.T) {
	for _, addr := range []string{"localhost:0", "0.0.0.0:0", ":0"} {
		b := start(t, broker.Config{Addr: addr})
		if host, _, _ := net.SplitHostPort(b.Addr()); host == "" || host == "0.0.0.0" || host == "::" {
			t.Errorf("%s is advertised as %s", addr, b.Addr())
		}
		if err := client(t, b.Addr()).Ping(t.Context()); err != nil {
			t.Errorf("%s: %v", addr, err)
		}
	}
	b := start(t, broker.Config{Addr: "127.0.0.1:0", Advertise: "kafka.example"})
	if !strings.HasPrefix(b.Addr(), "kafka.example:") {
		t.Errorf("got %s", b.Addr())
	}
}

func TestCompactionIsNeverOn(t *testing.T) {
	cl := client(t, start(t, broker.Config{}).Addr())
	adm := kadm.NewClient(cl)
	create(t, cl, "x", "cleanup.policy", "compact", "retention.ms", "-1")
	compact := "compact,delete"
	if _, err := adm.AlterTopicConfigsState(t.Context(), []kadm.AlterConfig{{Name: "cleanup.policy", Value: &compact}}, "x"); err != nil {
		t.Fatal(err)
	}
	if _, err := adm.AlterTopicConfigs(t.Context(), []kadm.AlterConfig{{Name: "cleanup.policy", Value: &compact}}, "x"); err != nil {
		t.Fatal(err)
	}
	configs, err := adm.DescribeTopicConfigs(t.Context(), "x")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range configs[0].Configs {
		if c.Key == "cleanup.policy" && strings.Contains(c.MaybeValue(), "compact") {
			t.Errorf("cleanup.policy is %s", c.MaybeValue())
		}
	}
}

func TestEveryStartHasLaterEpochs(t *testing.T) {
	dir := t.TempDir()
	var ends []int64
	for i := range 3 {
		b := start(t, broker.Config{Dir: dir})
		cl := client(t, b.Addr())
		if i == 0 {
			create(t, cl, "x")
		}
		produce(t, cl, &kgo.Record{Topic: "x"}, &kgo.Record{Topic: "x"})
		records := read(t, b.Addr(), "x", 2*i+2)
		for j := 1; j <= i; j++ {
			if before, after := records[2*j-1].LeaderEpoch, records[2*j].LeaderEpoch; before >= after {
				t.Errorf("start %d has epoch %d, the one before %d", j, after, before)
			}
		}
		var req kadm.OffsetForLeaderEpochRequest
		req.Add("x", 0, records[0].LeaderEpoch)
		got, err := kadm.NewClient(cl).OffsetForLeaderEpoch(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		ends = append(ends, got["x"][0].EndOffset)
		cl.Close()
		b.Close()
	}
	if fmt.Sprint(ends) != "[2 2 2]" {
		t.Errorf("the first epoch ended at %v, want 2", ends)
	}
}

func TestFailingDiskIsNotAcknowledged(t *testing.T) {
	dir := t.TempDir()
	b := start(t, broker.Config{Dir: dir})
	cl := client(t, b.Addr(), kgo.RecordDeliveryTimeout(time.Second), kgo.AllowIdempotentProduceCancellation())
	create(t, cl, "x")
	parts := filepath.Join(dir, "broker", "partitions")
	if err := os.MkdirAll(parts, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(parts, "x-0"), nil, 0o600); err != nil {
		t.Fatal(err) // where a folder should go
	}
	if err := cl.ProduceSync(t.Context(), &kgo.Record{Topic: "x"}).FirstErr(); err == nil {
		t.Error("acknowledged")
	}
	select {
	case err := <-b.Failed():
		t.Log(err)
	case <-time.After(10 * time.Second):
		t.Error("the broker carries on")
	}
}

// child produces for ever and says what was acknowledged.
func child(dir string) {
	b, err := broker.Start(broker.Config{Dir: dir, Addr: "127.0.0.1:0"})
	if err != nil {
		panic(err)
	}
	cl, err := kgo.NewClient(kgo.SeedBrokers(b.Addr()))
	if err != nil {
		panic(err)
	}
	if _, err := kadm.NewClient(cl).CreateTopic(context.Background(), 1, 1, nil, "x"); err != nil && !strings.Contains(err.Error(), "EXISTS") {
		panic(err)
	}
	for i := 0; ; i++ {
		r := kgo.StringRecord(fmt.Sprint(i))
		r.Topic = "x"
		cl.Produce(context.Background(), r, func(r *kgo.Record, err error) {
			if err == nil {
				fmt.Println(r.Offset)
			}
		})
	}
}

func TestAcknowledgedSurvivesKill(t *testing.T) {
	dir := t.TempDir()
	for range 3 {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "EBB_BROKER_CHILD="+dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		var acked int
		for n := 0; n < 2000; n++ {
			if _, err := fmt.Fscan(out, &acked); err != nil {
				t.Fatal(err)
			}
		}
		_ = cmd.Process.Kill()
		for { // what it said before it died
			var more int
			if _, err := fmt.Fscan(out, &more); err != nil {
				break
			}
			acked = more
		}
		_ = cmd.Wait()

		b := start(t, broker.Config{Dir: dir})
		records := read(t, b.Addr(), "x", acked)
		for i, r := range records {
			if r.Offset != int64(i) {
				t.Fatalf("record %d has offset %d", i, r.Offset)
			}
		}
		b.Close()
	}
}
