package view

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ebb-events/ebb"
)

// TestWaitingLeavesNothingBehind: not for ids that never were.
func TestWaitingLeavesNothingBehind(t *testing.T) {
	r := newReading()
	r.topics["board-task"] = "board-task-aggregate"
	over, end := context.WithCancel(t.Context())
	end()
	for n := range 100 {
		if _, err := r.await(over, "board-task", fmt.Sprint(n%10), ebb.User{Name: "ann"}, 0); err == nil {
			t.Fatal("got what is not there")
		}
	}
	if n := len(r.topic("board-task-aggregate").awaited); n != 0 {
		t.Errorf("%d ids are remembered", n)
	}
}

// TestFiltersTakeTurns, and hold up nothing else.
func TestFiltersTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v, err := New(Config{Source: nothing{}})
		if err != nil {
			t.Fatal(err)
		}
		for range cap(v.scans) {
			v.scans <- struct{}{} // others that take long
		}
		q := ebb.Query{Type: "board-task"}
		filtered := ebb.Page{Limit: 1, Where: []ebb.Condition{{At: ebb.Pointer{"a"}, Value: "b"}}}
		if _, err := v.List(t.Context(), q, ebb.Page{Limit: 1}); err != nil {
			t.Error(err)
		}
		soon, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		if _, err := v.List(soon, q, filtered); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want it to wait for its turn", err)
		}
		<-v.scans
		for range 3 {
			if _, err := v.List(t.Context(), q, filtered); err != nil {
				t.Error(err)
			}
		}
	})
}

// nothing is topics without a record.
type nothing struct{}

func (nothing) Follow(context.Context, func([]ebb.Record, []ebb.Position)) error { return nil }

func (nothing) Ends(_ context.Context, typ string) ([]ebb.Position, error) {
	return []ebb.Position{{Topic: ebb.Topic(typ, ebb.Aggregates, "")}}, nil
}
