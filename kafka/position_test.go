package kafka_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/ebb-events/ebb"
	"github.com/ebb-events/ebb/aggregate"
	"github.com/ebb-events/ebb/internal/broker"
	"github.com/ebb-events/ebb/kafka"
)

// A group's offsets are only a hint where a service begins: the states say how
// far its commands are done.

// TestNothingIsDoneTwiceWhenTheGroupForgets has an instance with more commands
// than are remembered one by one. Then the topic is made anew.
func TestNothingIsDoneTwiceWhenTheGroupForgets(t *testing.T) {
	onBoth(t, func(b *bench) {
		c := b.open(shopTypes)
		b.payTimes(c, "a", 0, 100)
		b.payTimes(c, "b", 0, 3)
		b.serve(c, 103)
		b.payTimes(c, "a", 99, 100) // a batch of a repeat alone
		b.serve(c, 104)

		b.forget()
		b.serve(c, 104)
		b.forget()
		b.payTimes(c, "a", 100, 101)
		log := b.serve(c, 105)
		if n := bytes.Count(log, []byte("are left out")); n != 2 {
			b.Errorf("warned %d times, want once for each of two partitions:\n%s", n, log)
		}
		b.paid(c, map[string]string{"a": "101", "b": "3"})

		c = b.remake(ebb.Topic(orders.Name, ebb.Commands, b.env))
		b.payTimes(c, "a", 101, 103)
		b.payTimes(c, "b", 3, 4)
		b.serve(c, 108)
		b.paid(c, map[string]string{"a": "103", "b": "4"})
	})
}

// TestGroupForgetsWhileTheEmbeddedBrokerStartsAnew is about the ids of its
// topics, and the epochs of what was written before.
func TestGroupForgetsWhileTheEmbeddedBrokerStartsAnew(t *testing.T) {
	cfg := broker.Config{Addr: "127.0.0.1:0", Dir: t.TempDir()}
	var env string
	for i := range 3 {
		br, err := broker.Start(cfg)
		if err != nil {
			t.Fatal(err)
		}
		b := newBench(t, []string{br.Addr()}, true)
		if i > 0 {
			b.env = env
			b.forget()
		}
		env = b.env
		c := b.open(shopTypes)
		b.payTimes(c, "a", 70*i, 70*(i+1))
		b.serve(c, 70*(i+1))
		b.paid(c, map[string]string{"a": fmt.Sprint(70 * (i + 1))})
		c.Close()
		b.admin.Close()
		br.Close()
	}
}

// payTimes sends commands to an instance.
func (b *bench) payTimes(c *kafka.Client, id string, from, to int) {
	b.Helper()
	for corr := from; corr < to; corr++ {
		b.pay(c, id, corr)
	}
}

// serve runs a service until all commands are confirmed, and checks that there
// are so many replies. It returns what it logged.
func (b *bench) serve(c *kafka.Client, replies int) []byte {
	b.Helper()
	var said bytes.Buffer
	ctx, end := context.WithCancel(b.in())
	ended := make(chan error, 1)
	go func() {
		log := c.Commands(orders.Name, group(b))
		defer log.Close()
		ended <- orders.Run(ctx, log, aggregate.Config{Environment: b.env, Logger: slog.New(slog.NewTextHandler(&said, nil))})
	}()
	for late := b.in(); !b.confirmed(); <-time.After(50 * time.Millisecond) {
		if late.Err() != nil {
			b.Error("not all was confirmed")
			break
		}
	}
	end()
	b.must(<-ended)
	b.replies(c, orders.Name, replies)
	return said.Bytes()
}

// confirmed tells whether the group is at the end of all commands.
func (b *bench) confirmed() bool {
	b.Helper()
	topic := ebb.Topic(orders.Name, ebb.Commands, b.env)
	admin := kadm.NewClient(b.admin)
	ends, err := admin.ListEndOffsets(b.in(), topic)
	b.must(err)
	at, err := admin.FetchOffsets(b.in(), group(b))
	if err != nil {
		return false
	}
	all := true
	ends.Each(func(end kadm.ListedOffset) {
		o, ok := at.Lookup(topic, end.Partition)
		all = all && (end.Offset == 0 || ok && o.At == end.Offset)
	})
	return all
}

// forget puts the group's offsets back to the first command.
func (b *bench) forget() {
	b.Helper()
	var back kadm.Offsets
	for p := range int32(12) {
		back.AddOffset(ebb.Topic(orders.Name, ebb.Commands, b.env), p, 0, -1)
	}
	admin := kadm.NewClient(b.admin)
	for late := b.in(); ; <-time.After(50 * time.Millisecond) { // until its member is gone
		err := admin.CommitAllOffsets(late, group(b), back)
		if err == nil {
			return
		} else if late.Err() != nil {
			b.Fatal(err)
		}
	}
}

// remake deletes a topic of commands and makes it anew.
func (b *bench) remake(topic string) *kafka.Client {
	b.Helper()
	admin := kadm.NewClient(b.admin)
	_, err := admin.DeleteTopic(b.in(), topic)
	b.must(err)
	for late := b.in(); ; <-time.After(50 * time.Millisecond) {
		there, err := admin.ListTopics(late, topic)
		b.must(err)
		if !there.Has(topic) {
			break
		}
	}
	c := b.open(shopTypes)
	b.must(c.Prepare(b.in(), ebb.Commands))
	return c
}

// paid checks how often instances were.
func (b *bench) paid(c *kafka.Client, want map[string]string) {
	b.Helper()
	got, events := map[string]string{}, map[string]int{}
	b.must(c.Read(b.in(), orders.Name, ebb.Aggregates, func(r ebb.Record) {
		m, err := ebb.ParseMessage(r.Value)
		b.must(err)
		got[string(r.Key)] = string(m["n"])
	}))
	b.must(c.Read(b.in(), orders.Name, ebb.Events, func(r ebb.Record) { events[string(r.Key)]++ }))
	for id, n := range want {
		if got[id] != n || fmt.Sprint(events[id]) != n {
			b.Errorf("%s was paid %s times with %d events, want %s", id, got[id], events[id], n)
		}
	}
}
