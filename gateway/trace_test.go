package gateway_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/ebb-events/ebb/gateway"
	"github.com/ebb-events/ebb/grip"
	"github.com/ebb-events/ebb/internal/tracing"
)

// parent names a span whose trace is kept.
const parent = "00-00112233445566778899aabbccddeeff-0011223344556677-01"

// recorder is what traces a gateway, and what it has recorded.
type recorder struct{ *tracetest.SpanRecorder }

func newRecorder() recorder { return recorder{tracetest.NewSpanRecorder()} }

func (r recorder) trace(cfg *gateway.Config) {
	cfg.Tracer = sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(r)).Tracer("gateway")
}

// one returns the only span of a step, and forgets all.
func (r recorder) one(t *testing.T, step tracing.Step) (found sdktrace.ReadOnlySpan) {
	t.Helper()
	for _, span := range r.Ended() {
		if span.Name() == step.String() && found != nil {
			t.Fatalf("more than one span %q", step)
		} else if span.Name() == step.String() {
			found = span
		}
	}
	if found == nil {
		t.Fatalf("no span %q", step)
	}
	return found
}

// everything is all that spans say, as text.
func (r recorder) everything() string {
	var b strings.Builder
	for _, s := range r.Ended() {
		fmt.Fprintln(&b, s.Name(), s.Attributes(), s.Events(), s.Links(), s.Status(), s.SpanContext().TraceState())
	}
	return b.String()
}

// seeing is a sender that sees what span a command is sent in.
type seeing struct{ of []string }

func (s *seeing) Send(ctx context.Context, _, _ string, _ []byte) error {
	s.of = append(s.of, tracing.Of(ctx))
	return nil
}

// TestCommandIsTraced: a browser's own trace is linked to, and what the command
// is sent with is the span of sending it.
func TestCommandIsTraced(t *testing.T) {
	r, sent := newRecorder(), &seeing{}
	w := newWorld(t, r.trace, func(cfg *gateway.Config) { cfg.Sender = sent })
	a := w.as("ann", "POST", instance, `{"_command":"create","_corr":"c1","title":"x"}`,
		"Content-Type", "application/json", "Traceparent", parent, "Tracestate", "x=1", "Baggage", "y=2")
	if a.Code != http.StatusAccepted {
		t.Fatalf("got %d %s", a.Code, a.Body)
	}
	command, send := r.one(t, tracing.Command), r.one(t, tracing.Send)
	if links := command.Links(); command.Parent().IsValid() || len(links) != 1 || tracing.Text(links[0].SpanContext) != parent {
		t.Errorf("it is below %v, with links %v", command.Parent(), links)
	}
	if send.Parent().SpanID() != command.SpanContext().SpanID() || len(sent.of) != 1 || sent.of[0] != tracing.Text(send.SpanContext()) {
		t.Errorf("sending is below %v, and the command has %q", send.Parent(), sent.of)
	}
	all := r.everything()
	for _, want := range []string{"board-task", "create", "c1", "ann", "202"} {
		if !strings.Contains(all, want) {
			t.Errorf("%q is not in %s", want, all)
		}
	}
}

// TestTracesHoldNoSecrets: no token, ticket, proof, query or payload is in a
// span, of what went well and of what did not.
func TestTracesHoldNoSecrets(t *testing.T) {
	r := newRecorder()
	w := newWorld(t, r.trace)
	const written = "nobody else's business"
	body := `{"_command":"create","title":"` + written + `"}`
	header := []string{"Content-Type", "application/json", "Cookie", "x=cookie-text", "Traceparent", parent, "Tracestate", "evil=state-text"}
	w.as("ann", "POST", instance+"?q=query-text", body, header...)
	w.ask("POST", instance+"?q=query-text", body, append(header, "Authorization", "Bearer bad-token-text")...)
	w.as("ann", "POST", instance, `{"_command":"create","_wrong":"`+written+`"}`, header...)
	w.sent.err = errors.New("broker says " + written)
	w.as("ann", "POST", instance, body, header...)
	u := w.ticket("ann").Get("u")
	proof := instruct(t, w.setUp(u, grip.TraceHeader, parent)).Hold.Meta[grip.MetaProof]
	w.setUp("bad-ticket-text")
	w.as("ann", "POST", "/api/sse?cursor=query-text", "", header...)

	all := r.everything()
	if strings.Count(all, "\n") < 10 {
		t.Fatalf("got only %s", all)
	}
	for _, secret := range []string{written, "query-text", "cookie-text", "bad-token-text", "bad-ticket-text", "state-text", u, proof, w.token("ann"), "Bearer", "eyJ"} {
		if strings.Contains(all, secret) {
			t.Errorf("%q is in %s", secret, all)
		}
	}
	if r := r.Ended(); len(r) == 0 {
		t.Error("nothing was traced")
	}
}

// TestSetUpIsTraced: below the edge's call, with a link to the request that the
// ticket was issued for. Nobody but an edge can say what it is below.
func TestSetUpIsTraced(t *testing.T) {
	r := newRecorder()
	w := newWorld(t, r.trace)
	u := w.ticket("ann").Get("u")
	ask, redirect := r.one(t, tracing.Ask), r.one(t, tracing.Redirect)
	if redirect.Parent().SpanID() != ask.SpanContext().SpanID() {
		t.Errorf("the redirect is below %v", redirect.Parent())
	}
	if a := w.ask("GET", "/api/sse-setup?u="+u, "", grip.TraceHeader, parent); a.Code != http.StatusForbidden {
		t.Errorf("without a signature: %d", a.Code)
	}
	instruct(t, w.setUp(u, grip.TraceHeader, parent, "Traceparent", strings.Replace(parent, "77", "78", 1)))
	open := r.one(t, tracing.Open) // and none of the one without a signature
	if got := tracing.Text(open.Parent()); got != parent {
		t.Errorf("it is below %q, want the edge's call", got)
	}
	if links := open.Links(); len(links) != 1 || links[0].SpanContext.SpanID() != redirect.SpanContext().SpanID() {
		t.Errorf("got links %v, want the redirect", links)
	}
}

// TestBrokerAwayShowsInTraces: with words of ours.
func TestBrokerAwayShowsInTraces(t *testing.T) {
	r := newRecorder()
	w := newWorld(t, r.trace)
	w.sent.err = errors.New("away")
	if a := w.command(`{"_command":"create"}`); a.Code != http.StatusServiceUnavailable {
		t.Fatalf("got %d", a.Code)
	}
	for _, step := range []tracing.Step{tracing.Command, tracing.Send} {
		if got := r.one(t, step).Status(); got.Code != codes.Error || got.Description == "" {
			t.Errorf("%s ended with %v", step, got)
		}
	}
}

// TestReadingIsNotTraced: it leads to nothing elsewhere.
func TestReadingIsNotTraced(t *testing.T) {
	r := newRecorder()
	w := newWorld(t, r.trace)
	w.as("ann", "GET", instance, "")
	w.as("ann", "GET", "/api/board/task", "")
	w.as("ann", "DELETE", "/api/sse", "")
	w.ask("OPTIONS", instance, "", "Origin", page, "Access-Control-Request-Method", "POST")
	w.ask("GET", "/api/health", "")
	if got := r.Ended(); len(got) > 0 {
		t.Errorf("got %s", r.everything())
	}
}
