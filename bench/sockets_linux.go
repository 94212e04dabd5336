package bench

import (
	"errors"
	"net/netip"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// sockets are very many connections that one thread looks after.
type sockets struct {
	epoll  int
	events []unix.EpollEvent
}

// ready is a socket that something can be done with. Which is what it was
// added as.
type ready struct {
	which, life     int32
	writable, ended bool
}

func newSockets() (*sockets, error) {
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	return &sockets{epoll, make([]unix.EpollEvent, 1024)}, err
}

func (s *sockets) close() { _ = unix.Close(s.epoll) }

// connect begins a connection. Every some thousand streams have a source
// address of their own, or there would be too few ports.
func (s *sockets) connect(to netip.AddrPort, which, life int32) (fd int, err error) {
	fd, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	from := &unix.SockaddrInet4{Addr: [4]byte{127, 0, 1, byte(1 + which/8000)}}
	_ = unix.SetsockoptInt(fd, unix.SOL_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1)
	err = unix.Bind(fd, from)
	if err == nil {
		err = unix.Connect(fd, &unix.SockaddrInet4{Addr: to.Addr().As4(), Port: int(to.Port())})
	}
	if err == nil || errors.Is(err, unix.EINPROGRESS) {
		err = unix.EpollCtl(s.epoll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{
			Events: unix.EPOLLIN | unix.EPOLLOUT | unix.EPOLLRDHUP | unix.EPOLLET, Fd: which, Pad: life,
		})
	}
	if err != nil {
		_ = unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// wait adds what is ready within that time.
func (s *sockets) wait(d time.Duration, to []ready) ([]ready, error) {
	n, err := unix.EpollWait(s.epoll, s.events, int(d/time.Millisecond))
	if errors.Is(err, unix.EINTR) {
		return to, nil
	}
	for _, e := range s.events[:max(n, 0)] {
		to = append(to, ready{
			which: e.Fd, life: e.Pad,
			writable: e.Events&unix.EPOLLOUT != 0,
			ended:    e.Events&(unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0,
		})
	}
	return to, err
}

// read returns 0 if there is nothing to read, and an error at the end.
func (s *sockets) read(fd int, b []byte) (n int, err error) {
	n, err = unix.Read(fd, b)
	switch {
	case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EINTR):
		return 0, nil
	case err == nil && n == 0:
		return 0, errEnded
	}
	return max(n, 0), err
}

func (s *sockets) write(fd int, b []byte) error {
	n, err := unix.Write(fd, b)
	if err == nil && n < len(b) {
		err = errors.New("a request was not taken at once")
	}
	return err
}

// cut ends a connection at once, without leaving its port in use.
func (s *sockets) cut(fd int) {
	_ = unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	_ = unix.Close(fd)
}

// narrow gives a socket a small buffer, so that it takes data in small steps.
func narrow(_, _ string, c syscall.RawConn) error {
	var err error
	return errors.Join(c.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, 4<<10)
	}), err)
}
