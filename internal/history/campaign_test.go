//go:build unix

package history_test

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/ebb-events/ebb/internal/history"
	"github.com/ebb-events/ebb/kafka"
)

var (
	long = flag.Duration("history", 0, "how long each campaign goes on at least; if zero, until every step was hit")
	seed = flag.Uint64("history-seed", uint64(time.Now().UnixNano()), "of the plan: which faults in which order, and which commands")
)

// soon is how long a campaign waits for what must come.
const soon = 45 * time.Second

// fault is what happens to a service, and when.
type fault struct {
	moment moment // of its wire, or
	word   string // of its reducer: the command that does it
	how    how
}

// how a service suffers.
type how string

const (
	killed how = "killed"
	paused how = "paused" // for longer than its session, a zombie
	cut    how = "cut"    // off from the broker in the middle of a message
)

func (f fault) String() string {
	if f.word != "" {
		return string(f.how) + " while it reduced"
	}
	return string(f.how) + " with " + f.moment.String()
}

// steps are all requests with which services are made to suffer. The last two
// are only there with a cluster older than KIP-890.
var steps = []kmsg.Key{
	kmsg.JoinGroup, kmsg.SyncGroup, kmsg.OffsetFetch, kmsg.Fetch, kmsg.InitProducerID, kmsg.Produce, kmsg.TxnOffsetCommit, kmsg.EndTxn,
	kmsg.AddPartitionsToTxn, kmsg.AddOffsetsToTxn,
}

// faults are all there are.
func faults(old bool) (all []fault) {
	for _, key := range steps {
		if !old && (key == kmsg.AddPartitionsToTxn || key == kmsg.AddOffsetsToTxn) {
			continue
		}
		for _, answered := range []bool{false, true} {
			for _, how := range []how{killed, cut, paused} {
				if how == paused && key == kmsg.InitProducerID {
					continue // it has nothing in hand
				}
				all = append(all, fault{moment: moment{key, answered}, how: how})
			}
		}
	}
	return append(all, fault{word: "die", how: killed}, fault{word: "freeze", how: paused})
}

// joins tells whether a service sends such a request when it begins, but hardly
// ever again.
func joins(key kmsg.Key) bool {
	return key == kmsg.JoinGroup || key == kmsg.SyncGroup || key == kmsg.OffsetFetch || key == kmsg.InitProducerID
}

// campaign is one test on one kind of broker.
type campaign struct {
	*testing.T
	seeds []string
	local bool // the broker is the embedded one
	old   bool // the cluster is older than KIP-890
	rest  time.Duration
	name  string // of the environment, that is of its topics
	crowd *crowd
	log   *log
	all   []*worker
	once  string

	mu   sync.Mutex
	hits map[fault]int
}

// worker is a service of the campaign, and what is to happen to it.
type worker struct {
	*process
	c *campaign

	mu   sync.Mutex
	trap *trap
}

// trap is a fault that waits for its moment.
type trap struct {
	fault
	nth    int           // occurrences of the moment to go
	sprung chan struct{} // closed when it has happened, and is over
}

// services is how many there are all the time. One more joins and leaves.
const services = 6

// run has users send to services that suffer, and returns what came of it.
// meanwhile makes more trouble until its context ends.
func (c *campaign) run(meanwhile func(context.Context, *rand.Rand)) history.History {
	c.Helper()
	c.Logf("-history-seed %d", *seed)
	c.name, c.hits, c.log, c.once = "campaign", map[fault]int{}, &log{}, c.TempDir()
	c.Cleanup(func() { // also for what is found in the history later
		if c.Failed() || testing.Verbose() {
			c.Logf("one after the other:\n%s", c.log)
		}
	})
	client, err := kafka.Open(kafka.Config{Seeds: c.seeds, Environment: c.name, Embedded: c.local, Types: []string{typ}})
	if err != nil {
		c.Fatal(err)
	}
	defer client.Close()
	c.crowd = &crowd{sender: client.Sender(), wishes: make(chan string, services), rest: c.rest, sent: map[string]bool{}}
	for i := range services {
		c.all = append(c.all, c.worker(fmt.Sprintf("service %d", i)))
	}
	guest := c.worker("guest")

	ctx, end := context.WithCancel(c.Context())
	defer end()
	var users, trouble sync.WaitGroup
	users.Go(func() { c.crowd.run(ctx, *seed, 8) })
	trouble.Go(func() { c.comeAndGo(ctx, guest) })
	trouble.Go(func() { meanwhile(ctx, rand.New(rand.NewPCG(*seed, 1<<32))) })
	c.torment()
	end()
	trouble.Wait()
	users.Wait()
	for _, w := range c.all {
		w.check(c)
	}
	guest.check(c)
	began := time.Now()
	h := settled(c.T, c.seeds, c.name, soon)
	h.Sent, h.Model = c.crowd.snapshot(), model
	c.Logf("all answered within %v of the last fault", time.Since(began))
	c.tell(h)
	return h
}

// worker returns a service behind a proxy.
func (c *campaign) worker(name string) *worker {
	w := &worker{c: c}
	p := newProxy(c, session, w.passed)
	var seeds []string
	for _, broker := range c.seeds {
		addr, err := p.addr(broker)
		if err != nil {
			c.Fatal(err)
		}
		seeds = append(seeds, addr)
	}
	w.process = &process{name: name, env: environment(seeds, c.local, c.name, c.once), hears: w.heard, log: c.log}
	w.start(c)
	c.Cleanup(w.kill)
	return w
}

// torment has the services suffer one fault after the other, as the plan has
// them, until each was hit and the time is over. It gives up after a while.
func (c *campaign) torment() {
	r := rand.New(rand.NewPCG(*seed, 0))
	over := time.Now().Add(*long)
	giveUp := time.Now().Add(max(*long, 2*time.Minute))
	for round := 0; time.Now().Before(over) || len(c.missing()) > 0 && time.Now().Before(giveUp); round++ {
		todo := c.missing()
		if time.Now().Before(over) {
			todo = faults(c.old)
		}
		r.Shuffle(len(todo), func(i, j int) { todo[i], todo[j] = todo[j], todo[i] })
		plan := make(chan fault, len(todo))
		for _, f := range todo {
			plan <- f
		}
		close(plan)
		var all sync.WaitGroup
		for i, w := range c.all {
			own := rand.New(rand.NewPCG(*seed, uint64(i)+uint64(round)<<8+2<<32))
			all.Go(func() {
				for f := range plan {
					c.suffer(w, f, own)
				}
			})
		}
		all.Wait()
	}
	if missing := c.missing(); len(missing) > 0 {
		c.Errorf("never hit: %v", missing)
	}
}

// missing returns the faults that nobody suffered yet.
func (c *campaign) missing() []fault {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.DeleteFunc(faults(c.old), func(f fault) bool { return c.hits[f] > 0 })
}

// suffer has a fault happen to w, and waits until it is over. What does not
// come about is for another round to try again.
func (c *campaign) suffer(w *worker, f fault, r *rand.Rand) {
	tr := &trap{fault: f, nth: 1 + r.IntN(4), sprung: make(chan struct{})}
	if f.word != "" {
		tr.nth = 1
	}
	if joins(f.moment.key) {
		tr.nth = 1
		again := f.moment.key == kmsg.JoinGroup || f.moment.key == kmsg.SyncGroup
		if f.how != paused || !again { // a zombie has work in hand when it joins again
			w.leave(c)
		}
	}
	w.set(tr)
	w.start(c)
	if f.word != "" {
		c.crowd.wishes <- f.word
	}
	began := time.Now()
	defer func() { c.log.add(fmt.Sprintf("%s: %s, after %v", w.name, f, time.Since(began))) }()
	select {
	case <-tr.sprung:
	case <-time.After(3 * session):
		if w.set(nil) == nil {
			<-tr.sprung // it just happens
		}
	}
}

// set has w wait for a fault, and returns for which it did until now.
func (w *worker) set(t *trap) (was *trap) {
	w.mu.Lock()
	defer w.mu.Unlock()
	was, w.trap = w.trap, t
	return was
}

// take returns the trap if it is for this moment and it is time.
func (w *worker) take(here func(*trap) bool) *trap {
	w.mu.Lock()
	defer w.mu.Unlock()
	t := w.trap
	if t == nil || !here(t) {
		return nil
	}
	if t.nth--; t.nth > 0 {
		return nil
	}
	w.trap = nil
	return t
}

// passed is called by the proxy.
func (w *worker) passed(m moment) (forward bool) {
	t := w.take(func(t *trap) bool { return t.word == "" && t.moment == m })
	if t == nil {
		return true
	}
	switch t.how {
	case paused:
		w.signal(syscall.SIGSTOP)
		w.awake(t)
		return true // a request that is late, or an answer
	case killed:
		w.kill()
		go w.again(t)
	case cut:
		w.c.hit(t)
	}
	return false
}

// heard is called with what a reducer says. It may be that of another service
// that the fault was meant for.
func (w *worker) heard(line string) {
	for _, other := range w.c.all {
		t := other.take(func(t *trap) bool { return t.word == line })
		if t == nil {
			continue
		}
		if t.how == paused {
			w.awake(t)
			return
		}
		w.expect()
		go func() {
			w.wait()
			w.again(t)
		}()
		return
	}
	// Nobody waits any more, but it happens.
	if line == "die" {
		w.expect()
		go func() {
			w.wait()
			w.start(w.c)
		}()
		return
	}
	time.Sleep(2 * session)
	w.signal(syscall.SIGCONT)
}

// awake lets a zombie go on, once others have taken over.
func (w *worker) awake(t *trap) {
	time.Sleep(session + session/4)
	w.signal(syscall.SIGCONT)
	w.c.hit(t)
}

// again starts a service that was killed.
func (w *worker) again(t *trap) {
	w.start(w.c)
	w.c.hit(t)
}

func (c *campaign) hit(t *trap) {
	c.mu.Lock()
	c.hits[t.fault]++
	c.mu.Unlock()
	close(t.sprung)
}

// comeAndGo has a service join and leave the group until ctx ends.
func (c *campaign) comeAndGo(ctx context.Context, guest *worker) {
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-time.After(2 * session):
		}
		guest.leave(c)
		guest.start(c)
	}
}

// tell prints what happened.
func (c *campaign) tell(h history.History) {
	c.mu.Lock()
	defer c.mu.Unlock()
	outcomes := map[string]int{}
	for _, r := range h.Replies {
		for _, name := range []string{"applied", "unchanged", "duplicate", "rejected", "stale", "unknown", "forbidden", "failed"} {
			if strings.Contains(string(r.Value), `"_outcome":"`+name+`"`) {
				outcomes[name]++
			}
		}
	}
	c.Logf("%d commands, %d events, %d replies %v, %d dead, %d states; sends refused: %d", len(h.Commands), len(h.Events), len(h.Replies), outcomes, len(h.Dead), len(h.States), c.crowd.refused)
	byName := map[string]int{}
	for f, n := range c.hits {
		byName[f.String()] = n
	}
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		c.Logf("%3d times %s", byName[name], name)
	}
}
