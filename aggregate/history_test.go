package aggregate

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/ebb-events/ebb"
	"github.com/ebb-events/ebb/internal/history"
	"pgregory.net/rapid"
)

// TestHistory sends random commands, many of them again, to services whose
// transactions fail, whose processes end, and whose group forgets how far it
// was, and checks what came out.
func TestHistory(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		b := newBroker()
		plan := rapid.SliceOfN(process, 1, 8).Draw(rt, "processes")
		synctest.Test(t, func(t *testing.T) { // spares the pauses
			for _, p := range plan {
				for partition := range b.partitions {
					b.committed[partition] = max(0, b.committed[partition]-p.back)
				}
				for _, c := range p.commands {
					id := c.String(ebb.FieldID)
					b.put(int32(id[0])%b.partitions, id, c.JSON())
				}
				commits := 0
				b.fail = func() error {
					if commits++; commits <= len(p.fails) && p.fails[commits-1] {
						return errBroker
					}
					return nil
				}
				b.batch = p.batch
				b.work(t, Config{Parallel: p.parallel})
			}
		})
		if err := check(b); err != nil {
			rt.Fatal(err)
		}
	})
}

// life is that of a process: what comes meanwhile, and how its commits go.
type life struct {
	commands        []ebb.Message
	batch, parallel int
	back            int // how far the group's offsets go back before
	fails           []bool
}

var process = rapid.Custom(func(t *rapid.T) life {
	return life{
		commands: rapid.SliceOfN(command, 0, 12).Draw(t, "commands"),
		batch:    rapid.IntRange(0, 5).Draw(t, "batch"),
		parallel: rapid.IntRange(1, 3).Draw(t, "parallel"),
		back:     rapid.SampledFrom([]int{0, 0, 1, 2, 5, 100}).Draw(t, "back"),
		fails:    rapid.SliceOfN(rapid.Bool(), 0, 6).Draw(t, "fails"),
	}
})

var command = rapid.Custom(func(t *rapid.T) ebb.Message {
	m := ebb.Message{}
	m.Set(ebb.FieldID, rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "id"))
	m.Set(ebb.FieldCommand, rapid.SampledFrom([]string{"plus", "plus", "set", "same", "delete", "lock", "reject", "panic", "minus"}).Draw(t, "name"))
	m.Set(ebb.FieldCorr, strconv.Itoa(rapid.IntRange(0, 2).Draw(t, "corr")))
	m.Set(ebb.FieldJWT, ebb.User{Name: rapid.SampledFrom([]string{"ann", "bob"}).Draw(t, "user")})
	m.Set("value", rapid.IntRange(0, 3).Draw(t, "value"))
	if seq := rapid.IntRange(-10, 5).Draw(t, "seq"); seq >= -1 {
		m.Set(ebb.FieldSeq, seq)
	}
	return m
})

// check says what is wrong with what a broker holds, all commands answered.
func check(b *broker) error {
	var h history.History
	for partition := range b.partitions {
		h.Commands = append(h.Commands, b.commands[partition]...)
	}
	for _, r := range b.out {
		switch r.Topic {
		case "test-counter-event":
			h.Events = append(h.Events, r)
		case "test-counter-reply":
			h.Replies = append(h.Replies, r)
		case "test-counter-aggregate":
			h.States = append(h.States, r)
		}
	}
	return h.Check()
}

// TestCheckerSeesDamage is the test of the test.
func TestCheckerSeesDamage(t *testing.T) {
	b := newBroker()
	for i := range 10 {
		b.send(`{"_id":"a","_corr":"%d","_command":"plus","_jwt":{"sub":"ann"}}`, i)
	}
	b.send(`{"_id":"a","_corr":"r","_command":"reject","_jwt":{"sub":"ann"}}`)
	b.send(`{"_id":"a","_corr":"r","_command":"reject","_jwt":{"sub":"ann"}}`)
	b.work(t, Config{})
	if err := check(b); err != nil {
		t.Fatal(err)
	}
	whole := b.out
	for _, topic := range []string{"event", "reply", "aggregate"} {
		var at []int
		for i, r := range whole {
			if strings.HasSuffix(r.Topic, topic) {
				at = append(at, i)
			}
		}
		for _, i := range at {
			damages := map[string][]ebb.Record{
				"dropped": slices.Concat(whole[:i], whole[i+1:]),
				"doubled": slices.Concat(whole[:i], whole[i:i+1], whole[i:]),
				"altered": slices.Concat(whole[:i], []ebb.Record{alter(whole[i])}, whole[i+1:]),
			}
			if i > at[0] && topic != "aggregate" {
				swapped := slices.Clone(whole)
				before := at[slices.Index(at, i)-1]
				swapped[i], swapped[before] = swapped[before], swapped[i]
				damages["swapped"] = swapped
			}
			if topic == "aggregate" {
				delete(damages, "doubled") // which says nothing else
				if i != at[len(at)-1] {
					delete(damages, "dropped") // as if compacted
				}
			}
			for damage, out := range damages {
				b.out = out
				if check(b) == nil {
					t.Errorf("%s %d %s is not seen", topic, i, damage)
				}
			}
		}
	}
}

func alter(r ebb.Record) ebb.Record {
	m, err := ebb.ParseMessage(r.Value)
	if err != nil {
		panic(errors.New("no message"))
	}
	seq, _ := m.Int(ebb.FieldSeq)
	m.Set(ebb.FieldSeq, seq+1)
	if m[ebb.FieldErrors] != nil {
		m.Set(ebb.FieldErrors, []ebb.Error{})
	}
	r.Value = m.JSON()
	return r
}
