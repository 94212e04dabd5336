package hold

import (
	"net"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// duplicate returns another descriptor of conn's socket, so that conn can be let
// go of, with what it costs in Go's run time.
func duplicate(conn net.Conn) (fd int, err error) {
	sc, ok := conn.(syscall.Conn)
	if !ok {
		return 0, ErrUnsupported
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return 0, err
	}
	var failed error
	err = raw.Control(func(own uintptr) {
		fd, failed = unix.FcntlInt(own, unix.F_DUPFD_CLOEXEC, 0)
	})
	if err == nil {
		err = os.NewSyscallError("fcntl", failed)
	}
	return fd, err
}

// poller tells what happens on sockets.
type poller struct {
	fd   int
	file *os.File // the same: so that Go's own poller waits for it, and no thread does
	raw  syscall.RawConn
}

func newPoller() (*poller, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		return nil, err
	}
	p := &poller{fd: fd, file: os.NewFile(uintptr(fd), "epoll")}
	p.raw, err = p.file.SyscallConn()
	return p, err
}

// add makes the poller tell of a socket, once for each change. The kernel's own
// limit on what is not acknowledged would end slow readers too early: see unheard.
func (p *poller) add(fd int) error {
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, 0)
	return unix.EpollCtl(p.fd, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{
		Events: unix.EPOLLIN | unix.EPOLLOUT | unix.EPOLLRDHUP | unix.EPOLLET, Fd: int32(fd),
	})
}

// run tells until close.
func (p *poller) run(tell func(fd int, what uint32)) {
	events := make([]unix.EpollEvent, 256)
	for {
		n := 0
		err := p.raw.Read(func(fd uintptr) bool {
			n, _ = unix.EpollWait(int(fd), events, 0)
			return n > 0
		})
		if err != nil {
			return
		}
		for _, e := range events[:n] {
			what := uint32(0)
			if e.Events&^unix.EPOLLOUT != 0 {
				what = readable // reading tells what it is
			}
			tell(int(e.Fd), what)
		}
	}
}

func (p *poller) close() { p.file.Close() }

// send writes what the socket takes.
func send(fd int, b []byte) (n int, err error) {
	for n < len(b) {
		m, err := unix.Write(fd, b[n:])
		switch err {
		case nil:
			n += m
		case unix.EAGAIN:
			return n, nil
		case unix.EINTR:
		default:
			return n, err
		}
	}
	return n, nil
}

// receive reads; n is 0 at the end, and -1 if there is nothing for now.
func receive(fd int, b []byte) (n int, err error) {
	for {
		n, err = unix.Read(fd, b)
		switch err {
		case unix.EAGAIN:
			return -1, nil
		case unix.EINTR:
		default:
			return n, err
		}
	}
}

func shutdown(fd int) { _ = unix.Shutdown(fd, unix.SHUT_WR) }

func closeFD(fd int) { _ = unix.Close(fd) }

// unheard tells whether what was sent has not been acknowledged for so long that
// nobody can be there.
func unheard(fd int, long time.Duration) bool {
	if n, err := unix.IoctlGetInt(fd, unix.SIOCOUTQ); err == nil && n == 0 {
		return false // all of it has been: the usual case, and the cheaper question
	}
	info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
	return err == nil && info.Unacked > 0 && info.Last_ack_recv > uint32(long.Milliseconds())
}
