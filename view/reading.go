package view

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"sync"

	"github.com/ebb-events/ebb"
)

// reading is what one call of Follow has handed over.
type reading struct {
	over chan struct{} // closed when it no longer holds

	mu      sync.RWMutex
	topics  map[string]string // by type, of those that were read to their end once
	states  map[string]*topic // by name
	reached map[place]int64
	further chan struct{} // closed when there is more
}

// topic is the instances of one topic.
type topic struct {
	byID    map[string]*instance // the deleted, too
	shown   ordered              // those that are not
	awaited map[string]*awaited  // changes of instances that somebody waits for
}

// awaited is closed when an instance changes.
type awaited struct {
	changed chan struct{}
	waiters int
}

type place struct {
	topic     string
	partition int32
}

// instance is a state as it was once. It never changes, so that readers share
// it.
type instance struct {
	id    string
	seq   int64
	json  json.RawMessage // nil if it is deleted
	hrefs []href

	limited bool     // only readers may see it
	readers []string // users and roles; no map, which is large
}

// shows tells whether u may see an instance.
func (i *instance) shows(u ebb.User) bool {
	return !i.limited || ebb.ACL{ebb.ActionGet: i.readers}.Allows(u, ebb.ActionGet)
}

func newReading() *reading {
	return &reading{
		over:    make(chan struct{}),
		topics:  map[string]string{},
		states:  map[string]*topic{},
		reached: map[place]int64{},
		further: make(chan struct{}),
	}
}

// topic returns a topic, maybe a new one.
func (r *reading) topic(name string) *topic {
	t := r.states[name]
	if t == nil {
		t = &topic{byID: map[string]*instance{}, awaited: map[string]*awaited{}}
		r.states[name] = t
	}
	return t
}

// known tells whether a type's topic was read to its end once.
func (r *reading) known(typ string) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	_, ok := r.topics[typ]
	return ok
}

// moment returns the instances of types that are known, as they are now.
func (r *reading) moment(types []string) map[string]snapshot {
	r.mu.Lock()
	defer r.mu.Unlock()
	m := map[string]snapshot{}
	for _, typ := range types {
		if name, ok := r.topics[typ]; ok {
			m[typ] = r.topic(name).shown.snapshot()
		}
	}
	return m
}

// await blocks until u can see an instance whose _seq is seq or more, or could
// if it were not deleted. What u may not see is waited for like what is not
// there. again says that all is read anew.
func (r *reading) await(ctx context.Context, typ, id string, u ebb.User, seq int64) (again bool, err error) {
	for {
		r.mu.Lock()
		t := r.topic(r.topics[typ])
		if i := t.byID[id]; i != nil && i.seq >= seq && i.shows(u) {
			r.mu.Unlock()
			return false, nil
		}
		a := t.awaited[id]
		if a == nil {
			a = &awaited{changed: make(chan struct{})}
			t.awaited[id] = a
		}
		a.waiters++
		r.mu.Unlock()

		select {
		case <-a.changed:
			continue
		case <-r.over:
			return true, nil
		case <-ctx.Done():
		}
		r.mu.Lock()
		if a.waiters--; a.waiters == 0 && t.awaited[id] == a {
			delete(t.awaited, id)
		}
		r.mu.Unlock()
		return false, ctx.Err()
	}
}

// wait blocks until everything before ends was read. again says that it never
// will be, because it is read anew.
func (r *reading) wait(ctx context.Context, typ string, ends []ebb.Position) (again bool, err error) {
	for {
		further, done := r.passed(typ, ends)
		if done {
			return false, nil
		}
		select {
		case <-further:
		case <-r.over:
			return true, nil
		case <-ctx.Done():
			return false, ctx.Err()
		}
	}
}

// passed tells whether everything before ends was read, and if not what to
// wait for before asking again.
func (r *reading) passed(typ string, ends []ebb.Position) (further <-chan struct{}, done bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, end := range ends {
		if r.reached[place{end.Topic, end.Partition}] < end.Offset {
			return r.further, false
		}
	}
	if len(ends) > 0 {
		r.topics[typ] = ends[0].Topic
	}
	return nil, true
}

// take adds what Follow hands over.
func (v *View) take(records []ebb.Record, positions []ebb.Position) {
	r := v.cur.Load()
	changes := make([]change, 0, len(records))
	for _, rec := range records {
		if c, ok := parse(rec); ok {
			changes = append(changes, c)
			continue
		}
		v.cfg.Metrics.Garbage()
		v.cfg.Log.Warn("a record is no state", "topic", rec.Topic, "partition", rec.Partition, "offset", rec.Offset)
	}
	r.mu.Lock()
	for _, c := range changes {
		r.apply(c)
	}
	for _, p := range positions {
		r.reached[place{p.Topic, p.Partition}] = p.Offset
	}
	close(r.further)
	r.further = make(chan struct{})
	r.mu.Unlock()
	v.cfg.Metrics.Read(len(records))
}

// change is what a record does to an instance.
type change struct {
	topic    string
	instance *instance
	gone     bool // nothing is to be known of it
}

func (r *reading) apply(c change) {
	t, i := r.topic(c.topic), c.instance
	if a := t.awaited[i.id]; a != nil {
		close(a.changed)
		delete(t.awaited, i.id)
	}
	switch {
	case c.gone:
		delete(t.byID, i.id)
		t.shown.remove(i.id)
	case i.json == nil:
		t.byID[i.id] = i
		t.shown.remove(i.id)
	default:
		t.byID[i.id] = i
		t.shown.put(i)
	}
}

// parse reads a record. An instance of which there are only the outcomes of
// commands (its _seq is below 0) is gone; of one that was deleted its _seq is
// known.
func parse(rec ebb.Record) (c change, ok bool) {
	i := &instance{id: strings.ToLower(string(rec.Key))}
	c = change{topic: rec.Topic, instance: i, gone: true}
	if rec.Value == nil {
		return c, true
	}
	m, err := ebb.ParseMessage(rec.Value)
	seq, ok := m.Int(ebb.FieldSeq)
	if err != nil || !ok {
		return c, false
	}
	if seq < 0 {
		return c, true
	}
	c.gone, i.seq = false, seq
	i.readers, i.limited = ebb.ParseACL(m)[ebb.ActionGet]
	if m.Bool(ebb.FieldDeleted) {
		return c, true
	}
	delete(m, ebb.FieldJWT)
	i.json = bytes.Clone(m.JSON())
	i.hrefs = hrefs(i.json)
	return c, true
}
