package aggregate

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/ebb-events/ebb"
	"pgregory.net/rapid"
)

// TestHistory sends random commands, many of them again, to services whose
// transactions fail and whose processes end, and checks what came out.
func TestHistory(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		b := newBroker()
		plan := rapid.SliceOfN(process, 1, 8).Draw(rt, "processes")
		synctest.Test(t, func(t *testing.T) { // spares the pauses
			for _, p := range plan {
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
	fails           []bool
}

var process = rapid.Custom(func(t *rapid.T) life {
	return life{
		commands: rapid.SliceOfN(command, 0, 12).Draw(t, "commands"),
		batch:    rapid.IntRange(0, 5).Draw(t, "batch"),
		parallel: rapid.IntRange(1, 3).Draw(t, "parallel"),
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

// check says what is wrong with what a broker holds, all commands answered:
// every command has one effect at most and an answer each time, in order, and
// the states are what the events lead to.
func check(b *broker) error {
	for partition, commands := range b.commands {
		var replies []ebb.Message
		for _, r := range b.out {
			if r.Partition == partition && r.Topic == "test-counter-reply" {
				m, _ := ebb.ParseMessage(r.Value)
				replies = append(replies, m)
			}
		}
		if len(replies) != len(commands) {
			return fmt.Errorf("%d commands and %d replies", len(commands), len(replies))
		}
		first := map[string]ebb.Message{}
		applied := map[string]ebb.Message{}
		for i, r := range commands {
			cmd, _ := ebb.ParseMessage(r.Value)
			reply := replies[i]
			k := identity(cmd)
			if identity(reply) != k {
				return fmt.Errorf("reply %d is to %s, want %s", i, identity(reply), k)
			}
			was, repeated := first[k]
			if got := reply.String(ebb.FieldOutcome) == "duplicate"; got != repeated {
				return fmt.Errorf("%s: reply %d is %s", k, i, reply.JSON())
			}
			if repeated && string(reply[ebb.FieldErrors]) != string(was[ebb.FieldErrors]) {
				return fmt.Errorf("%s: reply %d has errors %s, want %s", k, i, reply[ebb.FieldErrors], was[ebb.FieldErrors])
			}
			if !repeated {
				first[k] = reply
			}
			if reply.String(ebb.FieldOutcome) == "applied" {
				applied[k] = reply
			}
		}
		if err := checkEvents(b, partition, applied); err != nil {
			return err
		}
	}
	return nil
}

func checkEvents(b *broker, partition int32, applied map[string]ebb.Message) error {
	replayed := map[string]tree{}
	seqs := map[string]int64{}
	for _, r := range b.out {
		m, _ := ebb.ParseMessage(r.Value)
		id := string(r.Key)
		switch {
		case r.Partition != partition:
		case r.Topic == "test-counter-event":
			k := identity(m)
			if applied[k] == nil {
				return fmt.Errorf("%s: event without its reply, or a second one", k)
			}
			if string(applied[k][ebb.FieldSeq]) != string(m[ebb.FieldSeq]) {
				return fmt.Errorf("%s: event has _seq %s, its reply %s", k, m[ebb.FieldSeq], applied[k][ebb.FieldSeq])
			}
			delete(applied, k)
			if seq, _ := m.Int(ebb.FieldSeq); seq != seqs[id] {
				return fmt.Errorf("%s: event has _seq %d, want %d", k, seq, seqs[id])
			}
			seqs[id]++
			if replayed[id] == nil {
				replayed[id] = tree{}
			}
			if err := patch(replayed[id], m[ebb.FieldOps]); err != nil {
				return fmt.Errorf("%s: %w", k, err)
			}
		case r.Topic == "test-counter-aggregate":
			state, err := fields(m)
			if err != nil {
				return err
			}
			if want := replayed[id]; len(state) != len(want) || len(want) > 0 && !reflect.DeepEqual(state, want) {
				return fmt.Errorf("%s: state is %v, its events lead to %v", id, state, want)
			}
			if seq, _ := m.Int(ebb.FieldSeq); seq != seqs[id]-1 {
				return fmt.Errorf("%s: state has _seq %d after %d events", id, seq, seqs[id])
			}
		}
	}
	if len(applied) > 0 {
		return fmt.Errorf("%d applied commands without an event", len(applied))
	}
	return nil
}

func identity(m ebb.Message) string {
	return strings.Join([]string{m.String(ebb.FieldID), m.User().Name, m.String(ebb.FieldCommand), m.String(ebb.FieldCorr)}, " ")
}

// patch applies a JSON Patch that only adds, replaces and removes in objects.
func patch(t tree, ops []byte) error {
	var list []struct {
		Op, Path string
		Value    any
	}
	if err := decode(ops, &list); err != nil {
		return err
	}
	for _, op := range list {
		at := t
		path := strings.Split(op.Path, "/")[1:]
		for _, field := range path[:len(path)-1] {
			at, _ = at[field].(tree)
		}
		last := path[len(path)-1]
		if array, ok := at[last]; at == nil || (op.Op == "add") == ok {
			return fmt.Errorf("cannot %s %s (%v)", op.Op, op.Path, array)
		}
		if op.Op == "remove" {
			delete(at, last)
		} else {
			at[last] = op.Value
		}
	}
	return nil
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
			if i > at[0] && topic == "event" {
				swapped := slices.Clone(whole)
				before := at[slices.Index(at, i)-1]
				swapped[i], swapped[before] = swapped[before], swapped[i]
				damages["swapped"] = swapped
			}
			if topic == "aggregate" {
				delete(damages, "dropped") // as if compacted
				delete(damages, "doubled")
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
