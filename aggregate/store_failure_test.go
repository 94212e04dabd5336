package aggregate

import (
	"errors"
	"fmt"
	"reflect"
	"testing"

	"github.com/ebb-events/ebb"
)

// brittle is a store that fails once, at a call that is counted.
type brittle struct {
	Store
	call   string
	left   int
	broken bool
}

var errDisk = errors.New("disk is full")

func (s *brittle) fails(call string) bool {
	if s.broken {
		panic("called after a failure")
	}
	if call == s.call {
		s.left--
	}
	s.broken = s.left < 0
	return s.broken
}

func (s *brittle) Get(p int32, key string) ([]byte, error) {
	if s.fails("get") {
		return nil, errDisk
	}
	return s.Store.Get(p, key)
}

func (s *brittle) Put(p int32, entries []Entry) error {
	if s.fails("put") {
		return errDisk
	}
	return s.Store.Put(p, entries)
}

func (s *brittle) Clear(p int32) error {
	if s.fails("clear") {
		return errDisk
	}
	return s.Store.Clear(p)
}

// TestBrokenStoreEndsTheServiceAndLosesNothing breaks it at each call in turn:
// while it is filled, read, written and cleared.
func TestBrokenStoreEndsTheServiceAndLosesNothing(t *testing.T) {
	const commands = 5
	for _, call := range []string{"get", "put", "clear"} {
		for n := range 4 {
			b := newBroker()
			b.batch = 1
			b.send(`{"_id":"i","_corr":"before","_command":"plus","_jwt":{"sub":"ann"}}`)
			b.work(t, Config{})
			for i := range commands {
				b.send(`{"_id":"i","_corr":"%d","_command":"plus","_jwt":{"sub":"ann"}}`, i)
			}
			s := &brittle{Store: newMemory(), call: call, left: n}
			if err := b.run(t.Context(), Config{Store: s, Parallel: 1}); s.broken != errors.Is(err, errDisk) {
				t.Errorf("%s %d: got %v", call, n, err)
			} else if !s.broken && call != "clear" { // clear is called once for each partition
				t.Errorf("%s %d: did not fail", call, n)
			}
			b.work(t, Config{}) // on another machine
			if err := check(b); err != nil {
				t.Errorf("%s %d: %v", call, n, err)
			}
			var got []string
			for _, r := range b.topic(ebb.Replies) {
				got = append(got, string(r["value"]))
			}
			if want := []string{"1", "2", "3", "4", "5", "6"}; !reflect.DeepEqual(got, want) {
				t.Errorf("%s %d: got %v, want %v", call, n, got, want)
			}
		}
	}
}

// TestFillingStopsAtTheFirstError has more states than are put at once.
func TestFillingStopsAtTheFirstError(t *testing.T) {
	b := newBroker()
	for i := range 5 * filling {
		b.out = append(b.out, ebb.Record{Topic: "test-counter-aggregate", Key: fmt.Append(nil, i), Value: []byte("{}")})
	}
	s := &brittle{Store: newMemory(), call: "put", left: 1}
	if err := b.run(t.Context(), Config{Store: s}); !errors.Is(err, errDisk) {
		t.Errorf("got %v", err)
	}
}

// TestStoreIsNoSource has a store with something in it from before.
func TestStoreIsNoSource(t *testing.T) {
	s := newMemory()
	for p := range int32(2) {
		if err := s.Put(p, []Entry{{"i", instance{state: []byte(`{"_seq":7,"value":7}`)}.pack()}}); err != nil {
			t.Fatal(err)
		}
	}
	b := newBroker()
	b.send(`{"_id":"i","_corr":"0","_command":"plus","_jwt":{"sub":"ann"}}`)
	b.work(t, Config{Store: s})
	if got := b.topic(ebb.Replies); string(got[0]["value"]) != "1" {
		t.Errorf("got %s, want 1", got[0]["value"])
	}
}

func TestDamagedInstanceEndsTheService(t *testing.T) {
	b := newBroker()
	b.send(`{"_id":"i","_corr":"0","_command":"plus","_jwt":{"sub":"ann"}}`)
	if err := b.run(t.Context(), Config{Store: liar{newMemory()}}); err == nil {
		t.Error("got no error")
	}
	if len(b.out) != 0 {
		t.Errorf("got %s, want nothing", b.out[0].Value)
	}
}

// liar is a store that returns what nobody put.
type liar struct{ Store }

func (liar) Get(int32, string) ([]byte, error) { return []byte{0xff}, nil }
