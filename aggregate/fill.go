package aggregate

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/ebb-events/ebb"
)

// filling is how many instances are put into the store at once.
const filling = 1000

// filler puts state records into the store.
type filler struct {
	s         *service
	partition int32
	entries   []Entry
}

// add takes a record. It keeps nothing of r, whose memory is that of a whole
// fetch.
func (f *filler) add(r ebb.Record) error {
	id, unique := strings.ToLower(string(r.Key)), r.Header(headerUnique)
	switch {
	case !f.s.unique && unique != nil:
		return fatal{fmt.Errorf("aggregate: %s has unique values in its states, but none in its Type: its instances would no longer be found", f.s.typ)}
	case f.s.unique && unique == nil && r.Value != nil:
		return fatal{fmt.Errorf("aggregate: %s has states without a unique value, from before its Type had Unique: its instances would no longer be found", f.s.typ)}
	case f.s.unique && r.Value == nil:
		return f.remove(id)
	case f.s.unique:
		f.put(holder(id), bytes.Clone(unique))
		f.put(string(unique), instance{id, r.Value, outcomes(r.Header(headerOutcomes)).intact()}.pack())
	case r.Value == nil:
		f.put(id, nil)
	default:
		f.put(id, instance{"", r.Value, outcomes(r.Header(headerOutcomes)).intact()}.pack())
	}
	if len(f.entries) >= filling {
		return f.flush()
	}
	return nil
}

func (f *filler) put(key string, value []byte) {
	if f.entries == nil {
		f.entries = make([]Entry, 0, filling+1)
	}
	f.entries = append(f.entries, Entry{key, value})
}

// remove takes out the instance with an id, and lets go of its unique value.
func (f *filler) remove(id string) error {
	if err := f.flush(); err != nil {
		return err
	}
	unique, err := f.s.Store.Get(f.partition, holder(id))
	if err != nil {
		return fatal{fmt.Errorf("aggregate: %s: reading the store: %w", f.s.typ, err)}
	}
	if unique != nil {
		f.put(holder(id), nil)
		f.put(string(unique), nil)
	}
	return nil
}

// flush puts what was added into the store.
func (f *filler) flush() error {
	err := f.s.Store.Put(f.partition, f.entries)
	f.entries = nil
	if err != nil {
		return fatal{fmt.Errorf("aggregate: %s: filling the store: %w", f.s.typ, err)}
	}
	return nil
}
