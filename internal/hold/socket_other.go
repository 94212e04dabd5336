//go:build !linux

package hold

import (
	"net"
	"time"
)

// Elsewhere there is no loop: [Portable] holds all streams.

type poller struct{}

func newPoller() (*poller, error)             { return nil, ErrUnsupported }
func (*poller) add(int) error                 { return ErrUnsupported }
func (*poller) run(func(fd int, what uint32)) {}
func (*poller) close()                        {}
func duplicate(net.Conn) (fd int, err error)  { return 0, ErrUnsupported }
func send(int, []byte) (n int, err error)     { return 0, ErrUnsupported }
func receive(int, []byte) (n int, err error)  { return 0, ErrUnsupported }
func shutdown(int)                            {}
func closeFD(int)                             {}
func unheard(int, time.Duration) bool         { return false }
