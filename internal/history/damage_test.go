//go:build unix

package history_test

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/ebb-events/ebb"
	"github.com/ebb-events/ebb/internal/history"
)

// samples is how many records of a topic are damaged in each way.
const samples = 5

// seesDamage is the test of the test: each topic of a history that was recorded
// is damaged in every way, and the check must fail each time.
func seesDamage(t *testing.T, whole history.History) {
	whole = of(whole, richest(whole)) // or it would take long
	if err := whole.Check(); err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(*seed, 3))
	damages := []struct {
		name    string
		of      func(*history.History) *[]ebb.Record
		changes map[string]change
	}{
		{"events", func(h *history.History) *[]ebb.Record { return &h.Events },
			map[string]change{"dropped": drop, "doubled": double, "swapped": swap, "altered": alter}},
		{"replies", func(h *history.History) *[]ebb.Record { return &h.Replies },
			map[string]change{"dropped": drop, "doubled": double, "swapped": swap, "altered": alter}},
		{"states", func(h *history.History) *[]ebb.Record { return &h.States },
			map[string]change{"dropped at the end": dropLast, "altered": alter}}, // others may be compacted
		{"commands", func(h *history.History) *[]ebb.Record { return &h.Commands },
			map[string]change{"dropped": drop, "doubled": double, "altered": alter}},
		{"dead letters", func(h *history.History) *[]ebb.Record { return &h.Dead },
			map[string]change{"dropped": drop, "doubled": double}},
	}
	for _, topic := range damages {
		for name, change := range topic.changes {
			for range samples {
				h := whole
				list := topic.of(&h)
				if len(*list) == 0 {
					t.Fatalf("no instance has %s and all else", topic.name)
				}
				i := r.IntN(len(*list))
				damaged, ok := change(slices.Clone(*list), i)
				if !ok {
					continue
				}
				*list = damaged
				if h.Check() == nil {
					t.Errorf("%s, number %d %s: not seen", topic.name, i, name)
				}
			}
		}
	}
}

func topics(h *history.History) []*[]ebb.Record {
	return []*[]ebb.Record{&h.Commands, &h.Events, &h.Replies, &h.States, &h.Dead}
}

// richest is the instance with the most records on the topic where it has the
// fewest.
func richest(h history.History) (id string) {
	fewest := map[string]int{}
	for i, list := range topics(&h) {
		count := map[string]int{}
		for _, r := range *list {
			count[string(r.Key)]++
		}
		for _, r := range h.Commands {
			if k := string(r.Key); i == 0 || count[k] < fewest[k] {
				fewest[k] = count[k]
			}
		}
	}
	for k, n := range fewest {
		if id == "" || n > fewest[id] || n == fewest[id] && k < id {
			id = k
		}
	}
	return id
}

// of is the history of some instances.
func of(h history.History, ids ...string) history.History {
	others := func(r ebb.Record) bool { return !slices.Contains(ids, string(r.Key)) }
	for _, list := range topics(&h) {
		*list = slices.DeleteFunc(slices.Clone(*list), others)
	}
	sent := map[string]bool{}
	for _, r := range h.Commands {
		sent[string(r.Value)] = h.Sent[string(r.Value)]
	}
	h.Sent = sent
	return h
}

// change damages the i-th of records. ok is false where that would be none.
type change func(records []ebb.Record, i int) (damaged []ebb.Record, ok bool)

func drop(records []ebb.Record, i int) ([]ebb.Record, bool) {
	return slices.Delete(records, i, i+1), true
}

func double(records []ebb.Record, i int) ([]ebb.Record, bool) {
	return slices.Insert(records, i, records[i]), true
}

// swap exchanges a record with the next of its instance.
func swap(records []ebb.Record, i int) ([]ebb.Record, bool) {
	for j := i + 1; j < len(records); j++ {
		if bytes.Equal(records[i].Key, records[j].Key) {
			same := bytes.Equal(unstamped(records[i]), unstamped(records[j]))
			records[i], records[j] = records[j], records[i]
			return records, !same
		}
	}
	return nil, false
}

// unstamped is a reply without what nobody can tell apart: two answers to two
// sends of one command.
func unstamped(r ebb.Record) []byte {
	m, err := ebb.ParseMessage(r.Value)
	if err != nil {
		return r.Value
	}
	delete(m, ebb.FieldTimestamp)
	delete(m, "mark")
	return m.JSON()
}

// dropLast drops the last record of the instance, if it tells what no other does.
func dropLast(records []ebb.Record, i int) ([]ebb.Record, bool) {
	last, before := -1, -1
	for j, r := range records {
		if bytes.Equal(records[i].Key, r.Key) {
			last, before = j, last
		}
	}
	tells := before < 0 || seqOf(records[before]) != seqOf(records[last])
	return slices.Delete(records, last, last+1), tells
}

func seqOf(r ebb.Record) int64 {
	m, err := ebb.ParseMessage(r.Value)
	if err != nil {
		panic(err)
	}
	seq, _ := m.Int(ebb.FieldSeq)
	return seq
}

// alter changes what a record says.
func alter(records []ebb.Record, i int) ([]ebb.Record, bool) {
	m, err := ebb.ParseMessage(records[i].Value)
	if err != nil {
		return nil, false
	}
	switch {
	case m["mark"] != nil && m[ebb.FieldOutcome] == nil: // a command
		m.Set("mark", "another")
	case m[ebb.FieldOps] != nil:
		m[ebb.FieldOps] = bytes.Replace(m[ebb.FieldOps], []byte("["), []byte(`[{"op":"add","path":"/more","value":1},`), 1)
	case m.String(ebb.FieldOutcome) == "unknown":
		m.Set(ebb.FieldOutcome, ebb.Rejected)
	case m[ebb.FieldErrors] != nil:
		m.Set(ebb.FieldOutcome, ebb.Unknown)
	case m.String(ebb.FieldOutcome) == "duplicate":
		m.Set(ebb.FieldSeq, seqOf(records[i])+1)
	default:
		m.Set("more", 1)
	}
	records[i].Value = m.JSON()
	return records, true
}
