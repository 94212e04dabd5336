package tracing

import (
	"time"

	"go.opentelemetry.io/otel/attribute"
)

// Kept is a span that has ended, as far as somebody wants to look at it here.
type Kept struct {
	Trace string
	Links []string // traces that it is linked to
	Step  Step
	Name  string
	Start time.Time
	Took  time.Duration
	Fail  bool
	Corr  string
	User  string
}

// Take takes what attributes say.
func (k *Kept) Take(attrs []attribute.KeyValue) {
	for _, a := range attrs {
		switch a.Key {
		case attrStep:
			k.Step = Step(a.Value.AsInt64())
		case Corr:
			k.Corr = a.Value.AsString()
		case User:
			k.User = a.Value.AsString()
		}
	}
}
