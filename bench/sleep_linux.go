package bench

import (
	"time"

	"golang.org/x/sys/unix"
)

// nanosleep sleeps in the kernel: Go's timers are those of epoll, which counts
// in milliseconds. A signal may end it early.
func nanosleep(d time.Duration) {
	t := unix.NsecToTimespec(d.Nanoseconds())
	_ = unix.Nanosleep(&t, nil)
}
