package gateway_test

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ebb-events/ebb"
	"github.com/ebb-events/ebb/gateway"
)

// TestRepliesAreFollowedOnlyWhileSomebodyWaits, and for half a minute more.
func TestRepliesAreFollowedOnlyWhileSomebodyWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWaiting(t)
		pass := func(d time.Duration) {
			time.Sleep(d)
			synctest.Wait()
		}
		w.command(`{"_command":"c"}`)
		if pass(time.Minute); w.replies.follows != 0 {
			t.Error("followed for nobody")
		}
		<-w.begin("ann", "wait=1", "1")
		<-w.begin("ann", "wait=1", "2")
		if pass(29 * time.Second); !w.replies.following() {
			t.Error("not followed half a minute longer")
		}
		answer := w.begin("ann", "wait=5", "3")
		if pass(4 * time.Second); !w.replies.following() || w.replies.follows != 1 {
			t.Errorf("following stopped under who waits, or began again: %d", w.replies.follows)
		}
		<-answer
		if pass(31 * time.Second); w.replies.following() {
			t.Error("followed for nobody, for ever")
		}
		answer = w.begin("ann", "wait=5", "4")
		w.replies.say(applied, "4", "ann")
		if a := <-answer; a.Code != 200 || w.replies.follows != 2 {
			t.Errorf("got %d, followed %d times", a.Code, w.replies.follows)
		}
	})
}

// TestCommandIsSentWhenItsReplyCannotBeMissed, or answered with 202.
func TestCommandIsSentWhenItsReplyCannotBeMissed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWaiting(t)
		w.replies.slowness = time.Second
		answer := w.begin("ann", "wait=5", "1")
		if w.sent.count() != 0 {
			t.Error("sent before replies are heard")
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if w.sent.count() != 1 {
			t.Error("not sent when replies are heard")
		}
		w.replies.say(applied, "1", "ann")
		if a := <-answer; a.Code != 200 {
			t.Errorf("got %d", a.Code)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		w := newWaiting(t)
		w.replies.unheard = true
		for prefer, want := range map[string]time.Duration{"wait=20": 2 * time.Second, "wait=1": time.Second} {
			began := time.Now()
			a := <-w.begin("ann", prefer, "1")
			if took := time.Since(began); a.Code != 202 || took != want || a.Header().Get("Preference-Applied") != "" {
				t.Errorf("%s: got %d %v after %v", prefer, a.Code, a.Header(), took)
			}
		}
		if w.outcomes() != "unheard unheard" || w.sent.count() != 2 {
			t.Errorf("told %q, sent %d", w.outcomes(), len(w.sent.all))
		}
	})
}

func TestFollowingIsTakenUpAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWaiting(t)
		answer := w.begin("ann", "wait=20", "1")
		for range 3 {
			w.replies.cut <- errors.New("log was cut")
			time.Sleep(time.Second)
			synctest.Wait()
		}
		w.replies.say(applied, "1", "ann")
		if a := <-answer; a.Code != 200 {
			t.Errorf("got %d", a.Code)
		}
	})
}

// TestDrainingAnswersWhoWaits: what is accepted is not cut off.
func TestDrainingAnswersWhoWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWaiting(t)
		answer := w.begin("ann", "wait=30", "1")
		began := time.Now()
		for range 2 {
			if err := w.gw.Drain(t.Context(), time.Second); err != nil {
				t.Error(err)
			}
		}
		late := w.begin("ann", "wait=30", "2")
		for _, a := range []*httptest.ResponseRecorder{<-answer, <-late} {
			if a.Code != 202 {
				t.Errorf("got %d", a.Code)
			}
		}
		if time.Since(began) != 0 || w.outcomes() != "ending ending" {
			t.Errorf("after %v, told %q", time.Since(began), w.outcomes())
		}
	})
}

// echo answers every command at once, from elsewhere.
type echo struct {
	replies *replies
	all     sync.WaitGroup
}

func (e *echo) Send(_ context.Context, typ, id string, command []byte) error {
	m, err := ebb.ParseMessage(command)
	if err != nil {
		return err
	}
	e.all.Go(func() { e.replies.say("%s", m.JSON()) })
	return nil
}

// TestNoReplyIsMissed: many users, the reply before the broker's
// acknowledgement is through, and following that comes and goes.
func TestNoReplyIsMissed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &replies{cut: make(chan error)}
		e := &echo{replies: r}
		w := newWorld(t, func(c *gateway.Config) { c.Answers, c.Sender = r, e })
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- w.gw.Run(ctx) }()
		for range 20 {
			var users sync.WaitGroup
			for n := range 30 {
				users.Go(func() {
					corr := fmt.Sprint(n % 3) // the same for many users
					a := w.as(fmt.Sprint("user", n), "PUT", instance, fmt.Sprintf(`{"_corr":%q,"n":%d}`, corr, n), "Content-Type", "application/json", "Prefer", "wait=9")
					if a.Code != 200 || !strings.Contains(a.Body.String(), fmt.Sprintf(`"n":%d}`, n)) {
						t.Errorf("user%d got %d %s", n, a.Code, a.Body)
					}
				})
			}
			users.Wait()
			time.Sleep(31 * time.Second) // nobody follows any more
		}
		e.all.Wait()
		if r.follows != 20 {
			t.Errorf("followed %d times, want 20", r.follows)
		}
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}
