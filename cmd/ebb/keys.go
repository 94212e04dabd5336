package main

import (
	"fmt"

	"github.com/ebb-events/ebb/edge"
	"github.com/ebb-events/ebb/grip"
)

// purposes notes what each key is for, and refuses a second purpose: who has a
// key for one thing must not be able to do another.
type purposes map[string]string

// use notes that a key is for a purpose. scope tells keys of one purpose apart
// that must not be the same; it may be empty.
func (p purposes) use(purpose, scope string, keys ...grip.Key) error {
	for _, k := range keys {
		if k.IsZero() {
			continue
		}
		now := purpose + scope
		if before, ok := p[k.ID()]; ok && before != now {
			return fmt.Errorf("key %s has more than one purpose, %s and %s: make each its own", k.ID(), before, now)
		}
		p[k.ID()] = now
	}
	return nil
}

// onePurposeEach refuses a key of the edge's that has two.
func (e *edgeCmd) onePurposeEach(gripKey, publishKey grip.Key, routes []edge.Route) error {
	p := purposes{}
	if err := p.use("--publish-key", "", publishKey); err != nil {
		return err
	}
	if err := p.use("--grip-key", "", gripKey); err != nil {
		return err
	}
	for _, r := range routes {
		if err := p.use("--grip-key", "", r.GripKey); err != nil { // origins of one owner may share theirs
			return err
		}
		if err := p.use("publish-key", " of "+r.Prefix, r.PublishKey); err != nil {
			return err
		}
	}
	return nil
}
