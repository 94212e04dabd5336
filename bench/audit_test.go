package bench

import (
	"fmt"
	"slices"
	"testing"
)

// TestAuditNoticesWhatIsWrong has outputs dropped, doubled, swapped and altered.
func TestAuditNoticesWhatIsWrong(t *testing.T) {
	type topics struct{ replies, events, states []string }
	for name, tt := range map[string]struct {
		spoil func(*topics)
		want  Tally
	}{
		"nothing":         {func(*topics) {}, Tally{}},
		"reply dropped":   {func(o *topics) { o.replies = o.replies[1:] }, Tally{Replies: 1}},
		"reply doubled":   {func(o *topics) { o.replies = append(o.replies, o.replies[0]) }, Tally{Replies: 1}},
		"reply a no":      {func(o *topics) { o.replies[0] = `{"_corr":"0","_outcome":"rejected"}` }, Tally{Refused: 1}},
		"event dropped":   {func(o *topics) { o.events = o.events[:3] }, Tally{Events: 1}},
		"event doubled":   {func(o *topics) { o.events = append(o.events, o.events[3]) }, Tally{Events: 1, Order: 1}},
		"events swapped":  {func(o *topics) { o.events[0], o.events[2] = o.events[2], o.events[0] }, Tally{Order: 2}},
		"state forgotten": {func(o *topics) { o.states = o.states[:3] }, Tally{Sum: 1}},
		"garbage":         {func(o *topics) { o.replies[0] = "{" }, Tally{Replies: 1, Refused: 1}},
	} {
		var all topics
		for i := range 4 { // a and b in turns
			id, seq := string(rune('a'+i%2)), i/2
			all.replies = append(all.replies, fmt.Sprintf(`{"_corr":"%d","_id":"%s","_outcome":"applied"}`, i, id))
			all.events = append(all.events, fmt.Sprintf(`{"_corr":"%d","_id":"%s","_seq":%d}`, i, id, seq))
			all.states = append(all.states, fmt.Sprintf(`{"_id":"%s","value":%d}`, id, seq+1))
		}
		tt.spoil(&all)
		a := newAudit(4)
		feed := func(values []string, take func(output)) {
			for v := range slices.Values(values) {
				take(parseOutput([]byte(v)))
			}
		}
		feed(all.replies, a.reply)
		feed(all.events, a.event)
		feed(all.states, a.state)
		if got := a.tally(); got != tt.want {
			t.Errorf("%s: got %+v, want %+v", name, got, tt.want)
		}
	}
}
