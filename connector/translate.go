package connector

import (
	"fmt"
	"strings"

	"github.com/ebb-events/ebb"
	"github.com/ebb-events/ebb/channel"
	"github.com/ebb-events/ebb/sse"
)

// The limits of Config.MaxEvent.
const (
	minMaxEvent     = 4 << 10 // room for every placeholder
	defaultMaxEvent = 900_000
)

// Translator says what replies are on the channels of the users they are for.
// It is a connector without topics, for replies that come some other way.
type Translator struct {
	cfg      Config
	maxEvent int
	excluded map[ebb.Username]bool
}

// NewTranslator returns a translator, or says what is wrong with cfg. Source,
// Sink, Log and Metrics are not for it.
func NewTranslator(cfg Config) (*Translator, error) {
	if cfg.MaxEvent == 0 {
		cfg.MaxEvent = defaultMaxEvent
	}
	if cfg.MaxEvent < minMaxEvent {
		return nil, fmt.Errorf("connector: MaxEvent is %d, want at least %d", cfg.MaxEvent, minMaxEvent)
	}
	if cfg.EventName != "" && !validName(cfg.EventName) {
		return nil, fmt.Errorf("connector: EventName is %q, want at most 64 of A-Za-z0-9._:- and no ebb. before them", cfg.EventName)
	}
	if err := issuers(cfg.Issuers).check(); err != nil {
		return nil, fmt.Errorf("connector: %w", err)
	}
	t := &Translator{cfg: cfg, maxEvent: cfg.MaxEvent, excluded: map[ebb.Username]bool{}}
	for _, user := range cfg.Exclude {
		t.excluded[user] = true
	}
	return t, nil
}

// Translate returns what a reply is on the channels of its recipients, in byte
// order, or why it cannot be carried. truncated tells that it was too large, and
// a placeholder stands for it.
func (t *Translator) Translate(value []byte, src channel.Src) (records []channel.Record, truncated bool, reason string) {
	r, reason := parse(value, t.cfg.NameField)
	if reason != "" {
		return nil, false, reason
	}
	recipients, reason := r.recipients(t.cfg.Issuers, t.excluded)
	if reason != "" || len(recipients) == 0 {
		return nil, false, reason
	}
	out := channel.Record{Kind: channel.Event, Name: t.cfg.EventName, Data: r.payload, Src: src}
	if name, ok := unquote(r.name); ok && validName(name) {
		out.Name = name
	}
	truncated = len(r.payload) > t.maxEvent
	if truncated {
		out.Data = r.placeholder()
	}
	sender, _ := unquote(r.sub)
	theirs := out.Data
	if !truncated && (len(recipients) > 1 || recipients[0] != sender) {
		theirs = r.forOthers()
	}
	for _, user := range recipients {
		one := out
		if one.Channel = user; user != sender {
			one.Data = theirs
		}
		records = append(records, one)
	}
	return records, truncated, ""
}

// validName tells whether events may have that name: the edge's own begin
// with "ebb.".
func validName(name string) bool { return sse.ValidName(name) && !strings.HasPrefix(name, "ebb.") }
