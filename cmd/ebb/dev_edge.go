package main

import (
	"context"
	"net"
	"net/http"
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
	kill chan struct{}  // has one when the edge shall be killed
	next chan *edgeLife // whose box is to be run
}

// edgeLife is one edge, from its making to its end.
type edgeLife struct {
	box     *edge.Edge
	control http.Handler
	ln      *dev.Cutter
	killed  chan struct{} // closed when it was
	gone    chan struct{} // closed when its box has ended
}

// addTo puts the edge into a process: on ln for browsers, on control for
// publishers.
func (d *devEdge) addTo(p *process, ln, control net.Listener) error {
	d.p, d.kill, d.next = p, make(chan struct{}, 1), make(chan *edgeLife, 1)
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
	l := &edgeLife{box: box, control: box.Control(), ln: dev.NewCutter(ln), killed: make(chan struct{}), gone: make(chan struct{})}
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
		case <-d.kill:
		}
		// As a kill does it: whoever is connected hears nothing but the end.
		close(l.killed)
		l.ln.Listener.Close()
		l.ln.Cut()
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
		case <-l.killed:
			stop()
		case <-ctx.Done():
		}
	}()
	return l.box.Run(ctx)
}

// Cut cuts all streams.
func (d *devEdge) Cut() int { return d.now.Load().ln.Cut() }

// Restart has the edge killed and made anew.
func (d *devEdge) Restart() {
	if d.now.Load().dead() {
		return
	}
	select {
	case d.kill <- struct{}{}:
	default: // it is going to be
	}
}

// Up tells whether streams can be had.
func (d *devEdge) Up() bool {
	l := d.now.Load()
	return !l.dead() && len(d.kill) == 0 && l.box.Ready() == nil
}

func (l *edgeLife) dead() bool {
	select {
	case <-l.killed:
		return true
	default:
		return false
	}
}
