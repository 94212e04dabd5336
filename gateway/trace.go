package gateway

import (
	"context"
	"net/http"

	"go.opentelemetry.io/otel/trace"

	"github.com/ebb-events/ebb"
	"github.com/ebb-events/ebb/grip"
	"github.com/ebb-events/ebb/internal/tracing"
)

// trace begins the trace of a request that leads to something elsewhere: a
// command, or a stream. What a browser says of its own trace is linked to.
func (g *Gateway) trace(r *http.Request, route string) (*http.Request, trace.Span) {
	var step tracing.Step
	switch {
	case g.cfg.Tracer == nil:
	case route == "sse" && r.Method != http.MethodDelete:
		step = tracing.Ask
	case (route == "instance" || route == "waiting") && byMethodOrPost(r.Method):
		step = tracing.Command
	}
	if step == 0 {
		return r, nil
	}
	ctx, span := tracing.Start(r.Context(), g.cfg.Tracer, step, append(tracing.Public(r), trace.WithSpanKind(trace.SpanKindServer))...)
	return r.WithContext(ctx), span
}

func byMethodOrPost(method string) bool { return method == http.MethodPost || byMethod[method] != "" }

// endTrace ends what trace has begun.
func endTrace(span trace.Span, status int) {
	if span == nil {
		return
	}
	span.SetAttributes(tracing.Status.Int(status))
	why := ""
	if status >= http.StatusInternalServerError {
		why = http.StatusText(status)
	}
	tracing.End(span, why)
}

// noteCommand says which command it is.
func noteCommand(ctx context.Context, m ebb.Message, at place, who identity) {
	span := trace.SpanFromContext(ctx)
	if !span.IsRecording() {
		return
	}
	span.SetAttributes(
		tracing.Type.String(at.typ), tracing.Name.String(m.String(ebb.FieldCommand)),
		tracing.Corr.String(m.String(ebb.FieldCorr)), tracing.User.String(who.user.Name),
	)
}

// endSend ends the span of sending a command.
func endSend(span trace.Span, err error) {
	why := ""
	if err != nil {
		why = "the broker has not taken it"
	}
	tracing.End(span, why)
}

// traceSetUp begins the span of a set-up call below that of the edge, which
// must have signed it.
func (g *Gateway) traceSetUp(r *http.Request) trace.Span {
	ctx := tracing.Under(r.Context(), one(r.Header.Values(grip.TraceHeader)))
	_, span := tracing.Start(ctx, g.cfg.Tracer, tracing.Open, trace.WithSpanKind(trace.SpanKindServer))
	return span
}

// traceTicket says whose stream is opened, and links to where it was asked for.
func traceTicket(span trace.Span, t ticket) {
	if !span.IsRecording() {
		return
	}
	span.SetAttributes(tracing.User.String(t.User))
	if from := tracing.Parse(t.Trace); from.IsValid() {
		span.AddLink(trace.Link{SpanContext: from})
	}
}
