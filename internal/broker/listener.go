package broker

import (
	"errors"
	"net"
	"sync"
	"syscall"
	"time"
)

// acceptPause is between attempts to accept without file descriptors.
const acceptPause = 50 * time.Millisecond

// listener hands connections to kfake once the broker is ready, and can hang
// up on all of them.
type listener struct {
	net.Listener
	addr   advertised
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once

	mu   sync.Mutex
	open map[*conn]struct{} // nil once closed
}

// advertised is an address that kfake tells to clients.
type advertised string

func (advertised) Network() string  { return "tcp" }
func (a advertised) String() string { return string(a) }

func newListener(ln net.Listener, addr string) *listener {
	return &listener{
		Listener: ln, addr: advertised(addr),
		conns: make(chan net.Conn), closed: make(chan struct{}), open: map[*conn]struct{}{},
	}
}

// Addr is what clients are told.
func (l *listener) Addr() net.Addr { return l.addr }

// serve lets clients in, until Close.
func (l *listener) serve() {
	for {
		c, err := l.Listener.Accept()
		if errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) {
			select { // there may be file descriptors again soon
			case <-time.After(acceptPause):
				continue
			case <-l.closed:
				return
			}
		}
		if err != nil {
			l.Close()
			return
		}
		l.take(c)
	}
}

// dial is a connection from inside, ready or not.
func (l *listener) dial() net.Conn {
	here, there := net.Pipe()
	l.take(there)
	return here
}

// take queues a connection for Accept.
func (l *listener) take(c net.Conn) {
	tracked := &conn{Conn: c, l: l}
	l.mu.Lock()
	if l.open != nil {
		l.open[tracked] = struct{}{}
	}
	l.mu.Unlock()
	select {
	case l.conns <- tracked:
	case <-l.closed:
		c.Close()
	}
}

func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close stops listening and hangs up on everybody.
func (l *listener) Close() error {
	l.once.Do(func() {
		close(l.closed)
		l.Listener.Close()
		l.mu.Lock()
		open := l.open
		l.open = nil
		l.mu.Unlock()
		for c := range open {
			c.Conn.Close()
		}
	})
	return nil
}

// conn is a connection that the listener knows of.
type conn struct {
	net.Conn
	l *listener
}

func (c *conn) Close() error {
	c.l.mu.Lock()
	delete(c.l.open, c)
	c.l.mu.Unlock()
	return c.Conn.Close()
}
