package broker

import (
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"testing"
)

// starving is a listener without file descriptors, for a while.
type starving struct {
	net.Listener
	left atomic.Int32
}

func (s *starving) Accept() (net.Conn, error) {
	if s.left.Add(-1) >= 0 {
		return nil, &net.OpError{Op: "accept", Err: os.NewSyscallError("accept4", syscall.EMFILE)}
	}
	return s.Listener.Accept()
}

// TestListenerOutlivesExhaustion: a broker that hung up for good, since there
// were no file descriptors for a moment, would take its process with it.
func TestListenerOutlivesExhaustion(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &starving{Listener: ln}
	s.left.Store(3)
	l := newListener(s, ln.Addr().String())
	served := make(chan struct{})
	go func() { defer close(served); l.serve() }()
	client, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	s.left.Store(1 << 30) // also then it can be closed
	l.Close()
	<-served
}
