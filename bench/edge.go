package bench

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Edge measures what holding very many streams takes, and what sending events
// to them costs: of Ebb, of a floor in C below which nothing can be, and of
// other servers, all in one run and with the same client.
type Edge struct {
	Program string   // path of ebb; required
	Streams int      // 15,000 if zero
	Sizes   []int    // fewer streams to measure with too, for the plot
	Peers   []string // of [Peers]
	Only    []string // of [Parts]; all if nil

	Size       int // bytes of an event's data; 200 if zero
	Rounds     int // broadcasts of one block, one at a time; 10 if zero
	Burst      int // broadcasts as fast as accepted; 50 if zero
	Personal   int // events for each single user; 20 if zero
	Missed     int // events that each misses while away; 10 if zero
	Fast       int // streams beside a slow reader; 1,000 if zero
	SlowEvents int // of 1 KiB, to the slow reader; 8,000 if zero
	SlowRate   int // of them, a second; 250 if zero
	Secure     int // streams over TLS; 2,000 if zero

	Settle   time.Duration                     // most time to let memory settle; a minute if zero
	Patience time.Duration                     // how long nothing may come before it counts as lost; 10 s if zero
	Progress func(step string, done, want int) // is told of progress, one call at a time; may be nil
}

// Parts are what can be measured.
var Parts = []string{"fanout", "personal", "slow", "secure"}

// Peers are the servers that Ebb can be measured beside.
func Peers() []string { return slices.Sorted(maps.Keys(peers)) }

// Report is what an [Edge] measured.
type Report struct {
	Edge    Edge // as it was measured
	Floor   *Server
	Ebb     *Server
	Peers   []*Server
	Slow    *Slow
	Secure  []Secure
	Took    time.Duration
	LeftOut []string // what is missing, and why
}

// Server is how one server did. What was not measured is zero or nil.
type Server struct {
	Name     string
	Version  string   // of a peer's Debian package
	Memory   []Point  // bytes for a stream, over the number of streams
	CPU      []Point  // nanoseconds for a delivery, one broadcast at a time
	Blocks   []Fanout // those at the full number of streams
	Burst    *Fanout
	Personal *Personal
}

// Point is a value at a number of streams.
type Point struct {
	Streams int
	Value   float64
}

// Alone is all blocks together: one broadcast at a time.
func (s *Server) Alone() (f Fanout) {
	for _, b := range s.Blocks {
		f = f.plus(b)
	}
	return f
}

func (e Edge) complete() (Edge, error) {
	for _, n := range []struct {
		to   *int
		none int
	}{
		{&e.Streams, 15_000}, {&e.Size, 200}, {&e.Rounds, 10}, {&e.Burst, 50}, {&e.Personal, 20}, {&e.Missed, 10},
		{&e.Fast, 1000}, {&e.SlowEvents, 8000}, {&e.SlowRate, 250}, {&e.Secure, 2000},
	} {
		if *n.to < 0 {
			return e, errors.New("bench: numbers must not be negative")
		}
		if *n.to == 0 {
			*n.to = n.none
		}
	}
	if e.Program == "" {
		return e, errors.New("bench: Program is required")
	}
	for _, p := range e.Peers {
		if peers[p] == nil {
			return e, fmt.Errorf("bench: %q is none of the peers %s", p, strings.Join(Peers(), ", "))
		}
	}
	for _, p := range e.Only {
		if !slices.Contains(Parts, p) {
			return e, fmt.Errorf("bench: %q is none of the parts %s", p, strings.Join(Parts, ", "))
		}
	}
	if e.Only == nil {
		e.Only = Parts
	}
	e.Sizes = slices.DeleteFunc(slices.Clone(e.Sizes), func(n int) bool { return n <= 0 || n >= e.Streams })
	slices.Sort(e.Sizes)
	e.Sizes = append(slices.Compact(e.Sizes), e.Streams)
	if e.Settle == 0 {
		e.Settle = time.Minute
	}
	if e.Patience == 0 {
		e.Patience = 10 * time.Second
	}
	if e.Progress == nil {
		e.Progress = func(string, int, int) {}
	}
	return e, nil
}

// spare is how many files may be open beside the streams.
const spare = 500

// Run starts the servers, one after the other but for the floor, which takes
// turns with Ebb, measures, and stops them.
func (e Edge) Run(ctx context.Context) (*Report, error) {
	e, err := e.complete()
	if err != nil {
		return nil, err
	}
	files, err := openFiles()
	if err != nil {
		return nil, fmt.Errorf("bench: holding very many streams: %w", err)
	}
	if need := e.Streams + spare; files < need {
		return nil, fmt.Errorf("bench: %d streams need %d open files, and the limit is %d (ulimit -n)", e.Streams, need, files)
	}
	begin := time.Now()
	r := &Report{Edge: e, Ebb: &Server{Name: "Ebb"}}
	ours := ebbEdge{program: e.Program}
	for _, part := range []struct {
		name string
		run  func() error
	}{
		{"fanout", func() error { return e.fanouts(ctx, r, ours) }},
		{"personal", func() error { return e.personals(ctx, r, ours) }},
		{"slow", func() error {
			return e.with(ctx, ours.start, func(t *trial) error {
				return e.with(ctx, ours.start, func(control *trial) error {
					slow, err := e.slow(ctx, t, control)
					r.Slow = &slow
					return err
				})
			})
		}},
		{"secure", func() error { return e.secures(ctx, r, ours) }},
	} {
		if !e.has(part.name) {
			continue
		}
		if err := r.leaveOut(part.run()); err != nil {
			return nil, fmt.Errorf("bench: %s: %w", part.name, err)
		}
	}
	r.Took = time.Since(begin)
	return r, nil
}

// has tells whether a part is measured.
func (e Edge) has(part string) bool { return slices.Contains(e.Only, part) }

// leaveOut notes what could not be measured here, and returns other errors.
func (r *Report) leaveOut(err error) error {
	if why, ok := errors.AsType[errLeftOut](err); ok {
		r.LeftOut = append(r.LeftOut, string(why))
		return nil
	}
	return err
}

// with runs f with a server of its own.
func (e Edge) with(ctx context.Context, start func(context.Context) (*target, error), f func(*trial) error) error {
	t, err := e.begin(ctx, start)
	if err != nil {
		return err
	}
	if err := f(t); err != nil {
		return errors.Join(fmt.Errorf("%s: %w", t.name, err), t.end())
	}
	return t.end()
}

func (e Edge) personals(ctx context.Context, r *Report, ours ebbEdge) error {
	err := e.with(ctx, ours.start, func(t *trial) error {
		p, err := e.personal(ctx, t, 1000, 4)
		r.Ebb.Personal = &p
		return err
	})
	if err != nil || !slices.Contains(e.Peers, "nchan") {
		return err
	}
	return e.with(ctx, startNchan, func(t *trial) error { // the only peer here that can resume
		p, err := e.personal(ctx, t, 1, 8)
		r.peer(t).Personal = &p
		return err
	})
}

// peer returns the results of a peer, which is added if it is new.
func (r *Report) peer(t *trial) *Server {
	for _, p := range r.Peers {
		if p.Name == t.name {
			return p
		}
	}
	r.Peers = append(r.Peers, &Server{Name: t.name, Version: t.version})
	return r.Peers[len(r.Peers)-1]
}

func (e Edge) secures(ctx context.Context, r *Report, ours ebbEdge) error {
	ours.secure = true
	for _, http2 := range []bool{false, true} {
		err := e.with(ctx, ours.start, func(t *trial) error {
			s, err := e.secure(ctx, t, http2)
			r.Secure = append(r.Secure, s)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}
