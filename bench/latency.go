// Package bench measures Ebb from outside, as browsers meet it: it runs the
// server as a process of its own and speaks HTTP and Server-Sent Events with
// it.
//
// Latency is the time of one event's way, Edge what very many streams take.
//
// Latency's load is an open loop: a command is due at its time, whether or not those
// before it were answered, and is measured from then on. So a server that
// stalls cannot hide what it kept from being sent.
package bench

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os/exec"
	"sync"
	"time"
)

// Latency measures the time from a command to its event at the client.
type Latency struct {
	Server *exec.Cmd                // ebb dev, not started; stopped by SIGTERM; required
	Rate   int                      // commands per second; 100 if zero
	Warmup time.Duration            // before the measurement; 3 s if zero
	Time   time.Duration            // of the measurement; 20 s if zero
	Users  int                      // each with a stream; 50 if zero
	Sent   func(commands, want int) // is told of progress; may be nil
}

// Taken is what a [Latency] measured.
type Taken struct {
	Commands   int // measured
	Lost       int // events that did not come within 10 seconds, the warm-up's included
	Duplicates int // events that came again, the warm-up's included

	Event    Times // from when a command was due to its event at the client
	Accepted Times // from when a command was due to its 202
	After    Times // from the 202 to the event, below zero where that was first
}

// patience is how long to wait for the last events.
const patience = 10 * time.Second

func (l Latency) complete() (Latency, error) {
	switch {
	case l.Server == nil:
		return l, errors.New("bench: Server is required")
	case l.Rate < 0 || l.Warmup < 0 || l.Time < 0 || l.Users < 0:
		return l, errors.New("bench: rate, times and users must not be negative")
	}
	if l.Rate == 0 {
		l.Rate = 100
	}
	if l.Warmup == 0 {
		l.Warmup = 3 * time.Second
	}
	if l.Time == 0 {
		l.Time = 20 * time.Second
	}
	if l.Users == 0 {
		l.Users = 50
	}
	if l.Sent == nil {
		l.Sent = func(int, int) {}
	}
	return l, nil
}

// Run starts the server, measures, and stops it.
func (l Latency) Run(ctx context.Context) (Taken, error) {
	l, err := l.complete()
	if err != nil {
		return Taken{}, err
	}
	s, err := start(ctx, l.Server)
	if err != nil {
		return Taken{}, fmt.Errorf("bench: %w", err)
	}
	taken, err := l.measure(ctx, s.url)
	if err = errors.Join(err, s.stop()); err != nil {
		return Taken{}, fmt.Errorf("bench: %w", err)
	}
	return taken, nil
}

// measure does so on a server that runs.
func (l Latency) measure(ctx context.Context, url string) (Taken, error) {
	ctx, stop := context.WithCancelCause(ctx)
	var listening, sending sync.WaitGroup
	defer listening.Wait()
	defer stop(nil)

	users, err := enter(ctx, url, l.Users)
	if err != nil {
		return Taken{}, err
	}
	book := newBook()
	for _, u := range users {
		listening.Go(func() { stop(u.listen(book.arrived)) })
	}
	send := func(u *user, task, command string, due time.Time, measured bool) {
		corr := rand.Text()
		book.expect(corr, due, measured)
		sending.Go(func() {
			if err := u.send(ctx, task, command, corr); err != nil {
				stop(err)
			}
			book.accepted(corr)
		})
	}
	sendAll := func(command string) {
		for _, u := range users {
			send(u, u.task, command, time.Now(), false)
		}
		sending.Wait()
		book.wait(ctx, patience)
	}

	sendAll("create")
	warm, all := l.commands(l.Warmup), l.commands(l.Warmup+l.Time)
	begin := time.Now()
	for i := 0; i < all && ctx.Err() == nil; i++ {
		l.Sent(i, all)
		due := begin.Add(time.Duration(i) * time.Second / time.Duration(l.Rate))
		sleepUntil(ctx, due)
		u := users[i%len(users)]
		if (i+i/len(users))%10 == 0 {
			send(u, newID(), "create", due, i >= warm)
		} else {
			send(u, u.task, "rename", due, i >= warm)
		}
	}
	l.Sent(all, all)
	sending.Wait()
	book.wait(ctx, patience)
	sendAll("rename") // what came twice was there before the answers to these
	return book.taken(), context.Cause(ctx)
}

// commands is how many are due in that time.
func (l Latency) commands(d time.Duration) int { return int(d.Seconds() * float64(l.Rate)) }
