package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ebb-events/ebb"
)

const (
	maxWaiters   = 1000             // requests that wait at the same time
	longestBegin = 2 * time.Second  // until replies are heard; else nobody waits
	linger       = 30 * time.Second // that replies are followed after the last who waited
)

// desk is where requests wait for replies. It follows them only while somebody
// does, and for a while afterwards.
type desk struct {
	source Answers
	waited func(how string)
	failed func(error)
	over   chan struct{} // closed when nobody may wait any more
	wake   chan struct{} // somebody wants replies to be followed

	perUser int // most who wait of one user; any if zero

	mu      sync.Mutex
	waiters map[question][]*waiter
	n       int
	of      map[ebb.Username]int
	begun   chan struct{} // closed when no reply can be missed
	stop    func()        // following, nil if nobody does
	idle    *time.Timer   // until following stops
}

// question is what a reply answers. Its correlation id is in lower case, as
// the elder Java family has it.
type question struct {
	typ, corr string
	user      ebb.Username
}

// waiter is a request that waits.
type waiter struct {
	question
	corr, id, command string
	begun             <-chan struct{}
	answer            chan reply // has room for one
}

// reply is what a request is answered with.
type reply struct {
	status int
	body   json.RawMessage
}

func newDesk(source Answers, perUser int, waited func(string), failed func(error)) *desk {
	return &desk{
		source: source, perUser: perUser, waited: waited, failed: failed, of: map[ebb.Username]int{},
		over: make(chan struct{}), wake: make(chan struct{}, 1),
		waiters: map[question][]*waiter{}, begun: make(chan struct{}),
	}
}

// enter registers who waits for the reply to a command, or says why nobody may.
func (d *desk) enter(m ebb.Message, user ebb.Username) (w *waiter, full string) {
	corr := m.String(ebb.FieldCorr)
	w = &waiter{
		question: question{m.String(ebb.FieldType), strings.ToLower(corr), user},
		corr:     corr, id: m.String(ebb.FieldID), command: m.String(ebb.FieldCommand),
		answer: make(chan reply, 1),
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.n == maxWaiters:
		return nil, waitFull
	case d.perUser > 0 && d.of[user] >= d.perUser:
		return nil, waitUserFull
	}
	d.n++
	d.of[user]++
	if d.idle != nil {
		d.idle.Stop()
	}
	d.waiters[w.question] = append(d.waiters[w.question], w)
	w.begun = d.begun
	d.rouse()
	return w, ""
}

func (d *desk) rouse() {
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// leave forgets who waited.
func (d *desk) leave(w *waiter) {
	d.mu.Lock()
	defer d.mu.Unlock()
	others := slices.DeleteFunc(d.waiters[w.question], func(other *waiter) bool { return other == w })
	if d.waiters[w.question] = others; len(others) == 0 {
		delete(d.waiters, w.question)
	}
	if d.of[w.user]--; d.of[w.user] == 0 {
		delete(d.of, w.user)
	}
	if d.n--; d.n == 0 {
		d.idle = time.AfterFunc(linger, d.rest)
	}
}

// rest stops following, unless somebody waits again.
func (d *desk) rest() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.n == 0 && d.stop != nil {
		d.stop()
		d.stop, d.begun = nil, make(chan struct{}) // who comes now waits for another beginning
	}
}

// run follows replies while somebody waits, until ctx ends.
func (d *desk) run(ctx context.Context) error {
	const shortest, longest = 100 * time.Millisecond, 5 * time.Second
	pause := shortest
	for {
		select {
		case <-d.wake:
		case <-ctx.Done():
			return nil
		}
		began := time.Now()
		err := d.follow(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err == nil {
			continue
		}
		d.failed(err)
		if time.Since(began) > longest {
			pause = shortest
		}
		select {
		case <-time.After(pause/2 + rand.N(pause/2)):
		case <-ctx.Done():
			return nil
		}
		pause = min(2*pause, longest)
		d.rouse()
	}
}

// follow hears replies until nobody has waited for a while.
func (d *desk) follow(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	d.mu.Lock()
	if d.n == 0 {
		d.mu.Unlock()
		return nil
	}
	d.stop = stop
	begun := d.begun
	d.mu.Unlock()

	err := d.source.Follow(ctx, sync.OnceFunc(func() { close(begun) }), d.hear)
	if ctx.Err() != nil {
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.stop = nil
	select {
	case <-begun:
		d.begun = make(chan struct{})
	default: // somebody still waits for it
	}
	if err == nil {
		err = errors.New("following replies ended")
	}
	return err
}

// hear gives replies to those who wait for them.
func (d *desk) hear(records []ebb.Record) {
	for _, record := range records {
		d.mu.Lock()
		n := d.n
		d.mu.Unlock()
		if n == 0 {
			return // spares reading what nobody waits for
		}
		if m, err := ebb.ParseMessage(record.Value); err == nil {
			d.give(m, asked(record, m))
		}
	}
}

// asked returns the _id that a reply's command had. That of the instance may be
// another, where a unique value tells which one is meant.
func asked(record ebb.Record, m ebb.Message) string {
	if id := record.Header(ebb.HeaderAsked); id != nil {
		return string(id)
	}
	return m.String(ebb.FieldID)
}

// give answers all who wait for a reply about that _id.
func (d *desk) give(m ebb.Message, id string) {
	corr := m.String(ebb.FieldCorr)
	q := question{m.String(ebb.FieldType), strings.ToLower(corr), m.User().Name}
	d.mu.Lock()
	defer d.mu.Unlock()
	var asked []*waiter
	for _, w := range d.waiters[q] {
		command := m.String(ebb.FieldCommand) // which the elder Java family leaves out
		if w.id == id && (w.corr == corr || q.corr == corr) && (command == "" || w.command == command) {
			asked = append(asked, w)
		}
	}
	if len(asked) == 0 {
		return
	}
	r := reply{statusOf(m), shown(m)}
	for _, w := range asked {
		select {
		case w.answer <- r:
		default: // it has one
		}
	}
}

// statusOf is the status of an answer that is a reply.
func statusOf(m ebb.Message) int {
	status, _ := m.Int(ebb.FieldStatusCode)
	switch {
	case !m.Bool(ebb.FieldError):
		return http.StatusOK
	case slices.Contains([]int64{400, 403, 409, 422}, status):
		return int(status)
	case status >= 500:
		return http.StatusInternalServerError
	}
	return http.StatusUnprocessableEntity // and no status that would be taken for the gateway's
}
