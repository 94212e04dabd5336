package view

import (
	"context"
	"fmt"
	"testing"

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
