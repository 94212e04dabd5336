package hold

import (
	"slices"
	"sync"
	"time"
)

// burst is about how much a stream is asked for at a time.
const burst = 16 << 10

// turns is how often one stream is asked before it is the others' turn.
const turns = 4

// linger is how long a client has to end its side when we have ended ours: a
// socket that is closed with something unread takes back what was sent.
const linger = time.Second

// worker asks its share of a loop's streams, and writes.
type worker struct {
	loop    *Loop
	begun   time.Time
	wake    chan struct{}
	buf     []byte
	wheel   wheel
	sealed  []byte // of buf, for TLS
	scratch [4096]byte

	mu    sync.Mutex
	ready []*Conn
}

func (w *worker) push(c *Conn) {
	w.mu.Lock()
	w.ready = append(w.ready, c)
	w.mu.Unlock()
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// run looks at sockets when they are ready, until the loop is closed.
func (w *worker) run() {
	timer := time.NewTimer(tick)
	defer timer.Stop()
	var batch []*Conn
	for ended := false; !ended; {
		if w.wheel.count > 0 {
			timer.Reset(tick)
		}
		select {
		case <-w.wake:
		case <-timer.C:
		case <-w.loop.ended:
			ended = true
		}
		w.mu.Lock()
		batch, w.ready = w.ready, batch[:0]
		w.mu.Unlock()
		for some := range slices.Chunk(batch, 64) {
			now := time.Now()
			for _, c := range some {
				c.state.And(^uint32(queued)) // before it is looked at, or a wake would be lost
				w.look(c, now)
			}
			w.ring(now)
		}
		clear(batch)
		w.ring(time.Now())
	}
}

// ring looks at those whose time has come. Those that put it off all the time
// come by here too, once in a while.
func (w *worker) ring(now time.Time) {
	at := now.Sub(w.begun)
	for c := range w.wheel.advance(at) {
		switch {
		case !c.closing && unheard(int(c.fd), w.loop.Silence):
			w.end(c, ErrGone)
		case c.due > at:
			w.wheel.set(c, c.due)
		default:
			c.state.Or(woken)
			w.look(c, now)
		}
	}
}

// look does what there is to do for one socket.
func (w *worker) look(c *Conn, now time.Time) {
	if c.fd < 0 {
		return
	}
	state := c.state.And(^uint32(readable | woken))
	if state&broken != 0 || state&readable != 0 && !w.discard(c) {
		w.end(c, ErrGone)
		return
	}
	at := now.Sub(w.begun)
	if c.closing {
		if at >= c.due {
			w.close(c)
		}
		return
	}
	if c.rest == nil && !c.done && state&woken == 0 {
		return
	}
	for turn := 0; ; turn++ {
		if turn == turns {
			c.Wake()
			return
		}
		if c.rest != nil && !c.rest.head && !w.flush(c, at) {
			return
		}
		if c.done {
			w.finish(c, at)
			return
		}
		if !w.ask(c, now, at) {
			return
		}
	}
}

// ask writes what the stream has; again tells whether to go on at once.
func (w *worker) ask(c *Conn, now time.Time, at time.Duration) (again bool) {
	b := w.buf[:0]
	if c.rest != nil {
		b = append(b, c.rest.b...)
		c.rest = nil
	}
	from := len(b)
	b = append(b, make([]byte, frame)...)
	b, next := c.stream.Fill(b, now)
	c.done = next.Done
	out := c.seal(b, from, next.Done)
	if w.buf = b; cap(b) > 8*burst {
		w.buf, w.sealed = make([]byte, 0, 4*burst), nil // that was an exception
	}
	n := 0
	var err error
	if c.secure != nil && len(out) > 0 {
		out, err = c.secure.seal(w.sealed[:0], out)
		w.sealed = out
	}
	if err == nil {
		n, err = send(int(c.fd), out)
	}
	if err != nil {
		w.end(c, ErrGone)
		return false
	}
	if n < len(out) {
		if w.loop.Full != nil {
			w.loop.Full()
		}
		c.rest = &rest{b: slices.Clone(out[n:]), since: at, tell: next.Tell}
		if w.loop.rest.Add(int64(len(out)-n)) > w.loop.Rest {
			w.end(c, ErrStalled) // there are too many of them: this one comes back
			return false
		}
		w.wheel.set(c, at+w.loop.Stall)
		return false
	}
	if next.Tell {
		c.stream.Written()
	}
	switch {
	case next.Done || next.More:
		return true
	case next.At.IsZero():
		w.wheel.unset(c)
	default:
		w.wheel.set(c, next.At.Sub(w.begun))
	}
	return false
}

// flush writes what the socket has not taken; ok means all of it.
func (w *worker) flush(c *Conn, at time.Duration) (ok bool) {
	n, err := send(int(c.fd), c.rest.b)
	w.loop.rest.Add(-int64(n))
	switch {
	case err != nil:
		w.end(c, ErrGone)
		return false
	case n == len(c.rest.b):
		if c.rest.tell {
			c.stream.Written()
		}
		c.rest = nil
		return true
	case n > 0:
		c.rest.b, c.rest.since = c.rest.b[n:], at
	case at-c.rest.since >= w.loop.Stall:
		w.end(c, ErrStalled)
		return false
	}
	w.wheel.set(c, c.rest.since+w.loop.Stall)
	return false
}

// discard reads what a client sends, which means nothing. ok is false at its
// end.
func (w *worker) discard(c *Conn) (ok bool) {
	read := func(b []byte) (int, error) { return receive(int(c.fd), b) }
	if c.secure != nil {
		read = c.secure.open
	}
	for range turns {
		n, err := read(w.scratch[:])
		if err != nil || n == 0 {
			return err == nil && n > 0
		}
		if n < 0 { // nothing for now
			return true
		}
	}
	c.tell(readable) // more than anybody should send: later
	return true
}

// finish ends our side, which has been written whole.
func (w *worker) finish(c *Conn, at time.Duration) {
	s := c.stream
	c.stream, c.closing = nil, true
	if c.secure != nil {
		_, _ = send(int(c.fd), c.secure.bye(w.sealed[:0])) // if there is room
	}
	shutdown(int(c.fd))
	w.wheel.set(c, at+linger)
	s.End(nil)
}

// end closes the socket and tells the stream why.
func (w *worker) end(c *Conn, err error) {
	s := c.stream
	c.stream = nil
	w.close(c)
	if s != nil {
		s.End(err)
	}
}

func (w *worker) close(c *Conn) {
	if c.rest != nil && !c.rest.head {
		w.loop.rest.Add(-int64(len(c.rest.b)))
	}
	c.rest = nil
	c.secure = nil
	w.wheel.unset(c)
	w.loop.forget(c)
	closeFD(int(c.fd))
	c.fd = -1
}
