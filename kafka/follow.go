package kafka

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// follower reads whole topics, everything of them and then everything new.
//
// It works in rounds of at most metadataAge: look who leads what, make sure
// that what was read still holds, and have one loop for each leader.
type follower struct {
	c      *Client
	cl     *kgo.Client
	names  []string                // topics that are missed if they are gone; may be none
	wanted func(topic string) bool // other topics to follow once they exist
	since  func(context.Context, []tp) (map[tp]offset, error)
	looked func() // is called when all topics that there are will be read; may be nil

	// handle is called for what comes, and once for a partition that is new.
	// Only one call runs at a time.
	handle func(p tp, id [16]byte, g got)

	mu    sync.Mutex
	ids   map[string][16]byte
	parts map[tp]*place
}

// place is how far a partition was read.
type place struct {
	at        int64
	epoch     int32 // of the last record, -1 before the first
	leader    int32 // the leader epoch in which this was found to hold
	start, hw int64 // as handle was told
}

// run follows until ctx ends or the log is cut. It rides out everything else.
func (f *follower) run(ctx context.Context) error {
	f.ids, f.parts = map[string][16]byte{}, map[tp]*place{}
	for fails := 0; ; {
		more, err := f.round(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err == nil || more:
			fails = 0
		case !isTransient(err):
			return fmt.Errorf("kafka: %w", err)
		}
		if err != nil {
			if fails++; fails%60 == 6 { // about once a minute
				f.c.cfg.Log.Warn("reading stands still", "error", err)
			}
			wait(ctx, fails)
		}
	}
}

// round follows for a while. more tells whether anything was read.
func (f *follower) round(ctx context.Context) (more bool, err error) {
	byLeader, err := f.look(ctx)
	if err != nil {
		return false, err
	}
	if f.looked != nil {
		f.looked()
	}
	if len(byLeader) == 0 {
		return false, kerr.UnknownTopicOrPartition
	}
	// A fetch is not called off, because the next one would queue behind it.
	var stop, read atomic.Bool
	timer := time.AfterFunc(f.c.age, func() { stop.Store(true) })
	defer timer.Stop()
	errs := make(chan error, len(byLeader))
	for node, wants := range byLeader {
		go func() {
			defer stop.Store(true)
			errs <- f.fetch(ctx, node, wants, &stop, &read)
		}()
	}
	for range byLeader {
		if e := <-errs; err == nil || e != nil && !isTransient(e) {
			err = e
		}
	}
	return read.Load(), err
}

// look finds out who leads what, and that what was read still holds.
func (f *follower) look(ctx context.Context) (byLeader map[int32][]want, err error) {
	names := f.names
	if f.wanted != nil {
		names = nil // all
	}
	m, err := f.c.metadata(ctx, f.cl, names)
	if err != nil {
		return nil, err
	}
	for topic, id := range f.ids {
		if t, ok := m.topics[topic]; !ok || t.id != id {
			return nil, fmt.Errorf("topic %s: %w", topic, errCut)
		}
	}
	for _, topic := range f.names {
		if _, ok := m.topics[topic]; !ok {
			return nil, fmt.Errorf("topic %s is gone: %w", topic, errCut)
		}
	}
	var fresh []tp
	byLeader, read := map[int32][]want{}, map[tp]int32{}
	for topic, t := range m.topics {
		if names == nil && !f.wanted(topic) {
			continue
		}
		for i, l := range t.leaders {
			p := tp{topic, int32(i)}
			if l.node < 0 {
				return nil, kerr.LeaderNotAvailable
			}
			if at := f.parts[p]; at == nil {
				fresh = append(fresh, p)
			} else if at.epoch >= 0 && at.leader != l.epoch {
				read[p] = at.epoch
			}
		}
	}
	if err := f.verify(ctx, read); err != nil {
		return nil, err
	}
	if err := f.begin(ctx, m, fresh); err != nil {
		return nil, err
	}
	for p, at := range f.parts {
		l := m.topics[p.topic].leaders[p.partition]
		at.leader = l.epoch
		byLeader[l.node] = append(byLeader[l.node], want{p, f.ids[p.topic], at.at, l.epoch, chunk})
	}
	return byLeader, nil
}

// verify asks new leaders whether their logs have what was read of the old.
func (f *follower) verify(ctx context.Context, read map[tp]int32) error {
	if len(read) == 0 {
		return nil
	}
	ends, err := epochEnds(ctx, f.cl, read)
	if err != nil {
		return err
	}
	for p := range read {
		if end := ends[p]; end < f.parts[p].at {
			return fmt.Errorf("topic %s partition %d was read up to %d and ends at %d: %w", p.topic, p.partition, f.parts[p].at, end, errCut)
		}
	}
	return nil
}

// begin adds partitions, at the place where reading starts.
func (f *follower) begin(ctx context.Context, m metadata, fresh []tp) error {
	if len(fresh) == 0 {
		return nil
	}
	bounds, err := extents(ctx, f.cl, fresh)
	if err != nil {
		return err
	}
	starts, err := f.since(ctx, fresh)
	if err != nil {
		return err
	}
	for _, p := range fresh {
		at, b := starts[p].at, bounds[p]
		if at < 0 {
			at = b.end // nothing is as young
		}
		f.ids[p.topic] = m.topics[p.topic].id
		f.parts[p] = &place{at: at, epoch: -1, start: b.start, hw: max(b.end, at)}
		f.handle(p, f.ids[p.topic], got{
			kgo.FetchPartition{HighWatermark: max(b.end, at), LogStartOffset: b.start},
			at, m.topics[p.topic].leaders[p.partition].epoch,
		})
	}
	return nil
}

// fetch is the loop for one leader.
func (f *follower) fetch(ctx context.Context, node int32, wants []want, stop, read *atomic.Bool) error {
	for !stop.Load() {
		gots, err := fetch(ctx, f.cl, node, wants, 500*time.Millisecond)
		if err != nil {
			return err
		}
		for i := range wants {
			w := &wants[i]
			g, ok := gots[w.tp]
			if !ok {
				continue
			}
			if err := cut(g.Err); err != nil {
				return fmt.Errorf("topic %s partition %d at %d: %w", w.topic, w.partition, w.at, err)
			}
			if f.advance(w, g) {
				read.Store(true)
			}
		}
	}
	return nil
}

// advance hands over what came, and tells whether anything did.
func (f *follower) advance(w *want, g got) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	p := f.parts[w.tp]
	if g.next == p.at && g.HighWatermark == p.hw && g.LogStartOffset == p.start {
		return false
	}
	if n := len(g.Records); n > 0 {
		p.epoch = g.Records[n-1].LeaderEpoch
	}
	w.at, p.at, p.hw, p.start = g.next, g.next, g.HighWatermark, g.LogStartOffset
	f.handle(w.tp, w.id, g)
	return true
}
