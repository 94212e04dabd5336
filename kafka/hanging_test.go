package kafka_test

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/ebb-events/ebb"
	"github.com/ebb-events/ebb/kafka"
)

// lines hands over what is logged.
type lines chan string

func (l lines) Write(b []byte) (int, error) {
	l <- string(b)
	return len(b), nil
}

func TestTransactionThatDoesNotEndIsLogged(t *testing.T) {
	b := onEmbedded(t)
	said := make(lines, 100)
	cfg := b.config()
	cfg.Log = slog.New(slog.NewTextHandler(said, nil))
	c, err := kafka.OpenHasty(cfg, 200*time.Millisecond, time.Second)
	b.must(err)
	defer c.Close()
	cmds := c.Commands(typ, "s"+b.env)
	defer cmds.Close()
	b.must(b.open().Prepare(b.in(), ebb.Aggregates))
	open := b.transaction(false, &kgo.Record{Topic: b.topic(ebb.Aggregates), Partition: 7, Key: []byte("k"), Value: []byte(`{}`)})

	done := make(chan error, 1)
	go func() {
		_, err := cmds.Restore(b.in(), 7, func(ebb.Record) {})
		done <- err
	}()
	for line := ""; !strings.Contains(line, "does not end"); {
		select {
		case line = <-said:
		case err := <-done:
			t.Fatalf("restoring ended with %v", err)
		case <-b.in().Done():
			t.Fatal("nothing was logged")
		}
	}
	b.must(open.EndTransaction(b.in(), kgo.TryCommit))
	b.must(<-done)
}
