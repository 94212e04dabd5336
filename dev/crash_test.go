package dev_test

import (
	"flag"
	"fmt"
	"syscall"
	"testing"

	"github.com/google/uuid"

	"github.com/ebb-events/ebb/internal/kafkatest"
)

var kills = flag.Int("kills", 5, "how often TestKillRightAfter202 kills; a fifth of it on Apache Kafka, where each takes 10 s")

// TestKillRightAfter202: what was accepted arrives, once, at a client that
// comes back with its last cursor.
func TestKillRightAfter202(t *testing.T) {
	t.Run("embedded", func(t *testing.T) { killAndResume(t, *kills) })
	t.Run("Apache Kafka", func(t *testing.T) { killAndResume(t, *kills/5, "--kafka", kafkatest.Start(t)[0]) })
}

func killAndResume(t *testing.T, times int, flags ...string) {
	data := t.TempDir()
	ann := start(t, data, flags...).login("ann")
	stream := ann.open("")
	stream.own("ebb.hello")
	for i := range times {
		stream.reply(ann.send(uuid.NewString(), map[string]any{"_command": "create", "title": fmt.Sprintf("seen %d", i)}).Corr)
		stream.cut()

		accepted := ann.send(uuid.NewString(), map[string]any{"_command": "create", "title": "accepted"})
		_ = ann.end(syscall.SIGKILL)
		ann.system = start(t, data, flags...)
		stream = ann.open(stream.lastID)
		stream.own("ebb.hello")
		stream.reply(accepted.Corr)
	}
	// Nothing came twice, and nothing took effect that was not heard of.
	stream.reply(ann.send(uuid.NewString(), map[string]any{"_command": "create", "title": "the last"}).Corr)
	tasks := ann.list()
	if len(tasks) != 2*times+1 {
		t.Errorf("%d tasks, want %d", len(tasks), 2*times+1)
	}
	for _, task := range tasks {
		if task["_seq"] != 0.0 {
			t.Errorf("%v has more than one event", task)
		}
	}
}
