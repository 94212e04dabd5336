package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/ebb-events/ebb/internal/broker"
)

const (
	taskID = "0d9c1c5a-7d5a-4f6e-9a57-0123456789ab"
	task   = "/api/board/task/" + taskID
	create = `{"_command": "create", "title": "Milk"}`
)

// user is somebody logged in to a running ebb dev, with an open stream.
type user struct {
	*program
	t      *testing.T
	token  string
	stream *stream
}

// startUser starts ebb dev and logs in.
func startUser(t *testing.T, flags ...string) user {
	t.Helper()
	p, err := startDev(t.TempDir(), clean(), flags...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.kill)
	u := user{program: p, t: t}
	if u.token, err = p.login(t.Context(), "ann"); err != nil {
		t.Fatal(err)
	}
	if u.stream, err = p.stream(t.Context(), u.token); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { u.stream.body.Close() })
	return u
}

// send sends a command and returns the answer, and its body.
func (u user) send(method, path, body string, edit ...func(*http.Request)) (*http.Response, map[string]any) {
	u.t.Helper()
	r, err := http.NewRequestWithContext(u.t.Context(), method, u.base()+path, strings.NewReader(body))
	if err != nil {
		u.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+u.token)
	for _, e := range edit {
		e(r)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		u.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		u.t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(text, &got); err != nil {
		u.t.Errorf("%s: %v in %s", resp.Status, err, text)
	}
	return resp, got
}

// events returns the _corr of the stream's events, up to one.
func (u user) events(last string) (all []string) {
	u.t.Helper()
	late := time.AfterFunc(patience, func() { u.stream.body.Close() })
	defer late.Stop()
	for {
		e, err := u.stream.Next()
		if err != nil {
			u.t.Fatalf("stream: %v; got %q, not %q", err, all, last)
		}
		var reply struct {
			Corr string `json:"_corr"`
		}
		if e.Name != "" || json.Unmarshal(e.Data, &reply) != nil {
			continue
		}
		if all = append(all, reply.Corr); reply.Corr == last {
			return all
		}
	}
}

// kafkaClient returns a client of the running ebb dev's broker.
func (u user) kafkaClient(opts ...kgo.Opt) *kgo.Client {
	u.t.Helper()
	cl, err := kgo.NewClient(append(opts, kgo.SeedBrokers(u.addr["kafka"]),
		kgo.MetadataMinAge(50*time.Millisecond), kgo.MetadataMaxAge(100*time.Millisecond))...)
	if err != nil {
		u.t.Fatal(err)
	}
	u.t.Cleanup(cl.Close)
	return cl
}

// ends returns how many records there are of the task board, by topic and
// partition, and the names of all topics.
func ends(t *testing.T, cl *kgo.Client) (records map[string]int64, topics []string) {
	t.Helper()
	adm := kadm.NewClient(cl)
	all, err := adm.ListTopics(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got, err := adm.ListEndOffsets(t.Context(), slices.DeleteFunc(all.Names(), func(name string) bool {
		return !strings.HasPrefix(name, "board-task-")
	})...)
	if err != nil {
		t.Fatal(err)
	}
	records = map[string]int64{}
	got.Each(func(o kadm.ListedOffset) { records[fmt.Sprint(o.Topic, " ", o.Partition)] = o.Offset })
	return records, all.Names()
}

func TestBadInputIsRefusedAndNotOnKafka(t *testing.T) {
	u := startUser(t)
	cl := u.kafkaClient()
	before, topicsBefore := ends(t, cl)
	if len(before) == 0 {
		t.Fatal("no topics of the task board")
	}
	long := func(n int) string { return `{"_command": "create", "title": "` + strings.Repeat("x", n) + `"}` }
	header := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	tests := []struct {
		name               string
		method, path, body string
		edit               func(*http.Request)
		status             int
		detail             string // some of it
	}{
		{"not JSON", "POST", task, `{"_command": "create"`, nil, 400, "not a JSON object"},
		{"nothing", "POST", task, "", nil, 400, "not a JSON object"},
		{"two objects", "POST", task, create + create, nil, 400, "not a JSON object"},
		{"a list", "POST", task, "[" + create + "]", nil, 400, "not a JSON object"},
		{"a string", "POST", task, `"create"`, nil, 400, "not a JSON object"},
		{"null", "POST", task, "null", nil, 400, "not a JSON object"},
		{"not UTF-8", "POST", task, "{\"_command\": \"create\", \"title\": \"\xff\"}", nil, 400, "not UTF-8"},
		{"a name twice", "POST", task, `{"_command": "create", "_command": "delete"}`, nil, 400, `"_command" occurs twice`},
		{"not said to be JSON", "POST", task, create, header("Content-Type", "text/plain"), 415, "must be application/json"},
		{"compressed", "POST", task, create, header("Content-Encoding", "gzip"), 415, "must not be compressed"},
		{"over 1 MiB", "POST", task, long(1 << 20), nil, 413, "too large"},
		{"far over 1 MiB", "POST", task, long(8 << 20), nil, 413, "too large"},
		{"under 1 MiB, and too large for Kafka", "POST", task, long(1<<20 - 100), nil, 413, "too large"},
		{"an id that is no UUID", "POST", "/api/board/task/7", create, nil, 400, "id in the path is not a UUID"},
		{"an id that is no UUID, deleted", "DELETE", "/api/board/task/7", "", nil, 400, "id in the path is not a UUID"},
		{"an id with more behind it", "POST", task + "x", create, nil, 400, "id in the path is not a UUID"},
		{"no id", "POST", "/api/board/task", create, nil, 405, "no such method"},
		{"an unknown type", "POST", "/api/board/tusk/" + taskID, create, nil, 404, ""},
		{"an unknown app", "POST", "/api/broad/task/" + taskID, create, nil, 404, ""},
		{"no type", "POST", "/api/board/ta%20sk/" + taskID, create, nil, 404, ""},
		{"another _id", "POST", task, `{"_command": "create", "_id": "1d9c1c5a-7d5a-4f6e-9a57-0123456789ab"}`, nil, 400, "_id differs from the path"},
		{"an _id that is a number", "POST", task, `{"_command": "create", "_id": 7}`, nil, 400, "_id differs from the path"},
		{"another _type", "POST", task, `{"_command": "create", "_type": "board-list"}`, nil, 400, "_type differs from the path"},
		{"no _command", "POST", task, `{"title": "Milk"}`, nil, 400, "_command must be a string of 1 to 200 bytes"},
		{"another _command than the method", "PUT", task, create, nil, 400, `_command must be "put"`},
		{"an unknown reserved field", "POST", task, `{"_command": "create", "_admin": true}`, nil, 400, `"_admin" is a reserved name`},
		{"an _acl", "POST", task, `{"_command": "create", "_acl": {}}`, nil, 400, "_acl cannot be set"},
		{"a patch that is none", "PATCH", task, create, nil, 400, "A PATCH is a JSON Patch"},
		{"a patch of who may read", "PATCH", task, `[{"op": "remove", "path": "/_acl"}]`, nil, 400, `is reserved: "_acl"`},
		{"a patch of everything", "PATCH", task, `[{"op": "replace", "path": "", "value": {}}]`, nil, 400, "is the whole document"},
		{"a parameter that there is not", "GET", task + "?colum=todo", "", nil, 400, `no parameter "colum"`},
		{"a method that is none", "PROPFIND", task, create, nil, 405, "no such method"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			edit := tt.edit
			if edit == nil {
				edit = func(*http.Request) {}
			}
			resp, got := u.send(tt.method, tt.path, tt.body, edit)
			detail, _ := got["detail"].(string)
			if resp.StatusCode != tt.status || detail == "" || !strings.Contains(detail, tt.detail) {
				t.Errorf("got %d %q, want %d %q", resp.StatusCode, detail, tt.status, tt.detail)
			}
			if media := resp.Header.Get("Content-Type"); media != "application/problem+json" || got["status"] != float64(tt.status) {
				t.Errorf("got %s with status %v", media, got["status"])
			}
		})
	}

	after, topicsAfter := ends(t, cl)
	if !maps.Equal(before, after) || !slices.Equal(topicsBefore, topicsAfter) {
		t.Errorf("Kafka has %v in %v, had %v in %v", after, topicsAfter, before, topicsBefore)
	}
	if resp, got := u.send("POST", task, create); resp.StatusCode != 202 {
		t.Errorf("a good command: got %d %v", resp.StatusCode, got)
	} else {
		u.events(got["_corr"].(string))
	}
	if after, _ := ends(t, cl); maps.Equal(before, after) {
		t.Error("a good command is not on Kafka either")
	}
}

func TestGarbageOnAReplyTopicIsPutAside(t *testing.T) {
	const topic, dead = "board-task-reply", "board-task-reply-dead"
	u := startUser(t)
	cl := u.kafkaClient(kgo.ConsumeTopics(dead), kgo.DefaultProduceTopic(topic))
	garbage := map[string]bool{"": true, "garbage": true, "[1]": true, `{"_jwt": "ann"`: true, "\x1f\x8bgarbage": true, "\xff": true}
	for value := range garbage {
		if err := cl.ProduceSync(t.Context(), kgo.KeySliceRecord([]byte(taskID), []byte(value))).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	resp, got := u.send("POST", task, create)
	if resp.StatusCode != 202 {
		t.Fatalf("got %d %v", resp.StatusCode, got)
	}
	if all := u.events(got["_corr"].(string)); len(all) != 1 {
		t.Errorf("got %d events, want one", len(all))
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for len(garbage) > 0 {
		f := cl.PollFetches(ctx)
		if err := f.Err0(); err != nil {
			t.Fatalf("%v; not on %s: %q", err, dead, slices.Collect(maps.Keys(garbage)))
		}
		f.EachRecord(func(r *kgo.Record) {
			said := map[string]string{}
			for _, h := range r.Headers {
				said[h.Key] = string(h.Value)
			}
			if !garbage[string(r.Value)] || said["topic"] != topic || said["partition"] == "" || said["offset"] == "" || said["reason"] == "" {
				t.Errorf("got %q %v", r.Value, said)
			}
			delete(garbage, string(r.Value))
		})
	}
}

// TestBrokerAway is P1: a 202 only for what is on the broker, and no restart of
// ours once it is back.
func TestBrokerAway(t *testing.T) {
	cfg := broker.Config{Dir: t.TempDir(), Addr: "127.0.0.1:0"}
	b, err := broker.Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { b.Close() }()
	cfg.Addr = b.Addr()
	u := startUser(t, "--kafka", cfg.Addr)

	rename := func(corr string) (*http.Response, map[string]any) {
		return u.send("POST", task, fmt.Sprintf(`{"_command": "rename", "_corr": %q, "title": %[1]q}`, corr))
	}
	if resp, got := u.send("POST", task, `{"_command": "create", "_corr": "first", "title": "Milk"}`); resp.StatusCode != 202 {
		t.Fatalf("got %d %v", resp.StatusCode, got)
	}
	u.events("first")

	b.Close()
	began := time.Now()
	resp, got := rename("away")
	if resp.StatusCode != 503 || resp.Header.Get("Retry-After") == "" || resp.Header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("got %d %v %v", resp.StatusCode, resp.Header, got)
	}
	if took := time.Since(began); took > 8*time.Second {
		t.Errorf("took %v to say so", took)
	}
	if detail, _ := got["detail"].(string); !strings.Contains(detail, "Send it again with the same _corr") {
		t.Errorf("got %q", detail)
	}

	if b, err = broker.Start(cfg); err != nil {
		t.Fatal(err)
	}
	accepted := map[string]int{} // how often its event came
	last := ""
	for deadline := time.Now().Add(patience); len(accepted) < 3; {
		corr := fmt.Sprintf("back-%d", len(accepted))
		resp, got := rename(corr) // again with the same _corr, as told
		switch {
		case resp.StatusCode == 202:
			accepted[corr], last = 0, corr
		case resp.StatusCode != 503 || time.Now().After(deadline):
			t.Fatalf("got %d %v", resp.StatusCode, got)
		}
	}
	for _, corr := range u.events(last) {
		accepted[corr]++
	}
	for corr, n := range accepted {
		if n != 1 && corr != "away" {
			t.Errorf("%d events of %s, want one", n, corr)
		}
	}
}

func TestSilentBrokerDoesNotDelayTheEnd(t *testing.T) {
	far := startUser(t)
	u := startUser(t, "--kafka", far.addr["kafka"])
	if err := far.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if err := u.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case <-u.ended:
	case <-time.After(patience):
		t.Fatal("it did not end")
	}
	if took := time.Since(began); took > 5*time.Second || u.cmd.ProcessState.ExitCode() != 0 {
		t.Errorf("%v after %v", u.cmd.ProcessState, took)
	}
}
