//go:build unix

package history_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/ebb-events/ebb/internal/broker"
	"github.com/ebb-events/ebb/internal/kafkatest"
	"github.com/ebb-events/ebb/kafka"
)

// TestBrokerThatGoesAwayForAMinute has a service wait for its only broker, and
// go on without a restart. It is a minute only with -history; else it is just
// longer than the time-outs of groups and transactions.
func TestBrokerThatGoesAwayForAMinute(t *testing.T) {
	t.Run("embedded", func(t *testing.T) {
		t.Parallel()
		cfg := broker.Config{Addr: "127.0.0.1:0", Dir: t.TempDir()}
		b, err := broker.Start(cfg)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { b.Close() })
		cfg.Addr = b.Addr()
		outlive(t, cfg.Addr, cfg.Addr, true, func() { b.Close() }, func() error {
			b, err = broker.Start(cfg)
			return err
		})
	})
	t.Run("Apache Kafka", func(t *testing.T) {
		t.Parallel()
		// Out of reach, but not ended: a node that comes back alone may lose
		// what it was about to write, see docs/operating.md.
		direct := kafkatest.Start(t)
		p := newProxy(t, time.Hour, func(moment) bool { return true })
		front, err := p.addr(direct[0])
		if err != nil {
			t.Fatal(err)
		}
		outlive(t, front, direct[0], false, func() { p.cutOff(true) }, func() error {
			p.cutOff(false)
			return nil
		})
	})
}

// outlive has users and a service talk to a broker that goes away and comes
// back. direct is how the test reads its topics.
func outlive(t *testing.T, broker, direct string, local bool, goAway func(), comeBack func() error) {
	away := 12 * time.Second
	if *long > 0 {
		away = time.Minute
	}
	seeds := []string{broker}
	client, err := kafka.Open(kafka.Config{Seeds: seeds, Environment: "away", Embedded: local, Types: []string{typ}})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	users := &crowd{sender: client.Sender(), rest: 60 * time.Millisecond, sent: map[string]bool{}}
	p := &process{name: "service", env: environment(seeds, local, "away", t.TempDir()), hears: func(string) {}, log: &log{}}
	p.start(t)
	t.Cleanup(func() {
		p.kill()
		if t.Failed() {
			t.Logf("the service said:\n%s", p.log)
		}
	})
	pid := p.pid()
	seeds = []string{direct}

	ctx, end := context.WithCancel(t.Context())
	defer end()
	var all sync.WaitGroup
	all.Go(func() { users.run(ctx, *seed, 4) })
	topics, err := newReader(seeds, "away")
	if err != nil {
		t.Fatal(err)
	}
	defer topics.cl.Close()
	answered := 0
	for answered == 0 && sleep(ctx, 200*time.Millisecond) {
		h, _ := topics.look(ctx)
		answered = len(h.Replies)
	}
	goAway()
	sleep(ctx, away)
	if err := comeBack(); err != nil {
		t.Fatal(err)
	}
	back := time.Now()
	sleep(ctx, 2*time.Second) // in which there are more commands
	end()
	all.Wait()
	h := settled(t, seeds, "away", soon)
	h.Sent, h.Model = users.snapshot(), model
	t.Logf("%d replies before, %d afterwards, all within %v; sends refused: %d", answered, len(h.Replies)-answered, time.Since(back), users.refused)
	if len(h.Replies) <= answered || users.refused == 0 {
		t.Error("the broker was not away, or nothing came after it")
	}
	p.check(t)
	if got := p.pid(); got != pid {
		t.Errorf("the service has pid %d, want %d still", got, pid)
	}
	if err := h.Check(); err != nil {
		t.Error(err)
	}
}
