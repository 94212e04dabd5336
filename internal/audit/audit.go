// Package audit writes, for those who have to account for it, who was let in
// and who was not: one line each, whose message is "audit".
//
// A line says no more than is safe to keep: never a token, a ticket, a proof or
// the query of a URL, and of a session a hash.
package audit

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"github.com/ebb-events/ebb/internal/limit"
)

// Message is the one of all lines.
const Message = "audit"

// Outcomes.
const (
	Accepted = "accepted"
	Refused  = "refused"
)

// Event is what a line tells. What is empty is left out.
type Event struct {
	Action  string // the route: sse is the login; or publish, revoke, ...
	Outcome string // Accepted or Refused
	Reason  string // of a refusal, in a word
	User    string
	Session string // its id; the line has a hash of it
	From    string // host:port that it came from; the line has the address
	Status  int    // of the answer
	Always  bool   // is never left out: what operators do
}

// The lines of one outcome are at most so many a second, and ten times as many
// at once.
const (
	maxAccepted = 1000
	maxRefused  = 100
	burst       = 10 * time.Second
)

// Log writes lines. A flood of refusals leaves out refusals and nothing else,
// and how many, a line tells.
type Log struct {
	log      *slog.Logger
	accepted kind
	refused  kind
}

// kind are the lines of one outcome.
type kind struct {
	rate *limit.Rate[struct{}]

	mu   sync.Mutex
	left int // out, since it was told
}

// New returns a Log that writes to log.
func New(log *slog.Logger) *Log {
	return &Log{
		log:      log,
		accepted: kind{rate: limit.NewRate[struct{}](maxAccepted, burst)},
		refused:  kind{rate: limit.NewRate[struct{}](maxRefused, burst)},
	}
}

// Write writes a line.
func (l *Log) Write(e Event) {
	k, level := &l.accepted, slog.LevelInfo
	if e.Outcome == Refused {
		k, level = &l.refused, slog.LevelWarn
	}
	if !e.Always && k.rate.Take(struct{}{}, time.Now()) > 0 {
		l.leaveOut(k, e.Outcome)
		return
	}
	attrs := []slog.Attr{slog.String("action", e.Action), slog.String("outcome", e.Outcome)}
	add := func(name, value string) {
		if value != "" {
			attrs = append(attrs, slog.String(name, value))
		}
	}
	add("reason", e.Reason)
	add("user", e.User)
	add("session", Hash(e.Session))
	add("address", addressOf(e.From))
	if e.Status != 0 {
		attrs = append(attrs, slog.Int("status", e.Status))
	}
	l.log.LogAttrs(context.Background(), level, Message, attrs...)
}

// leaveOut counts a line that is not written, and has a line tell how many
// there were, a second after the first.
func (l *Log) leaveOut(k *kind, outcome string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.left++; k.left > 1 {
		return
	}
	time.AfterFunc(time.Second, func() {
		k.mu.Lock()
		n := k.left
		k.left = 0
		k.mu.Unlock()
		l.log.LogAttrs(context.Background(), slog.LevelWarn, Message, slog.String("outcome", outcome), slog.Int("left_out", n))
	})
}

// Hash is what a line has of a session: enough to find its other lines, and
// nothing that opens it. It is empty if id is.
func Hash(id string) string {
	if id == "" {
		return ""
	}
	sum := sha256.Sum256([]byte("ebb session\x00" + id))
	return hex.EncodeToString(sum[:6])
}

// addressOf leaves out the port, which says nothing behind a proxy.
func addressOf(hostPort string) string {
	at, err := netip.ParseAddrPort(hostPort)
	if err != nil {
		return ""
	}
	return at.Addr().Unmap().String()
}
