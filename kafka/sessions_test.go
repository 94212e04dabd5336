package kafka_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/ebb-events/ebb/internal/broker"
	"github.com/ebb-events/ebb/kafka"
	"github.com/ebb-events/ebb/session"
)

// sessions follows the topic until the test ends.
func (b *bench) sessions(s *kafka.Sessions) <-chan session.Batch {
	out := make(chan session.Batch, 100)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Follow(ctx, func(batch session.Batch) { out <- batch }) }()
	b.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			b.Error(err)
		}
	})
	return out
}

// readTo reads up to an offset.
func (b *bench) readTo(batches <-chan session.Batch, next int64) (got []session.Entry) {
	b.Helper()
	for {
		select {
		case batch := <-batches:
			got = append(got, batch.Entries...)
			if batch.Next == next {
				return got
			}
		case <-b.in().Done():
			b.Fatalf("got %d records, want up to %d", len(got), next)
		}
	}
}

func TestSessionsAreReadWholeThenOn(t *testing.T) {
	onBoth(t, func(b *bench) {
		s := b.open().Sessions()
		var want []session.Record
		tell := func() {
			r := session.Record{Kind: session.Revoke, User: fmt.Sprint("user-", len(want))}
			want = append(want, r)
			at, err := s.Append(b.in(), r)
			if b.must(err); at.Next != int64(len(want)) || at.Life == (session.Life{}) {
				b.Errorf("got %v behind record %d", at, len(want))
			}
		}
		for range 20 {
			tell()
		}
		batches := b.sessions(b.open().Sessions())
		first := <-batches
		if first.Next != 0 || first.High != 20 || len(first.Entries) != 0 {
			b.Errorf("begins with %+v", first)
		}
		got := b.readTo(batches, 20)
		begun := time.Now()
		tell()
		got = append(got, b.readTo(batches, 21)...)
		if took := time.Since(begun); took > time.Second {
			b.Errorf("heard after %v, when a stream is to end within 2 s", took)
		} else {
			b.Logf("heard after %v", took)
		}
		for i, e := range got {
			if e.Record != want[i] || e.Offset != int64(i) || e.Time.IsZero() {
				b.Errorf("got %+v, want %+v at %d", e, want[i], i)
			}
		}
		if len(got) != len(want) {
			b.Errorf("got %d records, want %d", len(got), len(want))
		}
	})
}

func TestWhatIsNoRecordOfASessionIsPassed(t *testing.T) {
	b := onEmbedded(t)
	s := b.open().Sessions()
	_, err := s.Append(b.in(), session.Record{Kind: session.Revoke, User: "ann"})
	b.must(err)
	b.must(b.admin.ProduceSync(b.in(), &kgo.Record{Topic: "ebb-sessions-" + b.env, Value: []byte("{")}).FirstErr())
	_, err = s.Append(b.in(), session.Record{Kind: session.Revoke, User: "bob"})
	b.must(err)
	got := b.readTo(b.sessions(s), 3)
	if !slices.EqualFunc(got, []string{"ann", "bob"}, func(e session.Entry, user string) bool { return e.User == user }) {
		t.Errorf("got %+v", got)
	}
}

// TestSessionTopicThatForgetsIsRefused: in one line, that says what to set.
func TestSessionTopicThatForgetsIsRefused(t *testing.T) {
	for _, tt := range []struct {
		partitions  int32
		name, value string
		want        string
	}{
		{12, "retention.ms", "-1", "12 partitions"},
		{1, "retention.ms", "3600000", "set its retention.ms"},
		{1, "cleanup.policy", "compact", "set its cleanup.policy"}, // which the embedded broker does not do
		{1, "retention.ms", "-1", ""},
	} {
		b := onEmbedded(t)
		if tt.value == "compact" {
			b = onApache(t)
		}
		_, err := kadm.NewClient(b.admin).CreateTopic(b.in(), tt.partitions, 1, map[string]*string{tt.name: &tt.value}, "ebb-sessions-"+b.env)
		b.must(err)
		c := b.open()
		err = c.Prepare(b.in(), kafka.SessionLog)
		if tt.want == "" {
			b.must(err)
			continue
		}
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s=%s with %d partitions: got %v", tt.name, tt.value, tt.partitions, err)
		}
		if _, err := c.Sessions().Append(b.in(), session.Record{Kind: session.Revoke, User: "ann"}); err == nil {
			t.Errorf("%s=%s: a revocation was taken", tt.name, tt.value)
		}
	}
}

// TestRevocationsOutliveTheEmbeddedBroker: another process on its directory
// knows them, and which sessions began before.
func TestRevocationsOutliveTheEmbeddedBroker(t *testing.T) {
	dir := t.TempDir()
	var before session.Place
	for n := range int64(3) {
		broke, err := broker.Start(broker.Config{Addr: "127.0.0.1:0", Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		b := newBench(t, []string{broke.Addr()}, true)
		b.env = "lasting"
		c := b.open()
		var book session.Book
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() { ended <- c.Sessions().Follow(ctx, func(batch session.Batch) { book.Apply(batch, nil) }) }()
		at, err := c.Sessions().Append(b.in(), session.Record{Kind: session.Revoke, User: "ann"})
		b.must(err)
		b.must(book.Wait(b.in(), at))
		if at.Next != n+1 || n > 0 && (at.Life != before.Life || !book.Revoked("ann", "s", before)) || book.Revoked("ann", "s", at) {
			t.Errorf("start %d: at %v, before %v", n, at, before)
		}
		before = at
		cancel()
		b.must(<-ended)
		c.Close()
		b.must(broke.Close())
	}
}
