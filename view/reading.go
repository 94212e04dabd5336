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
	topics  map[string]string           // by type, of those that were read to their end once
	states  map[string]map[string]state // by topic and id
	reached map[place]int64
	further chan struct{} // closed when there is more
}

type place struct {
	topic     string
	partition int32
}

// state is an instance. Its JSON is never changed, so that readers share it.
type state struct {
	json json.RawMessage
	acl  ebb.ACL // of reading alone
}

func newReading() *reading {
	return &reading{
		over:    make(chan struct{}),
		topics:  map[string]string{},
		states:  map[string]map[string]state{},
		reached: map[place]int64{},
		further: make(chan struct{}),
	}
}

// known returns a type's topic if it was read to its end once.
func (r *reading) known(typ string) (topic string, ok bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	topic, ok = r.topics[typ]
	return topic, ok
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
	topic, id string
	gone      bool // nothing is to be shown
	state     state
}

func (r *reading) apply(c change) {
	if c.gone {
		delete(r.states[c.topic], c.id)
		return
	}
	if r.states[c.topic] == nil {
		r.states[c.topic] = map[string]state{}
	}
	r.states[c.topic][c.id] = c.state
}

// parse reads a record. An instance that was deleted, or of which there are
// only the outcomes of commands (its _seq is below 0), is gone.
func parse(rec ebb.Record) (c change, ok bool) {
	c = change{topic: rec.Topic, id: strings.ToLower(string(rec.Key)), gone: true}
	if rec.Value == nil {
		return c, true
	}
	m, err := ebb.ParseMessage(rec.Value)
	seq, ok := m.Int(ebb.FieldSeq)
	if err != nil || !ok {
		return c, false
	}
	if seq < 0 || m.Bool(ebb.FieldDeleted) {
		return c, true
	}
	c.gone = false
	if who, ok := ebb.ParseACL(m)[ebb.ActionGet]; ok {
		c.state.acl = ebb.ACL{ebb.ActionGet: who}
	}
	delete(m, ebb.FieldJWT)
	c.state.json = bytes.Clone(m.JSON())
	return c, true
}
