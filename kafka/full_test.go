package kafka_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/ebb-events/ebb"
)

func TestTopicOfFullEventsIsMadeWithTheFirst(t *testing.T) {
	onBoth(t, func(b *bench) {
		adm := kadm.NewClient(b.admin)
		cmds := b.open().Commands(typ, "s"+b.env)
		defer cmds.Close()
		full := b.topic(ebb.FullEvents)
		for i := range 3 {
			if i == 0 {
				b.pollUntil(cmds, func(s ebb.Batch) bool { return len(s.Assigned) > 0 })
			}
			b.put(b.topic(ebb.Commands), 4, i, i+1)
			got := b.pollUntil(cmds, func(s ebb.Batch) bool { return len(s.Records) == 1 })
			out := b.outputs(got.Records[0])
			if i > 0 {
				out = append(out, ebb.Record{Topic: full, Partition: 4, Key: []byte("k"), Value: fmt.Appendf(nil, `{"full":%d}`, i)})
			}
			b.must(cmds.Commit(b.in(), out))
			topics, err := adm.ListTopics(b.in())
			b.must(err)
			if there := topics.Has(full); there != (i > 0) {
				b.Errorf("after %d: is there a topic %s: %v", i, full, there)
			}
		}
		if v := b.committed(full, 4); !slices.Equal(v, []string{`{"full":1}`, `{"full":2}`}) {
			b.Errorf("got %v", v)
		}
		configs, err := adm.DescribeTopicConfigs(b.in(), full)
		b.must(err)
		for _, c := range configs[0].Configs {
			if c.Key == "retention.ms" && c.MaybeValue() != "-1" {
				b.Errorf("it forgets after %s ms", c.MaybeValue())
			}
		}
	})
}

func TestFullEventsOfOtherPartitionsAreRefused(t *testing.T) {
	b := onEmbedded(t)
	_, err := kadm.NewClient(b.admin).CreateTopic(b.in(), 5, 1, nil, b.topic(ebb.FullEvents))
	b.must(err)
	cmds := b.open().Commands(typ, "s")
	defer cmds.Close()
	b.pollUntil(cmds, func(s ebb.Batch) bool { return len(s.Assigned) > 0 })
	err = cmds.Commit(b.in(), []ebb.Record{{Topic: b.topic(ebb.FullEvents), Value: []byte("{}")}})
	if err == nil || !strings.Contains(err.Error(), "make them equal") {
		t.Errorf("got %v", err)
	}
}
