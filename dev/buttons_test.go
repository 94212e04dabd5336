package dev_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
)

// status is what GET /dev/status says.
type status struct {
	Edge, Broker string
	Back         int64
}

func (s *system) status() (now status) {
	s.t.Helper()
	resp := s.do("GET", s.api("/dev/status"), nil, nil)
	if err := json.Unmarshal(resp.body, &now); err != nil || resp.StatusCode != http.StatusOK {
		s.t.Fatalf("status: %s %s", resp.Status, resp.body)
	}
	return now
}

// becomes waits until the status is good.
func (s *system) becomes(what string, good func(status) bool) {
	s.t.Helper()
	begun := time.Now()
	for !good(s.status()) {
		if time.Since(begun) > soon {
			s.t.Fatalf("it is not %s, but %+v", what, s.status())
		}
		pause(s.t.Context(), 20*time.Millisecond)
	}
}

func allUp(s status) bool { return s == status{Edge: "up", Broker: "up"} }

// underLoad lets some users send commands and hold streams while something is
// done to the boxes. In the end each command has had one effect, and each
// stream has told it once.
func underLoad(t *testing.T, s *system, do func()) {
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	acts, rest := context.WithCancel(ctx)
	defer rest()
	var acting, hearing sync.WaitGroup
	var folk []*person
	for i := range 3 {
		name := fmt.Sprint("user ", i)
		p := &person{
			town: &town{t: t, gateway: s.addrOf("gateway")}, name: name, token: s.login(name).token,
			heard: map[string]message{}, tasks: map[string]message{},
		}
		folk = append(folk, p)
		hearing.Go(func() { p.hear(ctx) })
		acting.Go(func() { p.act(acts) })
	}
	busy := func(more int) { // until everybody has heard of so many more commands
		for _, p := range folk {
			p.mu.Lock()
			want := len(p.heard) + more
			p.mu.Unlock()
			for begun, n := time.Now(), 0; n < want && time.Since(begun) < 2*soon; pause(ctx, 10*time.Millisecond) {
				p.mu.Lock()
				n = len(p.heard)
				p.mu.Unlock()
			}
		}
	}
	busy(10)
	do()
	busy(10)
	rest()
	acting.Wait()
	deadline, cancel := context.WithTimeout(ctx, 4*soon)
	defer cancel()
	commands := 0
	for _, p := range folk {
		if missing := p.await(deadline); len(missing) > 0 {
			t.Errorf("%s never heard the answers to %v", p.name, missing)
		}
		commands += len(p.sent)
	}
	stop()
	hearing.Wait()
	for _, p := range folk {
		p.check(t)
	}
	t.Logf("%d commands", commands)
}

// TestEdgeRestart: who holds a stream hears everything once, though the edge
// dies twice without a word and knows nothing afterwards.
func TestEdgeRestart(t *testing.T) {
	s := start(t, t.TempDir())
	underLoad(t, s, func() {
		for range 2 {
			resp := s.do("POST", s.api("/dev/edge/restart"), nil, nil)
			if resp.StatusCode != http.StatusAccepted || s.status().Edge != "restarting" {
				t.Errorf("restart: %s %s, then %+v", resp.Status, resp.body, s.status())
			}
			s.becomes("up", allUp)
		}
	})
}

// TestBrokerStop: commands are not accepted while the broker is away, and
// nothing that was is lost.
func TestBrokerStop(t *testing.T) {
	s := start(t, t.TempDir())
	underLoad(t, s, func() {
		asked := time.Now()
		resp := s.do("POST", s.api("/dev/broker/stop?seconds=3"), nil, nil)
		now := s.status()
		if back := time.UnixMilli(now.Back).Sub(asked); resp.StatusCode != http.StatusAccepted || now.Broker != "stopped" || back < 2*time.Second || back > 4*time.Second {
			t.Errorf("stop: %s %s, then %+v, back after %v", resp.Status, resp.body, now, back)
		}
		if resp := s.do("POST", s.api("/dev/broker/stop?seconds=3"), nil, nil); resp.StatusCode != http.StatusConflict {
			t.Errorf("stopped twice: %s %s", resp.Status, resp.body)
		}
		s.becomes("up", allUp)
		if took := time.Since(asked); took < 3*time.Second {
			t.Errorf("the broker was away for %v, want 3 s", took)
		}
	})
}

// TestButtonsRefuse: no other site presses them, and none does what it cannot.
func TestButtonsRefuse(t *testing.T) {
	s := start(t, t.TempDir())
	for _, path := range []string{"/dev/cut", "/dev/edge/restart", "/dev/broker/stop?seconds=1"} {
		resp := s.do("POST", s.api(path), nil, http.Header{"Origin": {"https://elsewhere.example"}, "Sec-Fetch-Site": {"cross-site"}})
		if resp.StatusCode != http.StatusForbidden {
			t.Errorf("%s of another site: %s", path, resp.Status)
		}
		if resp := s.do("GET", s.api(path), nil, nil); resp.StatusCode == http.StatusOK {
			t.Errorf("GET %s: %s %s", path, resp.Status, resp.body)
		}
	}
	for _, query := range []string{"", "?seconds=0", "?seconds=61", "?seconds=x", "?seconds=-1"} {
		if resp := s.do("POST", s.api("/dev/broker/stop"+query), nil, nil); resp.StatusCode != http.StatusBadRequest {
			t.Errorf("%q: %s", query, resp.Status)
		}
	}
	if !allUp(s.status()) {
		t.Errorf("got %+v", s.status())
	}
	other := start(t, t.TempDir(), "--kafka", s.addrOf("kafka"))
	resp := other.do("POST", other.api("/dev/broker/stop?seconds=1"), nil, nil)
	if resp.StatusCode != http.StatusConflict || resp.Header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("the broker of others: %s %s", resp.Status, resp.body)
	}
}

// TestEndWhileTheBrokerIsStopped: the process does not wait for it.
func TestEndWhileTheBrokerIsStopped(t *testing.T) {
	data := t.TempDir()
	s := start(t, data)
	ann := s.login("ann")
	stream := ann.open("")
	stream.own("ebb.hello")
	id := uuid.NewString()
	stream.reply(ann.send(id, map[string]any{"_command": "create", "title": "Stay"}).Corr)
	s.do("POST", s.api("/dev/broker/stop?seconds=60"), nil, nil)
	begun := time.Now()
	if err := s.end(syscall.SIGTERM); err != nil || time.Since(begun) > 10*time.Second {
		t.Errorf("ended with %v after %v", err, time.Since(begun))
	}
	ann.system = start(t, data)
	if tasks := ann.list(); len(tasks) != 1 {
		t.Errorf("after the restart: %v", tasks)
	}
}

// TestKilledEdgeSaysNothing: its streams just end, and its successor has read
// the log anew: it knows nothing but what Kafka has.
func TestKilledEdgeSaysNothing(t *testing.T) {
	s := start(t, t.TempDir())
	ann := s.login("ann")
	stream := ann.open("")
	stream.own("ebb.hello")
	id := uuid.NewString()
	stream.reply(ann.send(id, map[string]any{"_command": "create", "title": "Stay"}).Corr)
	s.do("POST", s.api("/dev/edge/restart"), nil, nil)
	for e := range stream.events {
		t.Errorf("got %q %s", e.Name, e.Data)
	}
	missed := ann.send(id, map[string]any{"_command": "move", "column": "done"})
	s.becomes("up", allUp)
	back := ann.open(stream.lastID)
	back.own("ebb.hello")
	back.reply(missed.Corr)
}
