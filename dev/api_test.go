package dev_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// TestExamplesOfTheAPI runs docs/api.md as a reader would, and compares what
// comes with what it says.
func TestExamplesOfTheAPI(t *testing.T) {
	page, err := os.ReadFile("../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	s := start(t, t.TempDir())
	const mark = "@@ example"
	var script strings.Builder
	var commands []string
	var wants []string
	for n, block := range strings.Split(string(page), "```console\n") {
		if n == 0 {
			continue
		}
		block, _, _ = strings.Cut(block, "```")
		for line := range strings.Lines(strings.ReplaceAll(block, "127.0.0.1:8080", s.addrOf("gateway"))) {
			if command, ok := strings.CutPrefix(line, "$ "); ok {
				fmt.Fprintf(&script, "echo; echo '%s'\n%s", mark, command)
				commands, wants = append(commands, strings.TrimSpace(command)), append(wants, "")
			} else {
				wants[len(wants)-1] += line
			}
		}
	}
	if len(commands) < 10 {
		t.Fatalf("docs/api.md has %d examples", len(commands))
	}
	bash := exec.CommandContext(t.Context(), "bash", "-c", script.String())
	bash.Dir = t.TempDir()
	out, err := bash.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	got := strings.Split(strings.ReplaceAll(string(out), "\r", ""), mark+"\n")[1:]
	if len(got) != len(commands) {
		t.Fatalf("%d examples ran of %d:\n%s", len(got), len(commands), out)
	}
	for n, want := range wants {
		any := strings.ReplaceAll(regexp.QuoteMeta(strings.TrimSpace(want)), `\.\.\.`, `(?s:.*)`)
		if text := strings.TrimSpace(got[n]); !regexp.MustCompile(`^` + any + `$`).MatchString(text) {
			t.Errorf("$ %s\ngot\n%s\nwant\n%s", commands[n], text, want)
		}
	}
}

// TestCursorOfA202IsOldEnough: a stream that is opened there hears the answer,
// however late it is opened.
func TestCursorOfA202IsOldEnough(t *testing.T) {
	ann := start(t, t.TempDir()).login("ann")
	var cursors, corrs []string
	for n := range 10 {
		corr := fmt.Sprint("c", n)
		resp := ann.do("POST", ann.api("/api/board/task/"+uuid.NewString()), map[string]any{"_command": "create", "title": "t", "_corr": corr}, ann.header())
		var a struct{ Cursor string }
		if err := json.Unmarshal(resp.body, &a); err != nil || a.Cursor == "" {
			t.Fatalf("got %s %s, want a cursor", resp.Status, resp.body)
		}
		cursors, corrs = append(cursors, a.Cursor), append(corrs, corr)
	}
	for n, cursor := range cursors {
		stream := ann.openAt(ann.redirect().String()+"&cursor="+cursor, "")
		stream.own("ebb.hello") // and no reset
		for heard := map[any]bool{}; !heard[corrs[n]]; {
			var m message
			if err := json.Unmarshal(stream.next().Data, &m); err != nil {
				t.Fatal(err)
			}
			if heard[m["_corr"]] {
				t.Errorf("behind the cursor of %s came %v twice", corrs[n], m["_corr"])
			}
			heard[m["_corr"]] = true
		}
		stream.cut()
	}
}

// TestEndAnswersWhoWaits: a service that is slow costs nobody the 202.
func TestEndAnswersWhoWaits(t *testing.T) {
	s := start(t, t.TempDir())
	ann, id := s.login("ann"), uuid.NewString()
	cl, err := kgo.NewClient(kgo.SeedBrokers(s.addrOf("kafka")))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	if _, err := kadm.NewClient(cl).CreateTopic(t.Context(), 1, 1, nil, "shop-silent-command"); err != nil {
		t.Fatal(err)
	}
	answer := make(chan response)
	go func() {
		defer close(answer)
		h := ann.header()
		h.Set("Prefer", "wait=30")
		answer <- s.do("PUT", s.api("/api/shop/silent/"+id), map[string]any{"_corr": "1"}, h)
	}()
	find(t, s.addrOf("kafka"), "shop-silent-command", id)
	begun := time.Now()
	if err := s.end(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	if a, ok := <-answer; ok && a.StatusCode != http.StatusAccepted || time.Since(begun) > 10*time.Second {
		t.Errorf("got %s %s after %v", a.Status, a.body, time.Since(begun))
	}
}

// TestWhoMayDoWhat: the flags reach the gateway, and requests may wait.
func TestWhoMayDoWhat(t *testing.T) {
	s := start(t, t.TempDir(), "--deny-by-default", "--roles", "board-task.create=clerk;board-task.get=*")
	guest := s.login("guest")
	resp := s.do("POST", s.api("/dev/login"), map[string]any{"user": "ann", "roles": []string{"clerk"}}, nil)
	var login struct {
		Token string `json:"access_token"`
	}
	if err := json.Unmarshal(resp.body, &login); err != nil {
		t.Fatal(err)
	}
	ann := user{s, "ann", login.Token}
	wait := func(u user, method, command string) response {
		h := u.header()
		h.Set("Prefer", "wait=30")
		return s.do(method, s.api("/api/board/task/"+uuid.NewString()), map[string]any{"_command": command, "title": "t"}, h)
	}
	if resp := wait(ann, "POST", "create"); resp.StatusCode != http.StatusOK || !bytes.Contains(resp.body, []byte(`"applied"`)) || bytes.Contains(resp.body, []byte("_jwt")) {
		t.Errorf("ann creates: %s %s", resp.Status, resp.body)
	}
	for _, refused := range []response{wait(guest, "POST", "create"), wait(ann, "POST", "rename"), wait(ann, "PUT", "put")} {
		if refused.StatusCode != http.StatusForbidden || bytes.Contains(refused.body, []byte("clerk")) {
			t.Errorf("got %s %s", refused.Status, refused.body)
		}
	}
	if tasks := guest.list(); len(tasks) != 0 {
		t.Errorf("guest sees %v", tasks)
	}
	if tasks := ann.list(); len(tasks) != 1 {
		t.Errorf("ann sees %v", tasks)
	}
	metrics := s.do("GET", "http://"+s.addrOf("admin")+"/metrics", nil, nil)
	for _, line := range []string{`ebb_gateway_refused_total{reason="role"} 3`, `ebb_gateway_waits_total{outcome="answered"} 1`, `ebb_gateway_request_seconds_count{route="waiting",status="200"} 1`} {
		if !bytes.Contains(metrics.body, []byte(line)) {
			t.Errorf("the metrics have no %s", line)
		}
	}
}
