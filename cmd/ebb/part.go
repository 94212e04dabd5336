package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"slices"
	"time"

	"github.com/ebb-events/ebb/internal/serve"
)

// process is the parts of one process, in the order of their ending: what
// browsers are connected to, what works behind it, and what tells about both.
type process struct {
	env       *environment
	admin     *serve.Admin
	front     []serve.Part
	behind    []serve.Part
	last      []serve.Part
	listeners []net.Listener
	closers   []func()
	lost      func()        // counts records that were too large for the channel log
	panicked  func()        // counts requests that panicked
	crowded   func()        // counts connections of addresses that have too many
	traces    *serve.Traces // nil if there are none
}

func newProcess(env *environment) *process {
	admin := serve.NewAdmin()
	lost := admin.Counter("kafka_lost_records_total", "Records too large for the channel log; a gap was written instead.")
	panicked := admin.Counter("requests_panicked_total", "Requests that ended by a bug: the log has where.")
	crowded := admin.Counter("connections_refused_total", "Connections hung up on, as their address has too many.")
	return &process{env: env, admin: admin, lost: once(lost), panicked: once(panicked), crowded: once(crowded)}
}

// listen opens an address, which is closed again if the process does not run.
func (p *process) listen(addr, flag, part string) (net.Listener, error) {
	ln, err := serve.Listen(addr, flag)
	if err != nil {
		return nil, err
	}
	p.listeners = append(p.listeners, ln)
	p.env.log.Info("serving", "part", part, "addr", ln.Addr().String())
	return ln, nil
}

// serveAdmin is the listener for operators.
func (p *process) serveAdmin(addr string) error {
	ln, err := p.listen(addr, "--admin-addr", "admin")
	if err != nil {
		return err
	}
	p.last = append(p.last, serve.Part{Name: "admin", Run: func(ctx context.Context) error { return p.admin.Run(ctx, ln, p.env.log) }})
	return nil
}

// counted is a server whose troubles are those of the process.
func (p *process) counted(s serve.Server) serve.Server {
	s.Log, s.Panicked, s.Crowded = p.env.log, p.panicked, p.crowded
	return s
}

// server is a part in front.
func (p *process) server(name string, ln net.Listener, s serve.Server) {
	s = p.counted(s)
	p.front = append(p.front, serve.Part{Name: name, Run: func(ctx context.Context) error { return s.Run(ctx, ln) }})
}

// handler is a server without streams.
func (p *process) handler(name string, ln net.Listener, h http.Handler) {
	p.server(name, ln, serve.Server{Handler: h})
}

// worker is a part behind.
func (p *process) worker(name string, run func(ctx context.Context) error) {
	p.behind = append(p.behind, serve.Part{Name: name, Run: run})
}

// atEnd is called when all parts have ended, the latest first.
func (p *process) atEnd(f func()) { p.closers = append(p.closers, f) }

// closing is how long it may take to let go of things. A broker that is silent
// is not waited for.
const closing = time.Second

// close lets go of everything, also of a process that did not come to run.
// What takes too long is left to the end of the program.
func (p *process) close() {
	for _, ln := range p.listeners {
		ln.Close()
	}
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		for _, f := range slices.Backward(p.closers) {
			f()
		}
	}()
	select {
	case <-closed:
	case <-time.After(closing):
		p.env.log.Warn("ended without saying goodbye to the brokers")
	}
}

// run runs all parts until ctx ends or one does, and says once that they serve.
func (p *process) run(ctx context.Context, ready string) error {
	p.admin.Check("running", ctx.Err)
	announcer := serve.Part{Name: "announcer", Run: func(stop context.Context) error {
		if p.admin.WaitReady(stop, 50*time.Millisecond) == nil {
			fmt.Fprintln(p.env.stdout, ready)
		}
		<-stop.Done()
		return nil
	}}
	trimmer := serve.Part{Name: "memory", Run: serve.Trim}
	err := serve.Run(ctx, p.front, p.behind, append(p.last, announcer, trimmer))
	p.env.log.Info("ended")
	return err
}
