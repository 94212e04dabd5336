package gateway

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/ebb-events/ebb"
)

// wait is a request's for the reply to its command. A nil one waits for
// nothing.
type wait struct {
	*waiter
	desk  *desk
	most  time.Duration
	timer *time.Timer
	ready bool // its reply cannot be missed
	how   string
}

// What came of a wait, for metrics.
const (
	waitAnswered = "answered"  // with the reply
	waitLate     = "late"      // the time was over
	waitGone     = "gone"      // the client went away
	waitFull     = "full"      // too many wait
	waitUserFull = "user-full" // too many of the user do
	waitUnheard  = "unheard"   // replies could not be heard in time
	waitEnding   = "ending"    // the gateway ends
	waitFailed   = "failed"    // the command was not sent
)

// waits tells whether a request is to be answered with a reply.
func (g *Gateway) waits(r *http.Request) bool {
	return g.desk != nil && r.Method != http.MethodGet && r.Method != http.MethodHead && preferredWait(r.Header) > 0
}

// expect registers for the reply to a command, if the client prefers to wait
// for it, and returns when it cannot be missed, or when that takes too long.
func (g *Gateway) expect(r *http.Request, m ebb.Message, user ebb.Username) *wait {
	if !g.waits(r) {
		return nil
	}
	most := preferredWait(r.Header)
	w := &wait{desk: g.desk, most: most, timer: time.NewTimer(most), how: waitFailed}
	var full string
	if w.waiter, full = g.desk.enter(m, user); full != "" {
		w.how = full
		return w
	}
	begin := time.NewTimer(longestBegin)
	defer begin.Stop()
	select {
	case <-w.begun:
		w.ready = true
	case <-begin.C:
		w.how = waitUnheard
	case <-w.timer.C:
		w.how = waitUnheard
	case <-w.desk.over:
		w.how = waitEnding
	case <-r.Context().Done():
		w.how = waitGone
	}
	return w
}

// heard tells whether the reply will be heard.
func (w *wait) heard() bool { return w != nil && w.ready }

// applied is what was made of the preference.
func (w *wait) applied() string { return fmt.Sprintf("wait=%d", w.most/time.Second) }

// reply returns the reply and its status, or false when the time is over.
func (w *wait) reply(ctx context.Context) (status int, body json.RawMessage, ok bool) {
	select {
	case a := <-w.answer:
		w.how = waitAnswered
		return a.status, a.body, true
	case <-w.timer.C:
		w.how = waitLate
	case <-w.desk.over:
		w.how = waitEnding
	case <-ctx.Done():
		w.how = waitGone
	}
	return 0, nil, false
}

// end lets go of what the wait holds.
func (w *wait) end() {
	if w == nil {
		return
	}
	w.timer.Stop()
	if w.waiter != nil {
		w.desk.leave(w.waiter)
	}
	w.desk.waited(w.how)
}
