package hold

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"time"
)

// Listen returns ln with connections that a [Loop] can also take over when TLS
// is spoken on them.
func Listen(ln net.Listener) net.Listener { return wires{ln} }

type wires struct{ net.Listener }

func (l wires) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &wire{Conn: conn}, nil
}

// SetDeadline limits how long Accept waits.
func (l wires) SetDeadline(t time.Time) error {
	if d, ok := l.Listener.(interface{ SetDeadline(time.Time) error }); ok {
		return d.SetDeadline(t)
	}
	return nil
}

// wire is a connection, or, when it was taken over, what stands in for it below
// TLS: that reads the socket without waiting, and writes to memory.
type wire struct {
	net.Conn // nil when taken over
	fd       int
	out      []byte
}

// take leaves the socket to fd.
func (w *wire) take(fd int) {
	w.Conn.Close()
	w.Conn, w.fd = nil, fd
}

func (w *wire) Read(b []byte) (n int, err error) {
	if w.Conn != nil {
		return w.Conn.Read(b)
	}
	switch n, err = receive(w.fd, b); {
	case err != nil:
		return 0, err
	case n == 0:
		return 0, io.EOF
	case n < 0:
		return 0, os.ErrDeadlineExceeded // which TLS takes for no fault
	}
	return n, nil
}

func (w *wire) Write(b []byte) (int, error) {
	if w.Conn != nil {
		return w.Conn.Write(b)
	}
	w.out = append(w.out, b...)
	return len(b), nil
}

func (w *wire) Close() error {
	if w.Conn != nil {
		return w.Conn.Close()
	}
	return nil // its socket is not its own
}

func (w *wire) SetDeadline(t time.Time) error {
	if w.Conn != nil {
		return w.Conn.SetDeadline(t)
	}
	return nil
}

func (w *wire) SetReadDeadline(t time.Time) error {
	if w.Conn != nil {
		return w.Conn.SetReadDeadline(t)
	}
	return nil
}

func (w *wire) SetWriteDeadline(t time.Time) error {
	if w.Conn != nil {
		return w.Conn.SetWriteDeadline(t)
	}
	return nil
}

// SyscallConn is for [Loop.Open].
func (w *wire) SyscallConn() (syscall.RawConn, error) {
	if sc, ok := w.Conn.(syscall.Conn); ok {
		return sc.SyscallConn()
	}
	return nil, ErrUnsupported
}

// secure is TLS on a socket that was taken over.
type secure struct {
	tls  *tls.Conn
	wire *wire
}

// seal appends to into what b is on the wire, and what TLS itself had to say.
func (s *secure) seal(into, b []byte) ([]byte, error) {
	s.wire.out = append(into, s.wire.out...)
	_, err := s.tls.Write(b)
	into, s.wire.out = s.wire.out, nil
	return into, err
}

// bye appends to into the end of our side.
func (s *secure) bye(into []byte) []byte {
	s.wire.out = into
	_ = s.tls.CloseWrite()
	into, s.wire.out = s.wire.out, nil
	return into
}

// open reads what has come; n is as that of receive.
func (s *secure) open(b []byte) (n int, err error) {
	n, err = s.tls.Read(b)
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return -1, nil
	case err == io.EOF:
		return 0, nil
	}
	return n, err
}
