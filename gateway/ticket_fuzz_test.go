package gateway_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/ebb-events/ebb/channel"
)

// FuzzTicket: a stream is set up for a ticket that is ours to the letter: in
// its first minute, or until the session's end with an id that proves it. For
// whatever else there is one answer (S13 to S15).
func FuzzTicket(f *testing.F) {
	w := newWorld(&testing.T{})
	issued := w.now
	ours, other := w.ticket("ann").Get("u"), w.ticket("ann").Get("u")
	meta := instruct(&testing.T{}, w.setUp(ours)).Hold.Meta
	otherProof := instruct(&testing.T{}, w.setUp(other)).Hold.Meta["ebb-proof"]
	refusal := w.setUp("").Body.String()

	cursor := func(proof string) string { return channel.Cursor{Partition: 3, Offset: 7, Proof: proof}.String() }
	// An input speaks of what is different in each run by these words.
	words := map[string]string{"OURS": ours, "OTHER": other, "PROOF": cursor(meta["ebb-proof"]), "FOREIGN": cursor(otherProof), "BARE": cursor("")}
	f.Add("OURS", "", -1, byte(0), uint16(60))
	f.Add("OURS", "PROOF", -1, byte(0), uint16(3599))
	f.Add("OURS", "FOREIGN", 20, byte(4), uint16(61))
	f.Add("OTHER", "PROOF", -1, byte(0), uint16(61))
	f.Add("a1b2c3d4.AAAA", "BARE", 3, byte(9), uint16(0))
	f.Fuzz(func(t *testing.T, u, last string, at int, to byte, seconds uint16) {
		for word, text := range words {
			if u == word {
				u = text
			}
			if last == word {
				last = text
			}
		}
		if at >= 0 && at < len(u) {
			u = u[:at] + string([]byte{to}) + u[at+1:]
		}
		w.now = issued.Add(time.Duration(seconds) * time.Second)
		proves := map[string]string{ours: meta["ebb-proof"], other: otherProof}[u]
		c, err := channel.ParseCursor(last)
		proven := err == nil && c.Proof == proves
		want := http.StatusForbidden
		if proves != "" && (seconds <= 60 || proven && seconds < 3600) {
			want = http.StatusOK
		}
		var header []string
		if last != "" {
			header = []string{"Last-Event-ID", last}
		}
		a := w.setUp(u, header...)
		if a.Code != want || want != http.StatusOK && a.Body.String() != refusal {
			t.Errorf("%q with id %q after %d s: got %d %s, want %d", u, last, seconds, a.Code, a.Body, want)
		}
	})
}
