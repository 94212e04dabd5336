package view

import (
	"iter"
	"slices"
	"sort"
	"strings"
)

// ordered keeps instances sorted by id, in short runs, so that adding one moves
// few others. What a snapshot has of it is copied before it changes.
type ordered struct {
	runs  []*run
	taken int // snapshots
}

type run struct {
	items []*instance // never empty
	since int         // snapshots that were taken when this was made
}

// runLen is the longest a run gets.
const runLen = 256

// snapshot is the instances of one moment.
type snapshot []*run

// snapshot returns what is there now; it stays as it is.
func (o *ordered) snapshot() snapshot {
	o.taken++
	return slices.Clone(o.runs)
}

// put adds an instance, or takes another version of one.
func (o *ordered) put(i *instance) {
	if len(o.runs) == 0 {
		o.runs = []*run{{[]*instance{i}, o.taken}}
		return
	}
	n, at, found := snapshot(o.runs).find(i.id)
	r := o.own(n)
	if found {
		r.items[at] = i
		return
	}
	r.items = slices.Insert(r.items, at, i)
	if len(r.items) > runLen {
		half := &run{slices.Clone(r.items[runLen/2:]), o.taken}
		r.items = slices.Delete(r.items, runLen/2, len(r.items))
		o.runs = slices.Insert(o.runs, n+1, half)
	}
}

func (o *ordered) remove(id string) {
	if len(o.runs) == 0 {
		return
	}
	n, at, found := snapshot(o.runs).find(id)
	if !found {
		return
	}
	r := o.own(n)
	if r.items = slices.Delete(r.items, at, at+1); len(r.items) == 0 {
		o.runs = slices.Delete(o.runs, n, n+1)
	}
}

// own returns a run that no snapshot has.
func (o *ordered) own(n int) *run {
	if r := o.runs[n]; r.since < o.taken {
		o.runs[n] = &run{append(make([]*instance, 0, len(r.items)+8), r.items...), o.taken}
	}
	return o.runs[n]
}

// find returns where id is, or would have to be put. There must be a run.
func (s snapshot) find(id string) (n, at int, found bool) {
	n = max(0, sort.Search(len(s), func(i int) bool { return s[i].items[0].id > id })-1)
	at, found = slices.BinarySearchFunc(s[n].items, id, func(i *instance, id string) int { return strings.Compare(i.id, id) })
	return n, at, found
}

// get returns an instance, nil if there is none.
func (s snapshot) get(id string) *instance {
	if len(s) == 0 {
		return nil
	}
	if n, at, found := s.find(id); found {
		return s[n].items[at]
	}
	return nil
}

// after yields the instances whose id is above.
func (s snapshot) after(id string) iter.Seq[*instance] {
	return func(yield func(*instance) bool) {
		if len(s) == 0 {
			return
		}
		n, at, found := s.find(id)
		if found {
			at++
		}
		for ; n < len(s); n, at = n+1, 0 {
			for _, i := range s[n].items[at:] {
				if !yield(i) {
					return
				}
			}
		}
	}
}
