package aggregate

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	otel "go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/ebb-events/ebb"
	"github.com/ebb-events/ebb/internal/tracing"
)

// Headers that name a span whose trace is kept, and one whose is not.
const (
	kept   = "00-00112233445566778899aabbccddeeff-0011223344556677-01"
	unkept = "00-00112233445566778899aabbccddeeff-0011223344556677-00"
)

func newTracer() (trace.Tracer, *tracetest.SpanRecorder) {
	r := tracetest.NewSpanRecorder()
	return sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(r)).Tracer("service"), r
}

// sendTraced puts a command on its topic, with a header if it has one.
func sendTraced(b *bus, header string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	r := ebb.Record{Topic: "test-order-command", Partition: -1, Key: []byte("o"), Value: []byte(`{"_id":"o","_corr":"c","_command":"plus","_jwt":{"sub":"ann"},"note":"nobody's business"}`)}
	if header != "" {
		r.Headers = []ebb.Header{{Key: tracing.Header, Value: []byte(header)}}
	}
	b.put(r)
}

// serve runs the service of orders for a while.
func serveOrders(t *testing.T, b *bus, cfg Config) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := orders.Run(ctx, b.member("test-order-command", "test-order-aggregate"), cfg); err != nil {
		t.Error(err)
	}
}

// header is that of the only record of a topic.
func (b *bus) header(t *testing.T, topic string) string {
	t.Helper()
	all := b.records(topic)
	if len(all) != 1 {
		t.Fatalf("%s has %d records", topic, len(all))
	}
	return string(all[0].Header(tracing.Header))
}

// TestCommandIsTraced: its execution is below the span that it came with, the
// transaction below that, and what goes out is of the transaction.
func TestCommandIsTraced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBus()
		sendTraced(b, kept)
		tracer, r := newTracer()
		fails := 1
		b.fail = func() error {
			if fails--; fails >= 0 {
				return errors.New("away")
			}
			return nil
		}
		serveOrders(t, b, Config{Tracer: tracer})
		spans := r.Ended()
		if len(spans) != 4 { // the first attempt failed
			t.Fatalf("got %d spans, want two for each attempt", len(spans))
		}
		if got := spans[1].Status(); spans[1].Name() != "commit" || got.Code != otel.Error {
			t.Errorf("the first transaction, %s, ended with %v", spans[1].Name(), got)
		}
		execute, commit := spans[2], spans[3]
		if execute.Name() != "execute" || tracing.Text(execute.Parent()) != kept {
			t.Errorf("%s is below %v", execute.Name(), execute.Parent())
		}
		if commit.Name() != "commit" || commit.Parent().SpanID() != execute.SpanContext().SpanID() || commit.Status().Code != otel.Unset {
			t.Errorf("%s is below %v and ended with %v", commit.Name(), commit.Parent(), commit.Status())
		}
		for _, topic := range []string{"test-order-event", "test-order-reply"} {
			if got := b.header(t, topic); got != tracing.Text(commit.SpanContext()) {
				t.Errorf("%s has %q, want the transaction", topic, got)
			}
		}
		for _, a := range execute.Attributes() {
			if strings.Contains(a.Value.AsString(), "business") {
				t.Errorf("%s is %q", a.Key, a.Value.AsString())
			}
		}
	})
}

// TestTraceIsPassedOn: through a service that makes no spans, and where the
// trace is not kept.
func TestTraceIsPassedOn(t *testing.T) {
	for _, tt := range []struct {
		name, header, want string
		traces             bool
	}{
		{"no tracer", kept, kept, false},
		{"not kept", unkept, unkept, true},
		{"neither", "", "", false},
		{"nonsense", strings.Repeat("x", 1<<10), "", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBus()
				sendTraced(b, tt.header)
				tracer, r := newTracer()
				cfg := Config{}
				if tt.traces {
					cfg.Tracer = tracer
				}
				serveOrders(t, b, cfg)
				for _, topic := range []string{"test-order-event", "test-order-reply"} {
					if got := b.header(t, topic); got != tt.want {
						t.Errorf("%s has %q, want %q", topic, got, tt.want)
					}
				}
				if got := len(r.Ended()); got > 0 {
					t.Errorf("got %d spans", got)
				}
			})
		})
	}
}

// TestReducerIsInTheTrace: what it calls goes on with it.
func TestReducerIsInTheTrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBus()
		sendTraced(b, kept)
		tracer, r := newTracer()
		var in string
		typ := Type[counter]{Name: "test-order", On: map[string]Reducer[counter]{
			"plus": func(ctx context.Context, c counter, cmd Command) (counter, error) {
				in = tracing.Of(ctx)
				return counters.On["plus"](ctx, c, cmd)
			},
		}}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := typ.Run(ctx, b.member("test-order-command", "test-order-aggregate"), Config{Tracer: tracer}); err != nil {
			t.Error(err)
		}
		if spans := r.Ended(); len(spans) != 2 || in != tracing.Text(spans[0].SpanContext()) {
			t.Errorf("it is called in %q, and there are %v", in, spans)
		}
	})
}

// TestReactionIsTraced: the commands that it sends are of the same trace.
func TestReactionIsTraced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBus()
		sendTraced(b, kept)
		tracer, r := newTracer()
		runChain(t, b, parcels, Config{Tracer: tracer})
		spans := r.Ended()
		if len(spans) != 1 || spans[0].Name() != "react" || tracing.Text(spans[0].Parent()) != kept {
			t.Fatalf("got %v", spans)
		}
		sent := b.records("test-counter-command")
		for _, record := range sent {
			if got := string(record.Header(tracing.Header)); got != tracing.Text(spans[0].SpanContext()) {
				t.Errorf("a command has %q", got)
			}
		}
		if len(sent) != 2 {
			t.Errorf("%d commands were sent", len(sent))
		}
	})
}
