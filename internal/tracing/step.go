// Package tracing is what the traces of all boxes have in common: the steps of
// the round trip, which are their spans, and how a record or a request names
// the span that it is of.
//
// A box has a tracer of OpenTelemetry or nil, with which it makes no spans. A
// trace is as safe to show as a log of who did what: no token, no ticket, no
// query and nothing that a user wrote is in it. Whoever adds an attribute adds
// it here.
package tracing

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
)

// Step is one of the twelve steps of the round trip, or 0 for what lies beside
// it.
type Step int

// The steps: of the opening of a stream up to Hold, of a command from there on.
const (
	Ask      Step = 1 + iota // a browser asks the gateway for a stream
	Redirect                 // it is sent to the edge
	Accept                   // the edge has it, until its stream is held
	SetUp                    // the edge asks the gateway
	Open                     // the gateway opens the ticket
	Hold                     // the edge completes the stream, until its beginning is written
	Command                  // a browser sends a command, until it is answered
	Send                     // the gateway puts it on its topic, until the broker has it
	Execute                  // a service executes it
	Commit                   // and commits what comes of it
	Carry                    // the connector carries the reply to the channel log, until the broker has it
	Deliver                  // the edge has it, until it is written to a stream
)

var names = [...]string{"", "ask", "redirect", "accept", "set up", "open", "hold", "command", "send", "execute", "commit", "carry", "deliver"}

// String is the name of the step's spans.
func (s Step) String() string { return names[s] }

// attrStep says which step a span is.
const attrStep = attribute.Key("ebb.step")

// What a span may say beside its step.
const (
	Type    = attribute.Key("ebb.type")    // of an instance: <app>-<type>
	Name    = attribute.Key("ebb.command") // of a command
	Corr    = attribute.Key("ebb.corr")    // correlation id of a command
	Outcome = attribute.Key("ebb.outcome") // of a command
	User    = attribute.Key("enduser.id")  // who sent it, or has the stream
	Status  = attribute.Key("http.response.status_code")
	Replay  = attribute.Key("ebb.replay") // a stream gets it that was opened later
)

// Start begins the span of a step below that of ctx, or one that does nothing
// if tracer is nil.
func Start(ctx context.Context, tracer trace.Tracer, step Step, opts ...trace.SpanStartOption) (context.Context, trace.Span) {
	return Begin(ctx, tracer, step.String(), append(opts, trace.WithAttributes(attrStep.Int(int(step))))...)
}

// Begin is Start for what is no step.
func Begin(ctx context.Context, tracer trace.Tracer, name string, opts ...trace.SpanStartOption) (context.Context, trace.Span) {
	if tracer == nil {
		return ctx, noop.Span{}
	}
	return tracer.Start(ctx, name, opts...)
}

// Note adds to the span of ctx, if there is one that will be kept.
func Note(ctx context.Context, key attribute.Key, value string) {
	if span := trace.SpanFromContext(ctx); span.IsRecording() {
		span.SetAttributes(key.String(value))
	}
}

// End ends a span. why says what went wrong, in words of ours; empty is
// nothing.
func End(span trace.Span, why string) {
	if why != "" {
		span.SetStatus(codes.Error, why)
	}
	span.End()
}
