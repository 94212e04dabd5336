package dev_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/google/uuid"

	"github.com/ebb-events/ebb/internal/broker"
	"github.com/ebb-events/ebb/internal/kafkatest"
	"github.com/ebb-events/ebb/internal/logtest"
	"github.com/ebb-events/ebb/sse"
)

var (
	chaos         = flag.Duration("chaos", 6*time.Second, "how long TestChaos kills processes")
	chaosEmbedded = flag.Bool("chaos-embedded", false, "let TestChaos go on on the embedded broker, whose groups take longer to notice the dead")
)

// TestChaos runs every part as a process of its own and kills them at random
// while users send commands and hold streams. In the end every accepted command
// has had one effect and its answer, and every stream was a prefix of its log.
func TestChaos(t *testing.T) {
	t.Run("Apache Kafka", func(t *testing.T) { ruin(t, kafkatest.Start(t)[0]) })
	if *chaosEmbedded {
		t.Run("embedded", func(t *testing.T) {
			b, err := broker.Start(broker.Config{Addr: "127.0.0.1:0", Dir: t.TempDir()})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { b.Close() })
			ruin(t, b.Addr())
		})
	}
}

func ruin(t *testing.T, kafka string) {
	town := newTown(t, kafka)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()

	const people = 6
	folk := make([]*person, people)
	var hearing, acting sync.WaitGroup
	acts, rest := context.WithCancel(ctx)
	for i := range folk {
		p := &person{town: town, name: fmt.Sprintf("user %d", i), heard: map[string]message{}, tasks: map[string]message{}}
		p.token = town.token(p.name)
		folk[i] = p
		hearing.Go(func() { p.hear(ctx) })
		acting.Go(func() { p.act(acts) })
	}
	kills := town.torment(*chaos)
	rest()
	acting.Wait()

	deadline, cancel := context.WithTimeout(ctx, 4*soon)
	defer cancel()
	for _, p := range folk {
		if missing := p.await(deadline); len(missing) > 0 {
			t.Errorf("%s never heard the answers to %v", p.name, missing)
		}
	}
	stop()
	hearing.Wait()
	commands := 0
	for _, p := range folk {
		p.check(t)
		commands += len(p.sent)
	}
	t.Logf("%d commands of %d users through %v", commands, people, kills)
	if commands < 20*people {
		t.Errorf("only %d commands got through", commands)
	}
	if t.Failed() {
		t.Logf("the parts said:\n%s", &town.logs)
	}
}

// town is the parts, each a process that can be killed and started again.
type town struct {
	t       *testing.T
	secret  []byte
	gateway string
	parts   []*part
	logs    logtest.Text
}

type part struct {
	name string
	args []string
	cmd  *exec.Cmd
}

// newTown starts the parts, all of them with those flags too.
func newTown(t *testing.T, kafka string, flags ...string) *town {
	secret := func(name string) []byte { // none that is weak
		sum := sha256.Sum256([]byte("chaos " + name))
		return sum[:]
	}
	w := &town{t: t, secret: secret("jwt")}
	dir := t.TempDir()
	key := func(name string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(hex.EncodeToString(secret(name))), 0o600); err != nil {
			t.Fatal(err)
		}
		return "file:" + path
	}
	grip := key("grip")
	w.gateway = freeAddr(t)
	edge := freeAddr(t)
	w.parts = []*part{
		{name: "gateway", args: []string{"--addr", w.gateway, "--edge-url", "http://" + edge, "--types", "board-task", "--user-commands", "0", "--user-opens", "0",
			"--jwt-key", key("jwt"), "--ticket-key", key("ticket"), "--grip-key", grip}},
		{name: "edge", args: []string{"--addr", edge, "--control-addr", "127.0.0.1:0", "--origin", "http://" + w.gateway, "--grip-key", grip, "--window", "1"}},
		{name: "connector", args: []string{"--types", "board-task"}},
		{name: "connector", args: []string{"--types", "board-task"}},
		{name: "demo"}, {name: "demo"},
	}
	for _, p := range w.parts {
		p.args = append(append([]string{p.name, "--kafka", kafka, "--admin-addr", "127.0.0.1:0"}, p.args...), flags...)
		w.start(p)
	}
	t.Cleanup(func() {
		for _, p := range w.parts {
			_ = p.cmd.Process.Kill()
			_ = p.cmd.Wait()
		}
	})
	return w
}

func (w *town) start(p *part) {
	p.cmd = exec.Command(ebb, p.args...)
	p.cmd.Stderr = &w.logs
	if err := p.cmd.Start(); err != nil {
		w.t.Error(err)
	}
}

// torment kills and starts parts for a while. Those of a group come back to
// their share of the work only after ten seconds, so one of two is spared.
func (w *town) torment(d time.Duration) map[string]int {
	kills := map[string]int{}
	over := time.After(d)
	for {
		select {
		case <-over:
			return kills
		case <-time.After(200*time.Millisecond + rand.N(600*time.Millisecond)):
		}
		p := w.parts[rand.N(len(w.parts))]
		_ = p.cmd.Process.Kill()
		_ = p.cmd.Wait()
		w.start(p)
		kills[p.name]++
	}
}

func (w *town) token(user string) string {
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: w.secret}, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	token, err := jwt.Signed(signer).Claims(jwt.Claims{Subject: user, Expiry: jwt.NewNumericDate(time.Now().Add(time.Hour))}).Serialize()
	if err != nil {
		w.t.Fatal(err)
	}
	return token
}

// person is a user with a stream, and with commands that are sent until they
// are accepted.
type person struct {
	*town
	name, token string
	attached    atomic.Bool // once

	mu     sync.Mutex
	sent   []string           // _corr of what was accepted
	heard  map[string]message // the first answer to each
	tasks  map[string]message // the latest of each, as the stream tells it
	wrong  []string           // what must not be
	lastID string
}

// act creates a task and renames it, again and again.
func (p *person) act(ctx context.Context) {
	for !p.attached.Load() && ctx.Err() == nil { // a first stream begins with what comes after its hello
		pause(ctx, 10*time.Millisecond)
	}
	id := uuid.NewString()
	for n := 0; ctx.Err() == nil; n++ {
		command := map[string]any{"_command": "rename", "title": fmt.Sprint(n), "_corr": uuid.NewString()}
		if n%10 == 0 {
			id = uuid.NewString()
			command["_command"] = "create"
		}
		body, _ := json.Marshal(command)
		// To the end, for one that is given up may still arrive, after all was heard.
		for begun := time.Now(); !p.post(ctx, id, body); pause(p.t.Context(), 50*time.Millisecond) {
			if time.Since(begun) > 2*soon {
				p.complain("%s is not accepted", command["_corr"])
				return
			}
		}
		p.mu.Lock()
		p.sent = append(p.sent, command["_corr"].(string))
		p.mu.Unlock()
		pause(ctx, 20*time.Millisecond)
	}
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

func (p *person) request(ctx context.Context, method, url string, body io.Reader) *http.Request {
	req, err := http.NewRequestWithContext(ctx, method, url, body)
	if err != nil {
		panic(err)
	}
	req.Header.Set("Authorization", "Bearer "+p.token)
	return req
}

func (p *person) post(ctx context.Context, id string, body []byte) (accepted bool) {
	req := p.request(context.WithoutCancel(ctx), "POST", "http://"+p.gateway+"/api/board/task/"+id, bytes.NewReader(body))
	req.Header.Set("Content-Type", "application/json")
	resp, err := client.Do(req)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	if resp.StatusCode < 500 && resp.StatusCode != http.StatusAccepted {
		p.complain("a command got %s", resp.Status)
	}
	return resp.StatusCode == http.StatusAccepted
}

// hear holds a stream, through every cut.
func (p *person) hear(ctx context.Context) {
	for ctx.Err() == nil {
		_ = p.listen(ctx)
		pause(ctx, 30*time.Millisecond)
	}
}

func (p *person) listen(ctx context.Context) error {
	resp, err := client.Do(p.request(ctx, "GET", "http://"+p.gateway+"/api/sse", nil))
	if err != nil {
		return err
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusTemporaryRedirect {
		return errors.New(resp.Status)
	}
	req, err := http.NewRequestWithContext(ctx, "GET", resp.Header.Get("Location"), nil)
	if err != nil {
		return err
	}
	req.Header.Set("Accept", sse.ContentType)
	if p.lastID != "" {
		req.Header.Set("Last-Event-ID", p.lastID)
	}
	if resp, err = http.DefaultTransport.RoundTrip(req); err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		p.complain("a stream got %s", resp.Status)
	}
	for r := sse.NewReader(resp.Body); ; {
		e, err := r.Next()
		if err != nil {
			return err
		}
		if e.ID != "" {
			p.lastID = e.ID
			p.attached.Store(true)
		}
		p.take(e)
	}
}

// take checks one event against all before it.
func (p *person) take(e sse.Event) {
	if e.Name == "ebb.reset" {
		p.complain("reset %s", e.Data)
	}
	if e.Name != "" {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	var m message
	if err := json.Unmarshal(e.Data, &m); err != nil {
		p.wrong = append(p.wrong, "no JSON")
		return
	}
	corr, _ := m["_corr"].(string)
	id, _ := m["_id"].(string)
	before, again := p.heard[corr]
	switch outcome := m["_outcome"]; {
	case outcome == "duplicate" && (again || p.tasks[id] != nil): // sent again without an answer in between
	case outcome != "applied":
		p.wrong = append(p.wrong, fmt.Sprintf("%s was %v", corr, outcome))
	case again:
		p.wrong = append(p.wrong, fmt.Sprintf("%s came twice: %v and %v", corr, before["_seq"], m["_seq"]))
	default:
		want := 0.0
		if task := p.tasks[id]; task != nil {
			want = task["_seq"].(float64) + 1
		}
		if m["_seq"] != want {
			p.wrong = append(p.wrong, fmt.Sprintf("task %s has event %v, want %v", id, m["_seq"], want))
		}
		p.tasks[id] = m
	}
	p.heard[corr] = m
}

func (p *person) complain(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wrong = append(p.wrong, fmt.Sprintf(format, args...))
}

// await waits until everything that was accepted is answered, and returns what
// is not.
func (p *person) await(ctx context.Context) (missing []string) {
	look := time.NewTicker(50 * time.Millisecond)
	defer look.Stop()
	for {
		p.mu.Lock()
		missing = slices.DeleteFunc(slices.Clone(p.sent), func(corr string) bool { return p.heard[corr] != nil })
		p.mu.Unlock()
		if len(missing) == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return missing
		case <-look.C:
		}
	}
}

// check holds what the stream told against what can be read.
func (p *person) check(t *testing.T) {
	t.Helper()
	for _, wrong := range p.wrong {
		t.Errorf("%s: %s", p.name, wrong)
	}
	var items []message
	for next := "/api/board/task?fresh&limit=10"; next != ""; {
		var page struct {
			Items []message
			Next  string
		}
		if err := json.Unmarshal(p.read(t, next), &page); err != nil {
			t.Fatal(err)
		}
		items, next = append(items, page.Items...), page.Next
	}
	p.compare(t, items)
}

// read waits until the gateway answers.
func (p *person) read(t *testing.T, path string) []byte {
	t.Helper()
	for deadline := time.Now().Add(soon); ; pause(t.Context(), 100*time.Millisecond) {
		resp, err := client.Do(p.request(t.Context(), "GET", "http://"+p.gateway+path, nil))
		if err == nil {
			var body []byte
			body, err = io.ReadAll(resp.Body)
			resp.Body.Close()
			if err == nil && resp.StatusCode == http.StatusOK {
				return body
			}
			err = errors.Join(err, errors.New(resp.Status))
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s cannot read %s: %v", p.name, path, err)
		}
	}
}

func (p *person) compare(t *testing.T, items []message) {
	t.Helper()
	left := maps.Clone(p.tasks)
	for _, item := range items {
		id := item["_id"].(string)
		told := left[id]
		delete(left, id)
		if told == nil || told["title"] != item["title"] || told["_seq"] != item["_seq"] {
			t.Errorf("%s: task %s is %v %v, and the stream told %v %v", p.name, id, item["_seq"], item["title"], told["_seq"], told["title"])
		}
	}
	for id := range left {
		t.Errorf("%s: task %s is not there", p.name, id)
	}
}
