package edge

import (
	"net/netip"
	"time"

	"github.com/ebb-events/ebb/internal/limit"
)

// Limits are how many streams somebody may have, and open, at this edge. Other
// edges count for themselves. A zero is no limit.
type Limits struct {
	User    int // streams of one user at a time; with one more the oldest ends, and the new one begins
	Address int // streams and long-polls of one address at a time; over it they are sent away

	Opens        float64 // streams opened a second
	AddressOpens float64 // by one address; ten seconds' worth may come at once

	Exempt []netip.Prefix // addresses without limits, for anybody may be behind them: proxies
}

// Reasons of the limits, beside those of ends and of being sent away.
const (
	reasonReplaced = "replaced" // the user has opened too many others since
	reasonAddress  = "address"  // its address has too many
	reasonRate     = "rate"     // too many are being opened
)

// replacedFor is how long a browser stays away whose stream was replaced: two
// pages that came back at once would end each other's streams for ever.
const replacedFor = 10 * time.Minute

// gate counts who opens streams.
type gate struct {
	Limits
	addresses limit.Addresses
	opens     *limit.Rate[struct{}]
	peerOpens *limit.Rate[limit.Peer]
	held      map[limit.Peer]int32 // by the edge's streams and polls; of its mutex
}

func newGate(l Limits) gate {
	return gate{
		Limits:    l,
		addresses: limit.Addresses{Exempt: l.Exempt},
		opens:     limit.NewRate[struct{}](l.Opens, time.Second),
		peerOpens: limit.NewRate[limit.Peer](l.AddressOpens, 10*time.Second),
		held:      map[limit.Peer]int32{},
	}
}

// shuts says why nobody at an address may open a stream now, "" if they may.
// Who may has used a part of what may be opened.
func (e *Edge) shuts(peer limit.Peer) string {
	e.mu.Lock()
	reason := e.noRoom(len(e.setups), peer)
	e.mu.Unlock()
	now := time.Now()
	switch {
	case reason != "":
		return reason
	case peer != 0 && e.gate.peerOpens.Take(peer, now) > 0: // first, or who is refused would use up what others may
		return reasonRate
	case e.gate.opens.Take(struct{}{}, now) > 0:
		return reasonRate
	}
	return ""
}

// crowded tells whether an address has all that it may. The edge must be locked.
func (g *gate) crowded(peer limit.Peer) bool {
	return peer != 0 && g.Address > 0 && int(g.held[peer]) >= g.Address
}

// enter counts what an address holds. The edge must be locked.
func (g *gate) enter(peer limit.Peer) {
	if peer != 0 && g.Address > 0 {
		g.held[peer]++
	}
}

// leave forgets an address that holds nothing any more. The edge must be locked.
func (g *gate) leave(peer limit.Peer) {
	if peer == 0 || g.Address == 0 {
		return
	}
	if g.held[peer]--; g.held[peer] == 0 {
		delete(g.held, peer)
	}
}

// oldest returns the stream that has to end so that s may begin, nil if none
// has to. The window knows who hears a user's channel. The edge must be locked.
func (e *Edge) oldest(s *stream) *stream {
	if e.gate.User == 0 || !s.ofUser || !s.sub.reader.Attached() {
		return nil
	}
	n := 0
	var oldest *stream
	for owner := range s.sub.reader.Others() {
		other, ok := owner.(*stream)
		if !ok || !other.ofUser || other.born == 0 || other.ending.Load() != nil {
			continue
		}
		if n++; oldest == nil || other.born < oldest.born {
			oldest = other
		}
	}
	if n < e.gate.User {
		return nil
	}
	return oldest
}
