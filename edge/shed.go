package edge

import (
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"

	"github.com/ebb-events/ebb/internal/limit"
	"github.com/ebb-events/ebb/sse"
)

// Why a request for a stream is sent away, beside the reasons of its end.
const (
	reasonUnavailable = "unavailable" // the origin gives no usable answer
	reasonFull        = "full"        // no room for more streams and polls
)

// noRoom says why there is no room for a stream of an address beside those held
// and coming, "" if there is. The edge must be locked.
func (e *Edge) noRoom(coming int, peer limit.Peer) string {
	switch {
	case e.draining:
		return reasonDraining
	case e.cfg.Streams > 0 && len(e.streams)+e.polls.count()+coming >= e.cfg.Streams:
		return reasonFull
	case e.gate.crowded(peer):
		return reasonAddress
	}
	return ""
}

// Shed answers a request that there is no room for: what wants a stream is sent
// away with a time to come back, everything else gets a 503.
func (e *Edge) Shed(w http.ResponseWriter, r *http.Request) {
	if wantsStream(r) {
		e.sendAway(w, reasonFull)
		return
	}
	w.Header().Set("Retry-After", strconv.Itoa(int(wayBack(reasonFull).Seconds())))
	http.Error(w, "this edge is full", http.StatusServiceUnavailable)
}

// sendAway sends an EventSource back, and counts it.
func (e *Edge) sendAway(w http.ResponseWriter, reason string) {
	call1(e.cfg.Metrics.SentAway, reason)
	sendBack(w, reason)
}

// sendBack answers an EventSource so that it comes back by itself: any other
// status would close it for good.
func sendBack(w http.ResponseWriter, reason string) {
	h := w.Header()
	h.Set("Content-Type", sse.ContentType)
	h.Set("Cache-Control", "no-store")
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("X-Accel-Buffering", "no")
	_, _ = w.Write(sse.Event{Retry: wayBack(reason), Name: eventBye, Data: []byte(`{"reason":"` + reason + `"}`)}.Append(nil))
}

// wayBack is after what time to come back, another to each. A full edge does
// not become empty in a second.
func wayBack(reason string) time.Duration {
	switch reason {
	case reasonReplaced:
		return replacedFor
	case reasonFull, reasonAddress, reasonRate:
		return 5*time.Second + rand.N(15*time.Second)
	}
	return time.Second + rand.N(3*time.Second)
}
