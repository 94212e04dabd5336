package bench

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"time"
)

// target is a server that is measured: streams are opened at it, and events
// given to it. It runs in processes of its own.
type target struct {
	name    string
	version string // of its package
	streams string // host:port where streams are opened
	atOnce  int    // streams it lets us open at a time; as many as we like if 0
	hello   bool   // it says ebb.hello when a stream is attached

	// paths returns what to ask for, to hear what is sent to these users.
	paths func(ctx context.Context, users []int32) ([]string, error)
	// publish returns when all items are accepted.
	publish func(ctx context.Context, items []item) error

	measured *server
	helpers  []*server // what it needs beside it
	closers  []func() error
	dir      string // removed at the end
}

// item is an event to publish. It is sent when it is published.
type item struct {
	user   int32
	number uint32
	size   int // of its data
}

// channel is the name of a user's channel.
func channel(user int32) string {
	if user == everybody {
		return "everybody"
	}
	return fmt.Sprintf("user%05d", user)
}

// stop ends the target's processes.
func (t *target) stop() error {
	var err error
	for _, s := range append([]*server{t.measured}, t.helpers...) {
		if s != nil {
			err = errors.Join(err, s.stop())
		}
	}
	for _, c := range t.closers {
		err = errors.Join(err, c())
	}
	if t.dir != "" {
		err = errors.Join(err, os.RemoveAll(t.dir))
	}
	return err
}

// pids are the processes that are measured.
func (t *target) pids() []int { return family(t.measured.cmd.Process.Pid) }

// startAt starts a server that does not say when it is ready, and waits until
// it listens.
func startAt(ctx context.Context, cmd *exec.Cmd, addrs ...string) (*server, error) {
	s := &server{cmd: cmd, anyEnd: true}
	cmd.Stdout, cmd.Stderr = &s.log, &s.log
	cmd.WaitDelay = time.Second
	bind(cmd)
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	give, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for _, addr := range addrs {
		for {
			conn, err := new(net.Dialer).DialContext(give, "tcp", addr)
			if err == nil {
				conn.Close()
				break
			}
			if give.Err() != nil {
				_ = s.stop()
				return nil, fmt.Errorf("%s does not listen on %s: %s", cmd.Args[0], addr, strings.TrimSpace(string(s.log)))
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
	return s, nil
}

// freeAddr is one that nobody listens on, for who needs to know it before.
func freeAddr() (string, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return ln.Addr().String(), ln.Close()
}
