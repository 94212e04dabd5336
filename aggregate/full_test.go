package aggregate

import (
	"strings"
	"testing"
	"testing/synctest"

	"github.com/ebb-events/ebb"
)

func TestFullEventHasTheStatesAroundIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // where it is the year 2000
		b := newBroker()
		typ := counters
		typ.FullEvents = true
		commands(t, b, typ, Config{},
			`"_command":"set","value":1,"more":{"n":1e400},"_acl":{"get":["ann"]}`, `"_command":"plus"`, `"_command":"same"`, `"_command":"reject"`,
			`"_command":"delete"`, `"_command":"plus"`)
		const common = `"_id":"i","_jwt":{"sub":"ann"},`
		want := []string{
			`{"_after":{"_acl":{"get":["ann"]},"_corr":"0","_id":"i","_seq":0,"_timestamp":946684800000,"_type":"test-counter","more":{"n":1e400},"value":1},` +
				`"_before":{"_id":"i","_type":"test-counter"},"_command":"set","_corr":"0",` + common +
				`"_ops":[{"op":"add","path":"/_acl","value":{"get":["ann"]}},{"op":"add","path":"/more","value":{"n":1e400}},{"op":"add","path":"/value","value":1}],"_seq":0,"_timestamp":946684800000,"_type":"test-counter"}`,
			`{"_after":{"_acl":{"get":["ann"]},"_corr":"1","_id":"i","_seq":1,"_timestamp":946684800000,"_type":"test-counter","more":{"n":1e400},"value":2},` +
				`"_before":{"_acl":{"get":["ann"]},"_corr":"0","_id":"i","_seq":0,"_timestamp":946684800000,"_type":"test-counter","more":{"n":1e400},"value":1},"_command":"plus","_corr":"1",` + common +
				`"_ops":[{"op":"replace","path":"/value","value":2}],"_seq":1,"_timestamp":946684800000,"_type":"test-counter"}`,
			`{"_after":{"_corr":"4","_deleted":true,"_id":"i","_seq":2,"_timestamp":946684800000,"_type":"test-counter"},` +
				`"_before":{"_acl":{"get":["ann"]},"_corr":"1","_id":"i","_seq":1,"_timestamp":946684800000,"_type":"test-counter","more":{"n":1e400},"value":2},"_command":"delete","_corr":"4",` + common +
				`"_ops":[{"op":"remove","path":"/_acl"},{"op":"add","path":"/_deleted","value":true},{"op":"remove","path":"/more"},{"op":"remove","path":"/value"}],"_seq":2,"_timestamp":946684800000,"_type":"test-counter"}`,
			`{"_after":{"_corr":"5","_id":"i","_seq":3,"_timestamp":946684800000,"_type":"test-counter","value":1},` +
				`"_before":{"_id":"i","_type":"test-counter"},"_command":"plus","_corr":"5",` + common +
				`"_ops":[{"op":"remove","path":"/_deleted"},{"op":"add","path":"/value","value":1}],"_seq":3,"_timestamp":946684800000,"_type":"test-counter"}`,
		}
		got := b.topic(ebb.FullEvents)
		if len(got) != len(want) || len(b.topic(ebb.Events)) != len(want) {
			t.Fatalf("got %d full events of %d events, want %d", len(got), len(b.topic(ebb.Events)), len(want))
		}
		for i := range want {
			if s := string(got[i].JSON()); s != want[i] {
				t.Errorf("got\n%s, want\n%s", s, want[i])
			}
		}
	})
}

func TestFullEventsOnlyWhereWanted(t *testing.T) {
	b := newBroker()
	commands(t, b, counters, Config{}, `"_command":"plus"`)
	if got := b.topic(ebb.FullEvents); got != nil {
		t.Errorf("got %s", got[0].JSON())
	}
}

func TestStateWhoseFullEventIsTooLargeIsRefused(t *testing.T) {
	typ := notes
	typ.FullEvents = true
	half := `"_command":"put","text":"` + strings.Repeat("x", 440_000) + `"`
	expect(t, commands(t, newBroker(), notes, Config{}, half)[0], `"_outcome":"applied"`)
	expect(t, commands(t, newBroker(), typ, Config{}, half)[0], `"_outcome":"rejected","errors":[{"location":"","code":"TOO_LARGE","message":"This would become too large."}]`)
}
