package edge

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/ebb-events/ebb/channel"
)

// patience is how long one answer of the log may take.
const patience = 30 * time.Second

// What is read for one stream at a time: less if very much waits to be sent. A
// socket that takes none keeps no lane: the next part is read when this is gone.
const (
	chunk  = 256 << 10
	little = 16 << 10
	unsent = 64 << 20 // of all streams
)

// lanes are a bounded number of ways to the log itself. All who wait for one
// partition go together: what they need is read once.
type lanes struct {
	edge *Edge
	read bool // else only positions are judged
	turn chan struct{}

	mu      sync.Mutex
	waiting map[place][]*question
	order   []place // that wait and are not on their way
}

// place is a partition in a reading of the log.
type place struct {
	tail      *tail
	partition int32
}

func newLanes(e *Edge, n int, read bool) *lanes {
	return &lanes{edge: e, read: read, turn: make(chan struct{}, n), waiting: map[place][]*question{}}
}

func (l *lanes) add(t *tail, partition int32, questions ...*question) {
	at := place{t, partition}
	l.mu.Lock()
	if _, ok := l.waiting[at]; !ok {
		l.order = append(l.order, at)
	}
	l.waiting[at] = append(l.waiting[at], questions...)
	l.mu.Unlock()
	select {
	case l.turn <- struct{}{}:
	default: // all lanes will look again
	}
}

// run is one lane. It returns when ctx ends.
func (l *lanes) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-l.turn:
		}
		for at, ok := l.next(); ok && ctx.Err() == nil; at, ok = l.next() {
			l.pass(ctx, at)
		}
	}
}

// next takes the place that has waited longest. It stays among the waiting, so
// that no other lane takes it, until [lanes.pass] is done.
func (l *lanes) next() (at place, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.order) == 0 {
		return place{}, false
	}
	at = l.order[0]
	l.order = l.order[1:]
	return at, true
}

// pass answers all who wait at a place, or some of them. Those left go on in
// their turn, or, if the log is away, after a while.
func (l *lanes) pass(ctx context.Context, at place) {
	l.mu.Lock()
	asked := l.waiting[at]
	l.waiting[at] = nil
	l.mu.Unlock()

	ctx, cancel := context.WithTimeout(ctx, patience) // nobody may keep a lane
	defer cancel()
	left, err := l.judge(ctx, at.partition, asked)
	if err == nil && l.read && len(left) > 0 {
		left, err = l.replay(ctx, at, left)
	}

	l.mu.Lock()
	l.waiting[at] = append(left, l.waiting[at]...)
	switch {
	case len(l.waiting[at]) == 0:
		delete(l.waiting, at)
	case err == nil:
		l.order = append(l.order, at)
	default:
		time.AfterFunc(time.Second/2+rand.N(time.Second), func() { l.again(at) })
	}
	l.mu.Unlock()
}

func (l *lanes) again(at place) {
	l.mu.Lock()
	l.order = append(l.order, at)
	l.mu.Unlock()
	l.add(at.tail, at.partition) // for its turn
}

// judge asks the leader once for each epoch that there is among the questions,
// and answers those that cannot go on; all of them, if nothing is to be read.
func (l *lanes) judge(ctx context.Context, partition int32, asked []*question) (left []*question, err error) {
	bounds := map[int32]channel.Bounds{}
	for i, q := range asked {
		if q.state.Load() == isDropped {
			continue
		}
		b, ok := bounds[q.from.Epoch]
		if !ok {
			if b, err = l.edge.cfg.Log.Bounds(ctx, partition, q.from.Epoch); err != nil {
				return append(left, asked[i:]...), err
			}
			bounds[q.from.Epoch] = b
		}
		if q.reset = verdict(q.from, b); q.reset != "" || !l.read {
			q.answer()
		} else {
			left = append(left, q)
		}
	}
	return left, nil
}

// replay reads the log from the position furthest back up to the window, and
// gives each question its part.
func (l *lanes) replay(ctx context.Context, at place, asked []*question) (left []*question, err error) {
	r := newReplay(l.edge, at, asked)
	warm := time.Duration(0)
	if slices.ContainsFunc(asked, func(q *question) bool { return !q.late.warm }) {
		warm = keep
	}
	until := at.tail.window.Start(at.partition)
	err = l.edge.cfg.Log.Read(ctx, at.partition, r.ahead[0].from.Offset+1, until, warm, r.take)
	return r.end(err, until)
}
