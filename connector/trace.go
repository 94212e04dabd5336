package connector

import (
	"context"

	"go.opentelemetry.io/otel/trace"

	"github.com/ebb-events/ebb"
	"github.com/ebb-events/ebb/internal/tracing"
)

// trace begins the span of a reply, unless nobody keeps it, and returns how
// what is made of the reply names its trace.
func (c *Connector) trace(l *load, record ebb.Record) (text string) {
	text = tracing.Read(record.Header(tracing.Header))
	if c.cfg.Tracer == nil || !tracing.Wanted(text) {
		return text
	}
	ctx, span := tracing.Start(tracing.Under(context.Background(), text), c.cfg.Tracer, tracing.Carry, trace.WithSpanKind(trace.SpanKindConsumer))
	l.spans = append(l.spans, span)
	return tracing.Of(ctx)
}

// end ends all spans of a load. why says what went wrong, if something did.
func (l *load) end(why string) {
	for _, span := range l.spans {
		tracing.End(span, why)
	}
}
