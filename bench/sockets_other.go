//go:build !linux

package bench

import (
	"errors"
	"net/netip"
	"syscall"
	"time"
)

// sockets are those of Linux; elsewhere there are none.
type sockets struct{}

type ready struct {
	which, life     int32
	writable, ended bool
}

func newSockets() (*sockets, error)                                { return nil, errors.ErrUnsupported }
func (*sockets) close()                                            {}
func (*sockets) connect(netip.AddrPort, int32, int32) (int, error) { return 0, errors.ErrUnsupported }
func (*sockets) wait(_ time.Duration, to []ready) ([]ready, error) { return to, errors.ErrUnsupported }
func (*sockets) read(int, []byte) (int, error)                     { return 0, errors.ErrUnsupported }
func (*sockets) write(int, []byte) error                           { return errors.ErrUnsupported }
func (*sockets) cut(int)                                           {}

func narrow(string, string, syscall.RawConn) error { return errors.ErrUnsupported }
