package main

import (
	"context"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ebb-events/ebb/dev"
	"github.com/ebb-events/ebb/edge"
	"github.com/ebb-events/ebb/internal/serve"
)

// edgeAway is how long nobody listens for streams between two lives of an edge.
const edgeAway = time.Second

// devEdge is the edge of ebb dev. It can be killed, and lives again then
// without anything that it knew.
type devEdge struct {
	p      *process
	make   func() (*edge.Edge, error)
	server func(*edge.Edge) serve.Server
	limit  int // of streams

	now  atomic.Pointer[edgeLife]
	next chan *edgeLife // whose box is to be run
}

// edgeLife is one edge, from its making to its end.
type edgeLife struct {
	box     *edge.Edge
	control http.Handler
	ln      *dev.Cutter
	kill    func()        // has it killed
	dying   chan struct{} // closed when it is to be killed
	dead    chan struct{} // closed when nobody hears of it any more
	gone    chan struct{} // closed when its box has ended
}

// addTo puts the edge into a process: on ln for browsers, on control for
// publishers.
func (d *devEdge) addTo(p *process, ln, control net.Listener) error {
	d.p, d.next = p, make(chan *edgeLife, 1)
	if err := d.begin(ln); err != nil {
		return err
	}
	box := func() *edge.Edge { return d.now.Load().box }
	edgeGauges(p.admin.Metrics, box, d.limit)
	p.admin.Check("edge", func() error { return box().Ready() })
	p.front = append(p.front, serve.Part{Name: "edge", Run: d.serve})
	p.handler("control", control, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		d.now.Load().control.ServeHTTP(w, r)
	}))
	p.worker("edge", d.work)
	return nil
}

// begin begins a life.
func (d *devEdge) begin(ln net.Listener) error {
	box, err := d.make()
	if err != nil {
		return err
	}
	l := &edgeLife{
		box: box, control: box.Control(), ln: dev.NewCutter(ln),
		dying: make(chan struct{}), dead: make(chan struct{}), gone: make(chan struct{}),
	}
	l.kill = sync.OnceFunc(func() { close(l.dying) })
	d.now.Store(l)
	d.next <- l
	return nil
}

// serve serves browsers, life after life, until ctx ends.
func (d *devEdge) serve(ctx context.Context) error {
	for {
		l := d.now.Load()
		addr := l.ln.Addr().String()
		ended := make(chan error, 1)
		go func() { ended <- d.p.counted(d.server(l.box)).Run(ctx, edge.Listen(l.ln)) }()
		select {
		case err := <-ended:
			return err
		case <-l.dying:
		}
		// As a kill does it: whoever is connected hears nothing but the end.
		l.ln.Listener.Close()
		l.ln.Cut()
		close(l.dead)
		<-ended // not to listen any more is an error of its own
		d.p.env.log.Warn("the edge was killed, as somebody asked for", "back", edgeAway)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(edgeAway):
		}
		<-l.gone
		ln, err := serve.Listen(addr, "--edge-addr")
		if err == nil {
			err = d.begin(ln)
		}
		if err != nil {
			return err
		}
	}
}

// work runs the box of each life, until ctx ends.
func (d *devEdge) work(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case l := <-d.next:
			if err := l.run(ctx); err != nil {
				return err
			}
		}
	}
}

// run runs the box until ctx ends or it is killed.
func (l *edgeLife) run(ctx context.Context) error {
	defer close(l.gone)
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	go func() {
		select {
		case <-l.dead:
			stop()
		case <-ctx.Done():
		}
	}()
	return l.box.Run(ctx)
}

// Cut cuts all streams.
func (d *devEdge) Cut() int { return d.now.Load().ln.Cut() }

// Restart has the edge killed and made anew.
func (d *devEdge) Restart() { d.now.Load().kill() }

// Up tells whether streams can be had.
func (d *devEdge) Up() bool {
	l := d.now.Load()
	select {
	case <-l.dying:
		return false
	default:
		return l.box.Ready() == nil
	}
}
