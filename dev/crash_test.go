package dev_test

import (
	"flag"
	"fmt"
	"syscall"
	"testing"

	"github.com/google/uuid"
)

var kills = flag.Int("kills", 5, "how often TestKillRightAfter202 kills")

// TestKillRightAfter202: what was accepted arrives, once, at a client that
// comes back with its last cursor.
func TestKillRightAfter202(t *testing.T) {
	data := t.TempDir()
	s := start(t, data)
	ann := s.login("ann")
	stream := ann.open("")
	stream.own("ebb.hello")
	for i := range *kills {
		stream.reply(ann.send(uuid.NewString(), map[string]any{"_command": "create", "title": fmt.Sprintf("seen %d", i)}).Corr)
		stream.cut()

		accepted := ann.send(uuid.NewString(), map[string]any{"_command": "create", "title": "accepted"})
		_ = s.end(syscall.SIGKILL)
		s = start(t, data)
		ann.system = s
		stream = ann.open(stream.lastID)
		stream.own("ebb.hello")
		stream.reply(accepted.Corr)
	}
}
