package hold

import (
	"crypto/tls"
	"errors"
	"net"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Loop holds plain sockets. Few goroutines do all of the work: one waits for
// what the system says of any socket, the others ask streams and write.
type Loop struct {
	Stall   time.Duration // how long a reader may take nothing; a minute if zero
	Silence time.Duration // how long a client's system may acknowledge nothing; 25 s if zero
	Rest    int64         // bytes that all sockets together may leave untaken; 64 MiB if zero

	Full func() // a socket takes no more for now; may be nil

	start   sync.Once
	err     error // of the start
	poll    *poller
	workers []*worker
	running sync.WaitGroup
	ended   chan struct{}
	rest    atomic.Int64

	mu    sync.Mutex
	conns []*Conn // by descriptor
	next  int     // the worker of the next one
}

// ErrUnsupported says that a loop cannot hold a connection.
var ErrUnsupported = errors.New("hold: not a connection that a loop can hold")

// Socket is a connection's socket, beside the connection.
type Socket struct {
	conn net.Conn
	fd   int
}

// Open returns conn's socket for Hold; conn stays as it is. TLS must be spoken
// on what [Listen] has accepted. It takes a descriptor more until it is held or
// closed.
func (l *Loop) Open(conn net.Conn) (Socket, error) {
	l.start.Do(l.begin)
	if l.err != nil {
		return Socket{}, l.err
	}
	below := conn
	if t, ok := conn.(*tls.Conn); ok {
		if below, ok = t.NetConn().(*wire); !ok {
			return Socket{}, ErrUnsupported
		}
	}
	fd, err := duplicate(below)
	return Socket{conn, fd}, err
}

// Close closes a socket that is not held.
func (s Socket) Close() { closeFD(s.fd) }

// Hold takes the connection of a socket over, writes head to it and asks s for
// what follows, in chunks of HTTP/1.1 if chunked, until s has ended. c is s's
// place in the loop; it must be new, and not be moved.
func (l *Loop) Hold(c *Conn, socket Socket, head []byte, chunked bool, s Stream) {
	if t, ok := socket.conn.(*tls.Conn); ok {
		c.secure = &secure{t, t.NetConn().(*wire)}
		c.secure.wire.take(socket.fd)
	} else {
		socket.conn.Close() // the socket stays open
	}
	c.stream, c.fd, c.chunked = s, int32(socket.fd), chunked
	c.rest = &rest{b: head, head: true}
	l.mu.Lock()
	for len(l.conns) <= socket.fd {
		l.conns = append(l.conns, nil)
	}
	l.conns[c.fd] = c
	c.worker = l.workers[l.next%len(l.workers)]
	l.next++
	l.mu.Unlock()
	if l.poll.add(socket.fd) != nil {
		c.state.Or(broken)
	}
	c.state.Or(held | queued | woken)
	c.worker.push(c)
}

func (l *Loop) begin() {
	if l.Stall == 0 {
		l.Stall = stall
	}
	if l.Silence == 0 {
		l.Silence = silence
	}
	if l.Rest == 0 {
		l.Rest = 64 << 20
	}
	l.ended = make(chan struct{})
	if l.poll, l.err = newPoller(); l.err != nil {
		return
	}
	for range runtime.GOMAXPROCS(0) {
		w := &worker{loop: l, wake: make(chan struct{}, 1), buf: make([]byte, 0, 4*burst), begun: time.Now()}
		l.workers = append(l.workers, w)
		l.running.Go(w.run)
	}
	l.running.Go(func() { l.poll.run(l.happened) })
}

// happened passes on what the system says of a socket.
func (l *Loop) happened(fd int, what uint32) {
	l.mu.Lock()
	var c *Conn
	if fd < len(l.conns) {
		c = l.conns[fd]
	}
	l.mu.Unlock()
	if c != nil { // it may be another one by now, at whom is looked for nothing
		c.tell(what)
	}
}

// forget makes a descriptor's place free. It must be called before the
// descriptor is closed.
func (l *Loop) forget(c *Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.conns[c.fd] = nil
}

// Close asks the streams that were woken once more, ends all that are left with
// [ErrStopped] and returns when that is done. Nothing may be held after it.
func (l *Loop) Close() {
	l.start.Do(func() { l.err = ErrStopped })
	if l.poll == nil {
		return
	}
	close(l.ended)
	l.poll.close()
	l.running.Wait()
	l.mu.Lock()
	left := slices.Clone(l.conns)
	l.mu.Unlock()
	for _, c := range left {
		if c != nil {
			c.worker.end(c, ErrStopped)
		}
	}
}
