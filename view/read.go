package view

import (
	"context"
	"encoding/json"
	"errors"
	"strings"

	"github.com/ebb-events/ebb"
)

// maxPage is about how many bytes of states a page has.
const maxPage = 8 << 20

// Get returns the state of an instance without _jwt, nil if there is none that
// the user may read. It waits until the type was read as far as its topic went
// when it was first asked for or, if fresh, as far as it goes now; and, if seq
// is 0 or more, until it has come to that _seq of the instance.
func (v *View) Get(ctx context.Context, q ebb.Query, id string, seq int64) (json.RawMessage, error) {
	id = strings.ToLower(id)
	for again := seq >= 0; again; {
		r, err := v.await(ctx, q.Fresh, q.Type)
		if err != nil {
			return nil, err
		}
		if again, err = r.await(ctx, q.Type, id, q.User, seq); err != nil {
			return nil, err
		}
		q.Fresh = q.Fresh && again
	}
	found, err := v.look(ctx, q, func(s snapshot) ([]*instance, error) {
		if i := s.get(id); i != nil && i.shows(q.User) {
			return []*instance{i}, nil
		}
		return nil, nil
	})
	if err != nil || len(found) == 0 {
		return nil, err
	}
	return found[0], nil
}

// List returns a page of the states that the user may read, all of one moment.
// It waits as [View.Get] does. A page ends early where it would be larger than
// about 8 MiB.
func (v *View) List(ctx context.Context, q ebb.Query, p ebb.Page) (ebb.Listing, error) {
	var next string
	items, err := v.look(ctx, q, func(s snapshot) (found []*instance, err error) {
		if len(p.Where) > 0 {
			select {
			case v.scans <- struct{}{}:
				defer func() { <-v.scans }()
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}
		next = ""
		n, size := 0, 0
		for i := range s.after(strings.ToLower(p.After)) {
			if n++; n%1024 == 0 && ctx.Err() != nil {
				return nil, ctx.Err()
			}
			if !i.shows(q.User) || !holds(i.json, p.Where) {
				continue
			}
			if size += len(i.json); len(found) == p.Limit || size > maxPage && len(found) > 0 {
				next = found[len(found)-1].id
				break
			}
			found = append(found, i)
		}
		return found, nil
	})
	return ebb.Listing{Items: items, Next: next}, err
}

// look chooses instances at one moment, which is also that of what they refer
// to.
func (v *View) look(ctx context.Context, q ebb.Query, choose func(snapshot) ([]*instance, error)) ([]json.RawMessage, error) {
	for types := []string{q.Type}; ; {
		r, err := v.await(ctx, q.Fresh, types...)
		if err != nil {
			return nil, err
		}
		res := resolver{q: q, moment: r.moment(types)}
		found, err := choose(res.moment[q.Type])
		if err != nil {
			return nil, err
		}
		more := wanted(types, found, q)
		if len(more) > len(types) {
			types = more
			continue
		}
		items := make([]json.RawMessage, len(found))
		for n, i := range found {
			items[n] = res.resolve(i)
		}
		return items, nil
	}
}

// await returns a reading that has come far enough in all types. Only the
// first has to exist.
func (v *View) await(ctx context.Context, fresh bool, types ...string) (*reading, error) {
	for {
		r, again := v.cur.Load(), false
		for n, typ := range types {
			if again || r.known(typ) && !fresh {
				continue
			}
			ends, err := v.cfg.Source.Ends(ctx, typ)
			if n > 0 && errors.Is(err, ebb.ErrUnknownType) {
				continue
			}
			if err != nil {
				return nil, err
			}
			if again, err = r.wait(ctx, typ, ends); err != nil {
				return nil, err
			}
		}
		if !again {
			return r, nil
		}
	}
}
