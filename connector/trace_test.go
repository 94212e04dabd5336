package connector

import (
	"testing"

	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/ebb-events/ebb"
	"github.com/ebb-events/ebb/internal/tracing"
)

// Headers that name a span whose trace is kept, and one whose is not.
const (
	sampled    = "00-00112233445566778899aabbccddeeff-0011223344556677-01"
	sampledNot = "00-00112233445566778899aabbccddeeff-0011223344556677-00"
)

const shared = `{"_id":"x","_corr":"c","_outcome":"applied","_jwt":{"sub":"ann"},"_subscriptions":["bob"]}`

// traced is a batch of replies with those headers.
func traced(headers ...string) ebb.Batch {
	var b ebb.Batch
	for i, header := range headers {
		r := replies(shared).Records[0]
		r.Offset += int64(i)
		if header != "" {
			r.Headers = []ebb.Header{{Key: tracing.Header, Value: []byte(header)}}
		}
		b.Records = append(b.Records, r)
	}
	return b
}

// TestReplyIsTraced: once, however many it is for, and what is on the channel
// log is of that span. An attempt that failed is one too.
func TestReplyIsTraced(t *testing.T) {
	r := tracetest.NewSpanRecorder()
	fails := 1
	f := &fake{batches: []ebb.Batch{traced(sampled, sampledNot)}, fail: func(what string) error {
		if what == "append" && fails > 0 {
			fails--
			return errAway
		}
		return nil
	}}
	run(t, f, Config{Tracer: sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(r)).Tracer("connector")})
	spans := r.Ended()
	if len(spans) != 2 || spans[0].Status().Code != codes.Error || spans[1].Status().Code != codes.Unset {
		t.Fatalf("got %v, want one that failed and one that did not", spans)
	}
	if got := tracing.Text(spans[1].Parent()); got != sampled {
		t.Errorf("it is below %q", got)
	}
	own := tracing.Text(spans[1].SpanContext())
	var got []string
	for _, record := range f.log {
		got = append(got, record.Trace)
	}
	equal(t, "traces", got, []string{own, own, sampledNot, sampledNot})
}

// TestTraceIsPassedOn by a connector that makes no spans.
func TestTraceIsPassedOn(t *testing.T) {
	f := &fake{batches: []ebb.Batch{traced(sampled, "", "nonsense")}}
	run(t, f, Config{})
	var got []string
	for _, record := range f.log {
		got = append(got, record.Trace)
	}
	equal(t, "traces", got, []string{sampled, sampled, "", "", "", ""})
}
