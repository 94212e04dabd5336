package tracing

import (
	"context"
	"errors"
	"net/http"
	"strconv"

	"go.opentelemetry.io/otel/trace"
)

// Header is the header, of a record or a request, that names a span: W3C Trace
// Context's. What else that standard has (tracestate, baggage) is not passed on.
const Header = "traceparent"

// textLen is the length of a header's value.
const textLen = len("00-00112233445566778899aabbccddeeff-0011223344556677-01")

// Text is how a header names a span, "" if there is none.
func Text(of trace.SpanContext) string {
	if !of.IsValid() {
		return ""
	}
	return "00-" + of.TraceID().String() + "-" + of.SpanID().String() + "-" + (of.TraceFlags() & trace.FlagsSampled).String()
}

// Read returns what a record's header says, "" if that names no span.
func Read(header []byte) string {
	if len(header) == 0 {
		return ""
	}
	return Text(Parse(string(header)))
}

// Of is how a header names the span of ctx, "" if there is none.
func Of(ctx context.Context) string { return Text(trace.SpanContextFromContext(ctx)) }

// Parse reads what Text wrote, or another's. What is malformed names none.
func Parse(text string) trace.SpanContext {
	if len(text) != textLen || text[:3] != "00-" || text[35] != '-' || text[52] != '-' {
		return trace.SpanContext{}
	}
	traceID, err1 := trace.TraceIDFromHex(text[3:35])
	spanID, err2 := trace.SpanIDFromHex(text[36:52])
	flags, err3 := strconv.ParseUint(text[53:], 16, 8)
	if errors.Join(err1, err2, err3) != nil {
		return trace.SpanContext{}
	}
	return trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: traceID, SpanID: spanID, TraceFlags: trace.TraceFlags(flags) & trace.FlagsSampled, Remote: true,
	})
}

// Under returns ctx with the span that a header of ours names as the parent of
// what is begun.
func Under(ctx context.Context, text string) context.Context {
	if of := Parse(text); of.IsValid() {
		return trace.ContextWithRemoteSpanContext(ctx, of)
	}
	return ctx
}

// Wanted tells whether what comes with that header is to have a span: its trace
// is kept, or it has none, and one may begin.
func Wanted(text string) bool {
	of := Parse(text)
	return !of.IsValid() || of.IsSampled()
}

// Linked is for what begins a trace of its own because of something in another,
// which that header names.
func Linked(text string) []trace.SpanStartOption {
	opts := []trace.SpanStartOption{trace.WithNewRoot()}
	if of := Parse(text); of.IsValid() {
		opts = append(opts, trace.WithLinks(trace.Link{SpanContext: of}))
	}
	return opts
}

// Public is for what a browser begins. Its own trace is linked to, and no more:
// whoever calls may not decide which traces are kept, nor add to any.
func Public(r *http.Request) []trace.SpanStartOption { return Linked(r.Header.Get(Header)) }
