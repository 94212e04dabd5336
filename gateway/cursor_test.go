package gateway_test

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/ebb-events/ebb/channel"
	"github.com/ebb-events/ebb/gateway"
)

// end is the channel log's.
type end struct {
	at    channel.Cursor
	known bool
	asked []string
	sent  *sender
	late  bool // it was asked after sending
}

func (e *end) Cursor(_ context.Context, channel string) (channel.Cursor, bool) {
	e.asked = append(e.asked, channel)
	e.late = e.late || len(e.sent.all) > 0
	return e.at, e.known
}

func TestAcceptedCommandHasACursor(t *testing.T) {
	e := &end{at: channel.Cursor{Partition: 7, Offset: 41, Epoch: 3}, known: true}
	w := newWorld(t, func(c *gateway.Config) { c.Tail = e })
	e.sent = w.sent
	var got struct{ Cursor string }
	a := w.command(`{"_command":"c"}`)
	if err := json.Unmarshal(a.Body.Bytes(), &got); err != nil || got.Cursor != e.at.String() {
		t.Errorf("got %s, want the cursor %s", a.Body, e.at)
	}
	if e.late || len(e.asked) != 1 || e.asked[0] != "ann" {
		t.Errorf("asked for %q, after sending: %v", e.asked, e.late)
	}
	w.sent.all = nil
	w.command(`{"_command":"c","_acl":{}}`)
	if len(e.asked) != 1 {
		t.Error("asked for a command that is refused")
	}
	e.known = false
	if a := w.command(`{"_command":"c","_corr":"1"}`); a.Code != 202 || a.Body.String() != `{"_corr":"1","_id":"`+id+`"}`+"\n" {
		t.Errorf("got %d %s where none is known", a.Code, a.Body)
	}
}
