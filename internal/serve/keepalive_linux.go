package serve

import (
	"errors"
	"net"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// forget has connections forgotten whose peer acknowledges nothing: keep-alives
// are not sent while something else is on the way. What the listening socket
// has every connection inherits, without a system call for each.
func forget(config *net.ListenConfig) {
	idle, interval := keepAlive.Idle, keepAlive.Interval
	config.KeepAliveConfig, config.KeepAlive = net.KeepAliveConfig{}, -1
	config.Control = func(_, _ string, raw syscall.RawConn) error {
		var failed error
		err := raw.Control(func(fd uintptr) {
			set := func(level, option, value int) {
				failed = errors.Join(failed, unix.SetsockoptInt(int(fd), level, option, value))
			}
			set(unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1)
			set(unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, int(idle/time.Second))
			set(unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, int(interval/time.Second))
			set(unix.IPPROTO_TCP, unix.TCP_KEEPCNT, keepAlive.Count)
			set(unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(peerTimeout/time.Millisecond))
		})
		return errors.Join(err, failed)
	}
}
