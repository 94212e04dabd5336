package broker

import (
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

func TestRetentionKeepsTheLastRecordAndSoTheOffsets(t *testing.T) {
	dir := t.TempDir()
	b, err := Start(Config{Dir: dir, Addr: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	cl, err := kgo.NewClient(kgo.SeedBrokers(b.Addr()))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	hour, forever := "3600000", "-1"
	adm := kadm.NewClient(cl)
	for topic, retention := range map[string]*string{"hour": &hour, "forever": &forever} {
		if _, err := adm.CreateTopic(t.Context(), 1, 1, map[string]*string{"retention.ms": retention}, topic); err != nil {
			t.Fatal(err)
		}
	}
	now := time.Now()
	for i := range 4 { // the last two are younger than an hour
		for _, topic := range []string{"hour", "forever"} {
			r := &kgo.Record{Topic: topic, Timestamp: now.Add(time.Duration(30*i-100) * time.Minute)}
			if err := cl.ProduceSync(t.Context(), r).FirstErr(); err != nil {
				t.Fatal(err)
			}
		}
	}
	bounds := func(topic string, wantStart int64) {
		t.Helper()
		p := b.cluster.PartitionInfo(topic, 0)
		if p.LogStartOffset != wantStart || p.HighWatermark != 4 {
			t.Errorf("%s has %d to %d, want %d to 4", topic, p.LogStartOffset, p.HighWatermark, wantStart)
		}
	}
	if err := b.applyRetention(now); err != nil {
		t.Fatal(err)
	}
	bounds("hour", 2)
	bounds("forever", 0)
	if err := b.applyRetention(now.Add(time.Hour * 24 * 365)); err != nil {
		t.Fatal(err)
	}
	bounds("hour", 3)
	bounds("forever", 0)

	b.Close()
	if b, err = Start(Config{Dir: dir, Addr: "127.0.0.1:0"}); err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	bounds("hour", 3)
	bounds("forever", 0)
}
