package serve

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"syscall"
	"time"
)

const (
	spares    = 4               // file descriptors that a server keeps for when there are no others
	shedTime  = 2 * time.Second // how long a connection may have one
	shedPause = 50 * time.Millisecond
	shedCalm  = 10 * time.Second // without exhaustion, until an episode of it is over
)

// sparing accepts connections also when the process has no file descriptors
// left: it gives up spare ones for them, for a moment each, so that everybody
// gets an answer and nothing waits in the dark.
type sparing struct {
	net.Listener
	log    *slog.Logger
	slots  chan *os.File // the spare ones; nil is one that has to be opened anew
	closed chan struct{}
	once   sync.Once
	swap   sync.Mutex // held while a descriptor changes hands

	// Of Accept, which is not called by two at a time.
	last time.Time // when descriptors were out; zero if they are not
	shed int       // connections since
}

func newSparing(ln net.Listener, log *slog.Logger) *sparing {
	s := &sparing{Listener: ln, log: log, slots: make(chan *os.File, spares), closed: make(chan struct{})}
	for range spares {
		s.slots <- openSpare()
	}
	return s
}

// openSpare returns nil if there is none to be had.
func openSpare() *os.File {
	f, err := os.Open(os.DevNull)
	if err != nil {
		return nil
	}
	return f
}

func outOfDescriptors(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE)
}

// Accept returns the next connection, maybe a *shedConn.
func (s *sparing) Accept() (net.Conn, error) {
	for {
		// While a shed connection is there, its descriptor must become a spare
		// one again, and not the next connection.
		if len(s.slots) == spares {
			conn, err := s.Listener.Accept()
			switch {
			case err == nil:
				s.calm()
				return conn, nil
			case !outOfDescriptors(err):
				return nil, err
			}
			s.exhausted()
		}
		if conn, err := s.acceptSpare(); conn != nil || err != nil {
			return conn, err
		}
	}
}

// acceptSpare accepts at the cost of a spare descriptor. It returns nothing if
// that did not help.
func (s *sparing) acceptSpare() (net.Conn, error) {
	var spare *os.File
	select {
	case spare = <-s.slots:
	case <-s.closed:
		return nil, net.ErrClosed
	}
	s.swap.Lock()
	defer s.swap.Unlock()
	if spare == nil {
		spare = openSpare()
	}
	if spare == nil { // somebody else has them all
		s.slots <- nil
		select {
		case <-time.After(shedPause):
		case <-s.closed:
		}
		return nil, nil
	}
	spare.Close()
	conn, err := s.acceptSoon()
	spare = openSpare()
	if conn == nil {
		s.slots <- spare
		return nil, err
	}
	if spare != nil { // there are some again
		s.slots <- spare
		return conn, nil
	}
	s.exhausted()
	s.shed++
	shed := &shedConn{Conn: conn, from: s, until: time.Now().Add(shedTime)}
	_ = conn.SetDeadline(shed.until)
	return shed, nil
}

// acceptSoon returns nothing if nobody comes soon, or the descriptor that was
// free is not any more.
func (s *sparing) acceptSoon() (net.Conn, error) {
	if ln, ok := s.Listener.(interface{ SetDeadline(time.Time) error }); ok {
		_ = ln.SetDeadline(time.Now().Add(shedPause))
		defer func() { _ = ln.SetDeadline(time.Time{}) }()
	}
	conn, err := s.Listener.Accept()
	if outOfDescriptors(err) || errors.Is(err, os.ErrDeadlineExceeded) {
		return nil, nil
	}
	return conn, err
}

// exhausted notes that there are no descriptors, and says so once.
func (s *sparing) exhausted() {
	if s.last.IsZero() {
		s.log.Error("no file descriptors left: new connections are sent away until there are some; raise the open-file limit (ulimit -n), or hold fewer streams (--streams)",
			"addr", s.Addr().String(), "limit", OpenFileLimit())
	}
	s.last = time.Now()
}

// calm notes that there are descriptors, and says so once.
func (s *sparing) calm() {
	if s.last.IsZero() || time.Since(s.last) < shedCalm {
		return
	}
	s.log.Info("there are file descriptors again", "addr", s.Addr().String(), "sent_away", s.shed)
	s.last, s.shed = time.Time{}, 0
	for range spares {
		select {
		case spare := <-s.slots:
			if spare == nil {
				spare = openSpare()
			}
			s.slots <- spare
		default: // a connection has it still
		}
	}
}

// Close stops listening. Connections have their spare descriptors until they
// are closed.
func (s *sparing) Close() error {
	s.once.Do(func() {
		close(s.closed)
		for range spares {
			select {
			case spare := <-s.slots:
				if spare != nil {
					spare.Close()
				}
			default:
			}
		}
	})
	return s.Listener.Close()
}

// shedConn is a connection on a spare descriptor, for a short answer.
type shedConn struct {
	net.Conn
	from  *sparing
	until time.Time
	once  sync.Once
}

// Close hangs up and gives the descriptor back.
func (c *shedConn) Close() error {
	c.from.swap.Lock()
	defer c.from.swap.Unlock()
	err := c.Conn.Close()
	c.once.Do(func() {
		select {
		case <-c.from.closed:
		default:
			c.from.slots <- openSpare()
		}
	})
	return err
}

// sooner is t, but never later than the connection may last.
func (c *shedConn) sooner(t time.Time) time.Time {
	if t.IsZero() || t.After(c.until) {
		return c.until
	}
	return t
}

func (c *shedConn) SetDeadline(t time.Time) error      { return c.Conn.SetDeadline(c.sooner(t)) }
func (c *shedConn) SetReadDeadline(t time.Time) error  { return c.Conn.SetReadDeadline(c.sooner(t)) }
func (c *shedConn) SetWriteDeadline(t time.Time) error { return c.Conn.SetWriteDeadline(c.sooner(t)) }

type shedKey struct{}

// markShed tells handlers which requests are on a spare descriptor.
func markShed(ctx context.Context, conn net.Conn) context.Context {
	if t, ok := conn.(*tls.Conn); ok {
		conn = t.NetConn()
	}
	if _, ok := conn.(*shedConn); ok {
		return context.WithValue(ctx, shedKey{}, true)
	}
	return ctx
}

// shedding has full answer what is on a spare descriptor, or else h, and hangs
// up behind the answer.
func shedding(h, full http.Handler) http.Handler {
	if full == nil {
		full = h
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Context().Value(shedKey{}) == nil {
			h.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Connection", "close")
		full.ServeHTTP(w, r)
	})
}

// OpenFileLimit is how many file descriptors this process may have, 0 if that
// is not known.
func OpenFileLimit() int {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil || limit.Cur > 1<<30 {
		return 0
	}
	return int(limit.Cur)
}
