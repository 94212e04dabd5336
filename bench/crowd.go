package bench

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"
)

// crowd is very many streams at one server, which it reads and checks without
// a goroutine or a buffer each. It works only while it is in run, and is no
// more than one goroutine's.
type crowd struct {
	sockets *sockets
	server  netip.AddrPort
	hello   bool          // a stream is open when it was greeted, not when its head has come
	atOnce  int           // streams that are being opened at a time
	patient time.Duration // how long nothing may come before it is given up

	streams []stream
	queue   []int // streams to open
	later   []again
	opening int
	open    int
	back    bool // streams that are ended come back

	counts
	ages        spread    // of events, from when they were sent
	first, last time.Time // when an event came

	buf   []byte
	ready []ready
	heard []heard
}

// counts is what has happened to the streams of a crowd.
type counts struct {
	Events  int // that were expected, in order
	Repeats int // that had come before
	Missing int // that others came instead of
	Foreign int // of another user
	Resets  int // that said that something is lost
	Ended   int // streams, not by us
	Refused int // attempts to open one that failed
}

// wrong tells whether anything is as it must not be.
func (c counts) wrong() bool { return c.Repeats+c.Missing+c.Foreign+c.Resets > 0 }

// stream is one of a crowd.
type stream struct {
	fd    int
	life  int32 // how often it was opened
	state state
	path  string
	user  int32
	tried int    // in this life
	last  uint32 // number of the last event
	wire  wire
}

type state int

const (
	isClosed state = iota
	isConnecting
	isAsking // for its stream
	isOpen
)

// again is a stream that is tried again at that time.
type again struct {
	at    time.Time
	which int
}

var (
	errEnded = errors.New("the stream ended")
	// errSilent says that nothing has come for too long.
	errSilent = errors.New("nothing came any more")
)

// inFlight is how many streams are being opened at a time.
const inFlight = 512

// attempts is how often a stream is tried to be opened.
const attempts = 20

func newCrowd(server string, hello bool, patient time.Duration) (*crowd, error) {
	addr, err := netip.ParseAddrPort(server)
	if err != nil {
		return nil, err
	}
	s, err := newSockets()
	if err != nil {
		return nil, fmt.Errorf("holding streams: %w", err)
	}
	return &crowd{sockets: s, server: addr, hello: hello, atOnce: inFlight, patient: patient, buf: make([]byte, 256<<10)}, nil
}

// add puts a stream in the queue to be opened. The next event it hears is the
// one behind last.
func (c *crowd) add(path string, user int32, last uint32) {
	c.streams = append(c.streams, stream{path: path, user: user, last: last, fd: -1})
	c.queue = append(c.queue, len(c.streams)-1)
}

// shrink cuts all but the first n streams, and forgets them.
func (c *crowd) shrink(n int) {
	c.cut(n)
	c.streams = c.streams[:min(n, len(c.streams))]
}

// cut ends the streams from n on, all at once.
func (c *crowd) cut(n int) {
	for i := n; i < len(c.streams); i++ {
		c.drop(&c.streams[i])
	}
	c.queue, c.later = c.queue[:0], c.later[:0]
}

// comeBack puts closed streams into the queue, to go on behind what they heard.
func (c *crowd) comeBack() {
	for i := range c.streams {
		if c.streams[i].state == isClosed {
			c.queue = append(c.queue, i)
		}
	}
}

// close ends everything.
func (c *crowd) close() {
	c.cut(0)
	c.sockets.close()
}

// allOpen tells whether every stream is.
func (c *crowd) allOpen() bool { return c.open == len(c.streams) }

// begin counts what is to come. What came before it was sent is an error.
func (c *crowd) begin() error {
	if c.wrong() {
		return fmt.Errorf("streams heard what they must not: %s", bad(0, c.counts))
	}
	c.forget()
	return nil
}

// forget counts anew.
func (c *crowd) forget() {
	c.counts, c.ages = counts{}, spread{}
	c.first, c.last = time.Time{}, time.Time{}
}

// run looks after the streams until done says so, which is asked often. It ends
// with errSilent when for long nothing has come.
func (c *crowd) run(ctx context.Context, done func() bool) error {
	news := time.Now()
	for !done() {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := c.openMore(); err != nil {
			return err
		}
		var err error
		if c.ready, err = c.sockets.wait(10*time.Millisecond, c.ready[:0]); err != nil {
			return err
		}
		before := c.Events + c.open
		for _, r := range c.ready {
			c.handle(r)
		}
		if now := time.Now(); c.Events+c.open != before {
			news = now
		} else if now.Sub(news) > c.patient {
			return errSilent
		}
	}
	return nil
}

// openMore connects as many as may be at a time.
func (c *crowd) openMore() error {
	for now := time.Now(); len(c.later) > 0 && now.After(c.later[0].at); c.later = c.later[1:] {
		c.queue = append(c.queue, c.later[0].which)
	}
	for len(c.queue) > 0 && c.opening < c.atOnce {
		i := c.queue[0]
		c.queue = c.queue[1:]
		s := &c.streams[i]
		s.life++
		s.wire = wire{line: s.wire.line[:0], lastID: s.wire.lastID, id: append(s.wire.id[:0], s.wire.lastID...)}
		fd, err := c.sockets.connect(c.server, int32(i), s.life)
		if err != nil {
			return fmt.Errorf("stream %d: %w", i, err)
		}
		s.fd, s.state = fd, isConnecting
		c.opening++
	}
	return nil
}

// handle does what can be done with a stream.
func (c *crowd) handle(r ready) {
	s := &c.streams[r.which]
	if s.life != r.life || s.state == isClosed {
		return // it was ended meanwhile
	}
	if s.state == isConnecting && r.writable && !r.ended {
		s.state = isAsking
		if c.sockets.write(s.fd, s.request()) != nil {
			c.gone(int(r.which))
			return
		}
	}
	for {
		n, err := c.sockets.read(s.fd, c.buf)
		if n > 0 {
			c.heard, err = s.wire.feed(c.buf[:n], c.heard[:0])
			c.note(s)
		}
		if err != nil || s.wire.part == isOver || s.wire.status != 0 && s.wire.status != 200 {
			c.gone(int(r.which))
			return
		}
		if n == 0 || n < len(c.buf) && !r.ended {
			return
		}
	}
}

func (s *stream) request() []byte {
	b := append([]byte("GET "), s.path...)
	b = append(b, " HTTP/1.1\r\nHost: bench\r\nAccept: text/event-stream\r\n"...)
	if len(s.wire.lastID) > 0 {
		b = append(append(append(b, "Last-Event-ID: "...), s.wire.lastID...), "\r\n"...)
	}
	return append(b, "\r\n"...)
}

// note takes in what a stream has heard.
func (c *crowd) note(s *stream) {
	if s.state == isAsking && !c.hello && s.wire.status == 200 && s.wire.part >= inBody {
		c.opened(s)
	}
	if len(c.heard) == 0 {
		return
	}
	now := time.Now()
	for _, h := range c.heard {
		switch h.kind {
		case kindHello:
			if s.state == isAsking {
				c.opened(s)
			}
		case kindReset:
			c.Resets++
		case kindEvent:
			if h.user != s.user {
				c.Foreign++
				continue
			}
			if c.count(s, h.number); c.first.IsZero() {
				c.first = now
			}
			c.last = now
			c.ages.add(h.age(now))
		}
	}
}

// count judges an event by its number.
func (c *crowd) count(s *stream, number uint32) {
	if number <= s.last {
		c.Repeats++
		return
	}
	c.Missing += int(number - s.last - 1)
	c.Events++
	s.last = number
}

func (c *crowd) opened(s *stream) {
	s.state, s.tried = isOpen, 0
	c.opening--
	c.open++
}

// gone is about a stream that ended by itself.
func (c *crowd) gone(i int) {
	s := &c.streams[i]
	wasOpen := s.state == isOpen
	c.drop(s)
	if wasOpen {
		c.Ended++
		if c.back {
			c.queue = append(c.queue, i)
		}
		return
	}
	c.Refused++
	if s.tried++; s.tried < attempts {
		c.later = append(c.later, again{time.Now().Add(500 * time.Millisecond), i})
	}
}

// drop closes a stream, whatever it is at.
func (c *crowd) drop(s *stream) {
	switch s.state {
	case isClosed:
		return
	case isOpen:
		c.open--
	default:
		c.opening--
	}
	c.sockets.cut(s.fd)
	s.fd, s.state = -1, isClosed
}
