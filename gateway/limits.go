package gateway

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"time"

	"github.com/ebb-events/ebb"
	"github.com/ebb-events/ebb/internal/limit"
)

// Limits are how much somebody may ask of this gateway; others count for
// themselves. Those that are so much a second let ten seconds' worth come at
// once. A zero is no limit.
type Limits struct {
	UserCommands    float64 // a second
	AddressCommands float64 // a second, of all users of one address; tokens are not looked at beyond it
	UserOpens       float64 // of streams, a second
	AddressOpens    float64 // a second, likewise
	UserWaits       int     // of requests that wait for a reply, at a time; others are answered with 202

	Exempt []netip.Prefix // addresses without limits, for anybody may be behind them: proxies
}

func (l Limits) check() error {
	if l.UserCommands < 0 || l.AddressCommands < 0 || l.UserOpens < 0 || l.AddressOpens < 0 || l.UserWaits < 0 {
		return errors.New("Limits cannot be negative")
	}
	return nil
}

// counters count who asks for what.
type counters struct {
	addresses       limit.Addresses
	commands, opens counter
}

// counter counts one kind of request.
type counter struct {
	byUser    *limit.Rate[ebb.Username]
	byAddress *limit.Rate[limit.Peer]
}

const rateBurst = 10 * time.Second

func newCounters(l Limits) counters {
	of := func(user, address float64) counter {
		return counter{limit.NewRate[ebb.Username](user, rateBurst), limit.NewRate[limit.Peer](address, rateBurst)}
	}
	return counters{
		addresses: limit.Addresses{Exempt: l.Exempt},
		commands:  of(l.UserCommands, l.AddressCommands),
		opens:     of(l.UserOpens, l.AddressOpens),
	}
}

// fromAddress refuses a request of an address that has made too many, before it
// costs anything.
func (g *Gateway) fromAddress(c counter, r *http.Request) error {
	peer := g.counters.addresses.Of(r.RemoteAddr)
	if peer == 0 {
		return nil
	}
	return tooMany(c.byAddress.Take(peer, g.cfg.Now()), "address-rate")
}

// ofUser refuses a request of a user who has made too many.
func (g *Gateway) ofUser(c counter, user ebb.Username) error {
	return tooMany(c.byUser.Take(user, g.cfg.Now()), "user-rate")
}

// isEventSource tells who asks for a stream by itself, as browsers do, and would
// take any answer but a stream for the end.
func isEventSource(r *http.Request) bool { return r.Header.Get("Accept") == "text/event-stream" }

// sendBack has an EventSource that asks too often come back later, each at
// another time.
func (g *Gateway) sendBack(w http.ResponseWriter, p *problem) {
	g.cfg.Metrics.Refused(p.reason)
	later := p.retry + 5*time.Second + rand.N(15*time.Second)
	w.Header().Set("Content-Type", "text/event-stream")
	w.WriteHeader(http.StatusOK)
	fmt.Fprintf(w, "retry: %d\nevent: ebb.bye\ndata: {\"reason\":\"rate\"}\n\n", later.Milliseconds())
}

func tooMany(wait time.Duration, reason string) error {
	if wait == 0 {
		return nil
	}
	return &problem{status: http.StatusTooManyRequests, detail: "These are too many requests. Come back when Retry-After says.", reason: reason, retry: wait}
}
