package aggregate

import (
	"context"

	"go.opentelemetry.io/otel/trace"

	"github.com/ebb-events/ebb"
	"github.com/ebb-events/ebb/internal/tracing"
)

// jobTrace is what a command has of its trace. Without a tracer it is only
// passed on.
type jobTrace struct {
	text            string     // how a header names it
	execute, commit trace.Span // nil if there are none
}

// beginExecute begins the span of a command's execution, in which the reducer
// is called. Nothing is begun that nobody keeps.
func (s *service) beginExecute(ctx context.Context, j *job) context.Context {
	if s.Tracer == nil || !tracing.Wanted(j.trace.text) {
		return ctx
	}
	ctx, j.trace.execute = tracing.Start(tracing.Under(ctx, j.trace.text), s.Tracer, tracing.Execute,
		trace.WithSpanKind(trace.SpanKindConsumer), trace.WithAttributes(
			tracing.Type.String(s.typ), tracing.Name.String(j.command.Name),
			tracing.Corr.String(j.command.Corr), tracing.User.String(j.command.User.Name)))
	j.trace.text = tracing.Of(ctx)
	return ctx
}

func (j *job) endExecute() {
	if j.trace.execute == nil {
		return
	}
	j.trace.execute.SetAttributes(tracing.Outcome.String(string(j.answer.outcome)))
	why := ""
	if j.answer.outcome == ebb.Failed {
		why = "the reducer broke"
	}
	tracing.End(j.trace.execute, why)
}

// beginCommit begins, for each command that was traced so far, the span of the
// transaction.
func (s *service) beginCommit(jobs []*job) {
	for _, j := range jobs {
		if j.trace.execute == nil {
			continue
		}
		ctx := trace.ContextWithSpan(context.Background(), j.trace.execute)
		ctx, j.trace.commit = tracing.Start(ctx, s.Tracer, tracing.Commit, trace.WithSpanKind(trace.SpanKindProducer))
		j.trace.text = tracing.Of(ctx)
	}
}

func endCommit(jobs []*job, err error) {
	why := ""
	if err != nil {
		why = "the transaction failed"
	}
	for _, j := range jobs {
		if j.trace.commit != nil {
			tracing.End(j.trace.commit, why)
		}
	}
}

// mark returns a record that names the trace it is of.
func (t jobTrace) mark(r ebb.Record) ebb.Record {
	if t.text != "" {
		r.Headers = append(r.Headers, ebb.Header{Key: tracing.Header, Value: []byte(t.text)})
	}
	return r
}

// reactTrace is the trace of a reaction.
type reactTrace struct {
	jobTrace
	span trace.Span // nil if there is none
}

// beginReact begins the span of a reaction, in which it is called.
func (r *reacting) beginReact(ctx context.Context, event ebb.Record) (context.Context, reactTrace) {
	t := reactTrace{jobTrace: jobTrace{text: tracing.Read(event.Header(tracing.Header))}}
	if r.Tracer == nil || !tracing.Wanted(t.text) {
		return ctx, t
	}
	ctx, t.span = tracing.Begin(tracing.Under(ctx, t.text), r.Tracer, "react", trace.WithSpanKind(trace.SpanKindConsumer))
	t.text = tracing.Of(ctx)
	return ctx, t
}

// end has the commands that are sent go on with the trace.
func (t reactTrace) end(e *reaction) {
	for i := range e.sends {
		e.sends[i] = t.mark(e.sends[i])
	}
	if t.span != nil {
		tracing.End(t.span, e.dead)
	}
}
