package dev_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/ebb-events/ebb/internal/kafkatest"
)

// TestRoundTrip goes through the twelve steps of the design, on the embedded
// broker and on Apache Kafka.
func TestRoundTrip(t *testing.T) {
	t.Run("embedded", func(t *testing.T) {
		s := start(t, t.TempDir())
		roundTrip(t, s, s.addrOf("kafka"))
	})
	t.Run("Apache Kafka", func(t *testing.T) {
		seeds := kafkatest.Start(t)
		roundTrip(t, start(t, t.TempDir(), "--kafka", seeds[0]), seeds[0])
	})
}

func roundTrip(t *testing.T, s *system, kafka string) {
	ann, bob := s.login("ann"), s.login("bob")

	// 1, 2: who is authenticated is sent to the edge, the user sealed.
	if resp := s.do("GET", s.api("/api/sse"), nil, nil); resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("without a token: %s", resp.Status)
	}
	resp := ann.do("GET", ann.api("/api/sse"), nil, ann.header())
	location := resp.Header.Get("Location")
	if resp.StatusCode != http.StatusTemporaryRedirect || resp.Header.Get("Cache-Control") != "no-store" ||
		!strings.HasPrefix(location, "http://"+s.addrOf("edge")+"/api/sse-setup?u=") || strings.Contains(location, "ann") {
		t.Errorf("redirect: %s to %s, %v", resp.Status, location, resp.Header)
	}

	// 3 to 6: the edge completes the stream. Nobody else can ask for set-up.
	setUp := strings.Replace(location, s.addrOf("edge"), s.addrOf("gateway"), 1)
	if resp := s.do("GET", setUp, nil, nil); resp.StatusCode != http.StatusForbidden {
		t.Errorf("set-up without the edge's signature: %s", resp.Status)
	}
	anns := ann.openAt(location, "")
	anns.own("ebb.hello")
	bobs := bob.open("")
	hello := bobs.own("ebb.hello")

	// 7, 8: a command is taken once Kafka has it.
	id := uuid.NewString()
	created := ann.send(id, map[string]any{"_command": "create", "title": "Draw the <picture> & frame it"})
	if created.ID != id || created.Corr == "" {
		t.Errorf("accepted %+v", created)
	}

	// 9 to 12: its effect comes back, to its sender alone.
	reply := anns.reply(created.Corr)
	want := message{"_id": id, "_type": "board-task", "_command": "create", "_outcome": "applied", "_seq": 0.0, "title": "Draw the <picture> & frame it", "column": "todo", "owner": "ann"}
	for field, value := range want {
		if reply[field] != value {
			t.Errorf("reply has %s %v, want %v", field, reply[field], value)
		}
	}
	if reply["_jwt"] != nil {
		t.Error("the sender's claims came to the browser")
	}
	for topic, fields := range map[string][]string{
		"board-task-command":   {"_command", "_corr", "_id", "_jwt", "_timestamp", "_type", "title"},
		"board-task-event":     {"_command", "_corr", "_id", "_jwt", "_ops", "_seq", "_timestamp", "_type"},
		"board-task-aggregate": {"_acl", "_corr", "_id", "_seq", "_type", "title"},
		"board-task-reply":     {"_command", "_corr", "_id", "_jwt", "_outcome", "_seq", "title"},
	} {
		record := find(t, kafka, topic, id)
		for _, field := range fields {
			if record[field] == nil {
				t.Errorf("%s has no %s: %v", topic, field, record)
			}
		}
	}

	// A share is heard by both; what bob could not see did not reach him.
	shared := ann.send(id, map[string]any{"_command": "share", "user": "bob"})
	anns.reply(shared.Corr)
	bobs.reply(shared.Corr)
	if got := bob.list(); len(got) != 1 || got[0]["_id"] != id || got[0]["_jwt"] != nil {
		t.Errorf("bob sees %v", got)
	}

	// What is wrong is answered, to the sender alone.
	wrong := bob.send(id, map[string]any{"_command": "rename", "title": strings.Repeat("x", 201)})
	if got := bobs.reply(wrong.Corr); got["_error"] != true || got["_outcome"] != "rejected" || got["errors"] == nil {
		t.Errorf("too long a title: %v", got)
	}
	renamed := bob.send(id, map[string]any{"_command": "rename", "title": "Hang it"})
	anns.reply(renamed.Corr)

	// Sent twice, it takes effect once and is answered twice.
	bobs.reply(renamed.Corr)
	bob.send(id, map[string]any{"_command": "rename", "title": "Hang it", "_corr": renamed.Corr})
	if got := bobs.reply(renamed.Corr); got["_outcome"] != "duplicate" || got["_seq"] != 2.0 {
		t.Errorf("the second time: %v", got)
	}

	// A stream that was cut goes on behind its last event, at once or later.
	bobs.cut()
	back := bob.open(hello.ID)
	back.own("ebb.hello")
	for _, corr := range []string{shared.Corr, wrong.Corr, renamed.Corr, renamed.Corr} {
		back.reply(corr)
	}
	direct := bob.openAt(bob.redirect().String()+"&cursor="+back.lastID, "")
	direct.own("ebb.hello")
	moved := ann.send(id, map[string]any{"_command": "move", "column": "done"})
	anns.reply(moved.Corr)
	back.reply(moved.Corr)
	direct.reply(moved.Corr)

	// The end is orderly, and streams are told.
	begun := time.Now()
	if err := s.end(syscall.SIGTERM); err != nil || time.Since(begun) > 5*time.Second {
		t.Errorf("ended with %v after %v", err, time.Since(begun))
	}
	if bye := anns.own("ebb.bye"); !strings.Contains(string(bye.Data), "draining") {
		t.Errorf("bye says %s", bye.Data)
	}
}

// find reads a topic from its start until a record has that key, and returns
// its value.
func find(t *testing.T, broker, topic, key string) message {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(broker), kgo.ConsumeTopics(topic),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	ctx, stop := context.WithTimeout(t.Context(), soon)
	defer stop()
	for {
		fetches := cl.PollFetches(ctx)
		if err := fetches.Err0(); err != nil {
			t.Fatalf("%s: %v", topic, err)
		}
		for _, r := range fetches.Records() {
			if string(r.Key) != key {
				continue
			}
			var m message
			if err := json.Unmarshal(r.Value, &m); err != nil {
				t.Fatalf("%s: %v", topic, err)
			}
			return m
		}
	}
}

func TestStateAndLoginsSurviveARestart(t *testing.T) {
	data := t.TempDir()
	s := start(t, data)
	ann := s.login("ann")
	first := ann.open("")
	first.own("ebb.hello")
	id := uuid.NewString()
	first.reply(ann.send(id, map[string]any{"_command": "create", "title": "Stay"}).Corr)
	if err := s.end(syscall.SIGINT); err != nil {
		t.Errorf("ended with %v", err)
	}

	ann.system = start(t, data)
	if tasks := ann.list(); len(tasks) != 1 || tasks[0]["title"] != "Stay" {
		t.Errorf("after the restart: %v", tasks)
	}
	second := ann.open(first.lastID)
	second.own("ebb.hello") // and no reset: the cursor still holds
	moved := ann.send(id, map[string]any{"_command": "move", "column": "doing"})
	if got := second.reply(moved.Corr); got["_seq"] != 1.0 {
		t.Errorf("the event after the restart: %v", got)
	}
}
