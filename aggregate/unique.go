package aggregate

import (
	"fmt"

	"github.com/ebb-events/ebb"
)

// holder is the store's key for who has an id, where instances are told by
// their unique value. No JSON text begins like it.
func holder(id string) string { return "\x00" + id }

// nameAll gives the instances of lanes their ids: the one they have, or that
// of the first command. An id has one unique value in its partition, for the
// state records of two would take each other's place. others are the instances
// that have an id already.
func (s *service) nameAll(lanes []*lane) (others []*lane, err error) {
	given := map[place]bool{} // in this batch
	for _, l := range lanes {
		l.id = l.was.id
		for _, j := range l.jobs {
			if l.id == "" {
				id := place{l.partition, j.command.ID}
				has, err := s.Store.Get(id.partition, holder(id.key))
				if err != nil {
					return nil, fatal{fmt.Errorf("aggregate: %s: reading the store: %w", s.typ, err)}
				}
				if has != nil {
					others = append(others, &lane{place: place{l.partition, string(has)}, id: id.key})
				}
				if has != nil || given[id] {
					j.taken = true
					continue
				}
				given[id] = true
				l.id = id.key
				l.now.id = id.key
			}
			j.command.ID = l.id
		}
	}
	return others, nil
}

// refuseTaken answers a command whose _id is that of another instance. Nothing
// remembers it: a repeat is refused again.
func (s *service) refuseTaken(cmd Command) answer {
	no := refuse(ebb.Rejected, ebb.Error{Location: "/_id", Code: "UNIQUE", Message: "This _id belongs to something else."})
	return answer{outcome: no.outcome, reply: s.no(cmd, no.outcome, *no)}
}
