package edge

import (
	"context"
	"net/http"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/ebb-events/ebb/channel"
	"github.com/ebb-events/ebb/grip"
	"github.com/ebb-events/ebb/internal/tracing"
	"github.com/ebb-events/ebb/internal/window"
)

// mostDeliveries is for how many streams one event has spans.
const mostDeliveries = 32

// traced is what the window has beside an event whose trace is kept. Most have
// nothing, and cost their streams no more than a look at that.
type traced struct {
	of   trace.SpanContext
	seen time.Time // by this edge
	told atomic.Int32
}

// frame is what the window has of an entry.
func (t *tail) frame(e *channel.Entry) window.Entry {
	out := frame(t.log, e)
	if e.Trace == "" || t.edge.cfg.Tracer == nil || out.Extra != nil {
		return out
	}
	if of := tracing.Parse(e.Trace); of.IsSampled() {
		out.Extra = &traced{of: of, seen: time.Now()}
	}
	return out
}

// traceDelivery begins the span of an event that was appended for a stream, if
// it has one. A stream that has come after the event gets it from now on.
func (s *stream) traceDelivery(e *window.Entry, replayed bool) {
	t, ok := e.Extra.(*traced)
	if !ok || t.told.Add(1) > mostDeliveries {
		return
	}
	begun := t.seen
	if replayed {
		begun = time.Now()
	}
	_, span := tracing.Start(trace.ContextWithRemoteSpanContext(context.Background(), t.of), s.edge().cfg.Tracer, tracing.Deliver,
		trace.WithSpanKind(trace.SpanKindProducer), trace.WithTimestamp(begun), trace.WithAttributes(tracing.Replay.Bool(replayed)))
	s.rare().spans = append(s.more.spans, span)
}

// traced tells whether there are spans that end when all is written.
func (s *stream) traced() bool { return s.more != nil && s.more.spans != nil }

// Written ends the spans of what was written.
func (s *stream) Written() { s.endSpans("") }

func (s *stream) endSpans(why string) {
	if !s.traced() {
		return
	}
	for _, span := range s.more.spans {
		tracing.End(span, why)
	}
	s.more.spans = nil
}

// opening is the trace of a stream that is asked for. A nil one is none.
type opening struct {
	tracer       trace.Tracer
	accept, hold trace.Span // the latter when there is something to hold
}

// opens begins the trace of a request for a stream.
func (e *Edge) opens(r *http.Request) *opening {
	if e.cfg.Tracer == nil {
		return nil
	}
	_, span := tracing.Start(r.Context(), e.cfg.Tracer, tracing.Accept, append(tracing.Public(r), trace.WithSpanKind(trace.SpanKindServer))...)
	return &opening{tracer: e.cfg.Tracer, accept: span}
}

// asks begins the span of a set-up call, which tells the origin of it.
func (o *opening) asks(out *http.Request) (answered func(status int)) {
	if o == nil {
		return func(int) {}
	}
	ctx, span := o.start(tracing.SetUp, trace.WithSpanKind(trace.SpanKindClient))
	out.Header.Set(grip.TraceHeader, tracing.Of(ctx))
	return func(status int) {
		why := ""
		if status == 0 {
			why = "the origin gives no answer"
		} else {
			span.SetAttributes(tracing.Status.Int(status))
		}
		tracing.End(span, why)
	}
}

// holds begins the span of completing a stream.
func (o *opening) holds() {
	if o != nil {
		_, o.hold = o.start(tracing.Hold)
	}
}

func (o *opening) start(step tracing.Step, opts ...trace.SpanStartOption) (context.Context, trace.Span) {
	return tracing.Start(trace.ContextWithSpan(context.Background(), o.accept), o.tracer, step, opts...)
}

// held leaves it to the stream to end the trace when its beginning is written.
func (o *opening) held(s *stream) {
	if o == nil {
		return
	}
	s.rare().spans = append(s.rare().spans, o.hold)
	o.accept.End()
}

// fails ends the trace of what came to nothing.
func (o *opening) fails(why string) {
	if o == nil {
		return
	}
	if o.hold != nil {
		tracing.End(o.hold, why)
	}
	tracing.End(o.accept, why)
}
