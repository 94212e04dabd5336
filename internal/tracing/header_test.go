package tracing_test

import (
	"context"
	"net/http"
	"testing"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/ebb-events/ebb/internal/tracing"
)

const (
	kept    = "00-00112233445566778899aabbccddeeff-0011223344556677-01"
	dropped = "00-00112233445566778899aabbccddeeff-0011223344556677-00"
)

func TestParse(t *testing.T) {
	for text, want := range map[string]string{
		kept:    kept,
		dropped: dropped,
		"00-00112233445566778899aabbccddeeff-0011223344556677-03": kept, // flags that came later
		"":   "",
		"00": "",
		"00-00000000000000000000000000000000-0011223344556677-01":  "",
		"00-00112233445566778899aabbccddeeff-0000000000000000-01":  "",
		"00-00112233445566778899aabbccddeefg-0011223344556677-01":  "",
		"00-00112233445566778899AABBCCDDEEFF-0011223344556677-01":  "",
		"00-00112233445566778899aabbccddeeff-0011223344556677-0x":  "",
		"00-00112233445566778899aabbccddeeff-0011223344556677-01 ": "",
		"01-00112233445566778899aabbccddeeff-0011223344556677-01":  "",
		"00_00112233445566778899aabbccddeeff-0011223344556677-01":  "",
		"00-00112233445566778899aabbccddeeff-0011223344556677_01":  "",
		"00-00112233445566778899aabbccddeeff-0011223344556677-+1":  "",
	} {
		if got := tracing.Text(tracing.Parse(text)); got != want {
			t.Errorf("%q is %q, want %q", text, got, want)
		}
	}
}

func TestWanted(t *testing.T) {
	for text, want := range map[string]bool{"": true, "x": true, kept: true, dropped: false} {
		if got := tracing.Wanted(text); got != want {
			t.Errorf("%q: got %v", text, got)
		}
	}
}

// TestBrowsersDecideNothing: a browser's header makes a link, and neither a
// parent nor a decision to keep the trace.
func TestBrowsersDecideNothing(t *testing.T) {
	provider := sdktrace.NewTracerProvider(sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.TraceIDRatioBased(0))))
	r := &http.Request{Header: http.Header{"Traceparent": {kept}}}
	_, span := tracing.Start(context.Background(), provider.Tracer(""), tracing.Command, tracing.Public(r)...)
	if span.IsRecording() {
		t.Error("it is kept")
	}

	provider = sdktrace.NewTracerProvider()
	_, span = tracing.Start(context.Background(), provider.Tracer(""), tracing.Command, tracing.Public(r)...)
	ended := span.(sdktrace.ReadOnlySpan)
	if ended.Parent().IsValid() || ended.SpanContext().TraceID() == tracing.Parse(kept).TraceID() {
		t.Errorf("it is below %v", ended.Parent())
	}
	if links := ended.Links(); len(links) != 1 || tracing.Text(links[0].SpanContext) != kept {
		t.Errorf("got links %v", links)
	}
}

func TestNoTracerMakesNoSpans(t *testing.T) {
	ctx, span := tracing.Start(context.Background(), nil, tracing.Send)
	tracing.Note(ctx, tracing.Corr, "x")
	tracing.End(span, "broken")
	if got := tracing.Of(ctx); got != "" || trace.SpanContextFromContext(ctx).IsValid() {
		t.Errorf("got %q", got)
	}
	if got := tracing.Of(tracing.Under(ctx, kept)); got != kept {
		t.Errorf("got %q, want what it came with", got)
	}
}
