package kafka_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/ebb-events/ebb"
	"github.com/ebb-events/ebb/internal/broker"
	"github.com/ebb-events/ebb/kafka"
)

func TestSendTellsWhatIsWrong(t *testing.T) {
	onBoth(t, func(b *bench) {
		s := b.open().Sender()
		b.must(s.Send(b.in(), typ, "a", []byte("{}")))
		if err := s.Send(b.in(), "shop-order", "a", []byte("{}")); !errors.Is(err, ebb.ErrUnknownType) {
			b.Errorf("a type that is not configured: %v", err)
		}
		if err := s.Send(b.in(), typ, "a", []byte(strings.Repeat("x", 2<<20))); !errors.Is(err, ebb.ErrTooLarge) {
			b.Errorf("2 MiB: %v", err)
		}
		some := b.open(func(c *kafka.Config) { c.Types = nil })
		all := some.Sender()
		b.must(b.open().Prepare(b.in(), ebb.Aggregates))
		b.must(all.Send(b.in(), typ, "a", []byte("{}")))
		if _, err := some.States().Ends(b.in(), typ); err != nil {
			b.Errorf("right after a command: %v", err)
		}
		if err := all.Send(b.in(), "shop-order", "a", []byte("{}")); !errors.Is(err, ebb.ErrUnknownType) {
			b.Errorf("a type without a topic: %v", err)
		}
		got, err := kadm.NewClient(b.admin).DeleteTopics(b.in(), b.topic(ebb.Commands))
		b.must(err)
		b.must(got.Error())
		for ctx := b.in(); ; { // a broker may take it for a moment
			err := all.Send(ctx, typ, "a", []byte("{}"))
			if errors.Is(err, ebb.ErrUnknownType) {
				break
			} else if ctx.Err() != nil {
				b.Fatalf("a type that is gone: %v", err)
			}
		}
	})
}

func TestSendFailsSoonAndWorksAgain(t *testing.T) {
	dir := t.TempDir()
	start := func(addr string) *broker.Broker {
		br, err := broker.Start(broker.Config{Dir: dir, Addr: addr})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { br.Close() })
		return br
	}
	br := start("127.0.0.1:0")
	b := newBench(t, []string{br.Addr()}, true)
	c, err := kafka.OpenHasty(b.config(), 300*time.Millisecond, time.Second)
	b.must(err)
	defer c.Close()
	b.must(c.Ping(b.in()))
	b.must(c.Sender().Send(b.in(), typ, "a", []byte("{}")))
	br.Close()
	ignorant, err := kafka.OpenHasty(b.config(), 300*time.Millisecond, time.Second)
	b.must(err)
	defer ignorant.Close()
	began := time.Now()
	var all sync.WaitGroup
	for range 10 {
		for _, c := range []*kafka.Client{c, ignorant} {
			all.Go(func() {
				if err := c.Sender().Send(b.in(), typ, "a", []byte("{}")); err == nil || errors.Is(err, ebb.ErrUnknownType) {
					t.Errorf("got %v", err)
				}
			})
		}
	}
	all.Wait()
	if took := time.Since(began); took > time.Second {
		t.Errorf("it took %v", took)
	}
	if err := c.Ping(b.in()); err == nil || !strings.Contains(err.Error(), "no broker answers at "+br.Addr()) || strings.Contains(err.Error(), "\n") {
		t.Errorf("got %v", err)
	}
	start(br.Addr())
	for ctx := b.in(); ; {
		err := c.Sender().Send(ctx, typ, "a", []byte("{}"))
		if err == nil {
			break
		} else if ctx.Err() != nil {
			t.Fatal(err)
		}
	}
}

func TestTopicsAreMadeAndWrongOnesRefused(t *testing.T) {
	onBoth(t, func(b *bench) {
		adm := kadm.NewClient(b.admin)
		settings := func(topic string) map[string]string {
			got, err := adm.DescribeTopicConfigs(b.in(), topic)
			b.must(err)
			m := map[string]string{}
			for _, c := range got[0].Configs {
				m[c.Key] = c.MaybeValue()
			}
			return m
		}
		c := b.open(func(c *kafka.Config) { c.ChannelPartitions = 5 })
		b.must(c.Prepare(b.in(), ebb.Commands, ebb.Events, ebb.Aggregates, ebb.Replies, kafka.ChannelLog))
		policy := "compact"
		if b.embedded {
			policy = "delete"
		}
		for topic, want := range map[string][2]string{
			b.topic(ebb.Commands): {"delete", "604800000"}, b.topic(ebb.Events): {"delete", "-1"},
			b.topic(ebb.Aggregates): {policy, "-1"}, b.topic(ebb.Replies): {"delete", "604800000"}, b.channels(): {"delete", "604800000"},
		} {
			if s := settings(topic); s["cleanup.policy"] != want[0] || s["retention.ms"] != want[1] {
				b.Errorf("%s: got %s and %s, want %v", topic, s["cleanup.policy"], s["retention.ms"], want)
			}
		}
		topics, err := adm.ListTopics(b.in(), b.channels())
		b.must(err)
		if n := len(topics[b.channels()].Partitions); n != 5 || settings(b.channels())["message.timestamp.type"] != "LogAppendTime" {
			b.Errorf("the channel log has %d partitions", n)
		}

		for _, wrong := range []struct {
			topic   string
			purpose ebb.Purpose
			name    string
			value   string
		}{
			{b.topic(ebb.Aggregates), ebb.Aggregates, "cleanup.policy", "delete"}, // with the default of 7 days
			{b.channels(), kafka.ChannelLog, "message.timestamp.type", "CreateTime"},
			{b.channels(), kafka.ChannelLog, "max.message.bytes", "1000"},
		} {
			other := newBench(b.TB, b.seeds, b.embedded)
			topic := strings.TrimSuffix(wrong.topic, b.env) + other.env
			configs := map[string]*string{wrong.name: &wrong.value}
			if stamp := "LogAppendTime"; wrong.name == "max.message.bytes" {
				configs["message.timestamp.type"] = &stamp
			}
			_, err := adm.CreateTopic(b.in(), 1, 1, configs, topic)
			b.must(err)
			if err := other.open().Prepare(b.in(), wrong.purpose); err == nil || !strings.Contains(err.Error(), wrong.name) || strings.Contains(err.Error(), "\n") {
				b.Errorf("%s with %s: got %v", topic, wrong.value, err)
			}
		}
	})
}

func TestBadConfigIsRefused(t *testing.T) {
	for _, cfg := range []kafka.Config{
		{},
		{Seeds: []string{"x:1"}, Environment: "dead"},
		{Seeds: []string{"x:1"}, ChannelPartitions: -1},
		{Seeds: []string{"x:1"}, Types: []string{"notype"}},
	} {
		if _, err := kafka.Open(cfg); err == nil {
			t.Errorf("%+v was taken", cfg)
		}
	}
}

func TestUnknownTypesAreLookedForOnceASecond(t *testing.T) {
	b, cluster := onKfake(t)
	var asked atomic.Int64
	cluster.ControlKey(int16(kmsg.Metadata), func(req kmsg.Request) (kmsg.Response, error, bool) {
		if req.(*kmsg.MetadataRequest).Topics == nil { // all
			asked.Add(1)
		}
		return nil, nil, false
	})
	s := b.open(func(c *kafka.Config) { c.Types = nil }).Sender()
	began := time.Now()
	for i := range 1000 {
		if err := s.Send(b.in(), fmt.Sprintf("x-%d", i), "a", nil); !errors.Is(err, ebb.ErrUnknownType) {
			t.Fatal(err)
		}
	}
	if got, most := asked.Load(), 1+int64(time.Since(began)/time.Second); got > most {
		t.Errorf("asked %d times, want %d at most", got, most)
	}
}
