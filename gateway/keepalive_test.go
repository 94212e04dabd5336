package gateway_test

import (
	"testing"
	"time"

	"github.com/ebb-events/ebb/gateway"
)

// TestKeepAliveForOtherEdges: Ebb's own edge marks streams by itself, and is
// told nothing.
func TestKeepAliveForOtherEdges(t *testing.T) {
	own := newWorld(t)
	if hold := instruct(t, own.setUp(own.ticket("ann").Get("u"))).Hold; hold.KeepAlive != nil {
		t.Errorf("Ebb's edge is told %+v", hold.KeepAlive)
	}
	w := newWorld(t, func(c *gateway.Config) { c.KeepAlive = 20 * time.Second })
	k := instruct(t, w.setUp(w.ticket("ann").Get("u"))).Hold.KeepAlive
	if k == nil || k.Content != ":\n\n" || k.Timeout != 20*time.Second {
		t.Errorf("another is told %+v", k)
	}
	if _, err := gateway.New(gateway.Config{KeepAlive: -1}); err == nil {
		t.Error("a negative one is taken")
	}
}
