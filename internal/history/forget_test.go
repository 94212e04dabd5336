//go:build unix

package history_test

import (
	"context"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ebb-events/ebb/internal/broker"
	"github.com/ebb-events/ebb/internal/kafkatest"
	"github.com/ebb-events/ebb/kafka"
)

// TestGroupThatForgets has the group's offsets go back at every third commit,
// by as much as it likes, while services come and go: what they begin with is
// hardly ever right.
func TestGroupThatForgets(t *testing.T) {
	t.Run("embedded", func(t *testing.T) {
		t.Parallel()
		b, err := broker.Start(broker.Config{Addr: "127.0.0.1:0"})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { b.Close() })
		allowShortSessions(t, b.Addr())
		forget(t, []string{b.Addr()}, true)
	})
	t.Run("Apache Kafka", func(t *testing.T) {
		t.Parallel()
		forget(t, kafkatest.Start(t), false)
	})
}

func forget(t *testing.T, seeds []string, local bool) {
	const name = "forget"
	t.Logf("-history-seed %d", *seed)
	client, err := kafka.Open(kafka.Config{Seeds: seeds, Environment: name, Embedded: local, Types: []string{typ}})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	// Dead letters leave no position, so some would be put aside again.
	users := &crowd{sender: client.Sender(), rest: 60 * time.Millisecond, sent: map[string]bool{}, clean: true}
	said := &log{}
	var members []*process
	for i := range 3 {
		p := newProxy(t, session, func(moment) bool { return true })
		r := rand.New(rand.NewPCG(*seed, uint64(i)+3<<32))
		var mu sync.Mutex
		p.remembered = func(offset int64) int64 {
			mu.Lock()
			defer mu.Unlock()
			if r.IntN(3) > 0 {
				return offset
			}
			return r.Int64N(offset + 1)
		}
		addr, err := p.addr(seeds[0])
		if err != nil {
			t.Fatal(err)
		}
		m := &process{name: string(rune('a' + i)), env: environment([]string{addr}, local, name, t.TempDir()), hears: func(string) {}, log: said}
		m.start(t)
		t.Cleanup(m.kill)
		members = append(members, m)
	}
	ctx, end := context.WithTimeout(t.Context(), max(*long, 15*time.Second))
	defer end()
	var all sync.WaitGroup
	all.Go(func() { users.run(ctx, *seed, 4) })
	r := rand.New(rand.NewPCG(*seed, 4<<32))
	for sleep(ctx, time.Second+time.Duration(r.Int64N(int64(session)))) {
		m := members[r.IntN(len(members))]
		if r.IntN(2) == 0 {
			m.kill()
		} else {
			m.leave(t)
		}
		m.start(t)
	}
	all.Wait()
	h := settled(t, seeds, name, soon)
	h.Sent, h.Model = users.snapshot(), model
	for _, m := range members {
		m.check(t)
	}
	left := strings.Count(said.String(), "are left out")
	t.Logf("%d commands, %d replies, %d times commands were left out", len(h.Commands), len(h.Replies), left)
	if left == 0 {
		t.Error("the group forgot nothing")
	}
	if err := h.Check(); err != nil {
		t.Errorf("%v\n%s", err, said)
	}
}
