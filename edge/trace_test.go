package edge_test

import (
	"bufio"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/ebb-events/ebb/channel"
	"github.com/ebb-events/ebb/edge"
	"github.com/ebb-events/ebb/grip"
	"github.com/ebb-events/ebb/internal/tracing"
	"github.com/ebb-events/ebb/sse"
)

// parent names a span whose trace is kept.
const parent = "00-00112233445566778899aabbccddeeff-0011223344556677-01"

// recorder is what traces an edge, and what it has recorded.
type recorder struct{ *tracetest.SpanRecorder }

func newRecorder() recorder { return recorder{tracetest.NewSpanRecorder()} }

func (r recorder) trace(cfg *edge.Config) {
	cfg.Tracer = sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(r)).Tracer("edge")
}

// of returns the spans of a step that have ended.
func (r recorder) of(step tracing.Step) (list []sdktrace.ReadOnlySpan) {
	for _, span := range r.Ended() {
		if span.Name() == step.String() {
			list = append(list, span)
		}
	}
	return list
}

func (r recorder) one(t *testing.T, step tracing.Step) sdktrace.ReadOnlySpan {
	t.Helper()
	list := r.of(step)
	if len(list) != 1 {
		t.Fatalf("got %d spans %q, want one", len(list), step)
	}
	return list[0]
}

// tracedEvent is an event whose trace is kept.
func tracedEvent(offset int64, data string) channel.Record {
	r := event("ann", offset, data)
	r.Trace = parent
	return r
}

func TestDeliveryIsTracedUntilItIsWritten(t *testing.T) {
	r := newRecorder()
	in(t, r.trace, func(w *world) {
		c := w.connect("/?u=ann", "") // which nobody reads
		synctest.Wait()
		w.append(tracedEvent(1, "a"), event("ann", 2, "b"))
		begun := time.Now()
		time.Sleep(3 * time.Second)
		synctest.Wait()
		if got := r.of(tracing.Deliver); len(got) > 0 {
			t.Errorf("got %d spans of what nobody has read", len(got))
		}
		go c.read(1)
		c.want("ebb.hello", "a", "b")
		span := r.one(t, tracing.Deliver)
		if took := span.EndTime().Sub(span.StartTime()); took != 3*time.Second || !span.StartTime().Equal(begun) {
			t.Errorf("it began after %v and took %v, want at once and 3 s", span.StartTime().Sub(begun), took)
		}
		if got := tracing.Text(span.Parent()); got != parent {
			t.Errorf("it is below %s", got)
		}
		w.append(event("ann", 3, "c"))
		c.want("c")
		c.cut()
		r.one(t, tracing.Deliver)
	})
}

func TestOnlyKeptTracesHaveSpans(t *testing.T) {
	r := newRecorder()
	in(t, r.trace, func(w *world) {
		c := w.open("/?u=ann", "")
		c.want("ebb.hello")
		for i, text := range []string{"", "x", strings.TrimSuffix(parent, "1") + "0"} {
			e := event("ann", int64(i), "a")
			e.Trace = text
			w.append(e)
			c.want("a")
		}
		if got := r.of(tracing.Deliver); len(got) > 0 {
			t.Errorf("got %d spans", len(got))
		}
		c.cut()
	})
}

// TestReplayIsTracedFromTheReturn: how long a browser was away is not a matter
// of the edge's; neither does it matter whether the window or the log has what
// it missed.
func TestReplayIsTracedFromTheReturn(t *testing.T) {
	for name, window := range map[string]int64{"window": 1 << 20, "log": 1} {
		t.Run(name, func(t *testing.T) {
			r := newRecorder()
			change := func(cfg *edge.Config) { r.trace(cfg); cfg.Window = window }
			in(t, change, func(w *world) {
				begin := channel.Cursor{Generation: channel.Generation{1}, Partition: annIn, Offset: -1, Proof: proof}.String()
				w.append(tracedEvent(1, "a"), event("ann", 2, "b"))
				time.Sleep(time.Minute)
				c := w.open("/?u=ann", begin)
				c.want("ebb.hello", "a", "b")
				if away := time.Since(r.one(t, tracing.Deliver).StartTime()); away != 0 {
					t.Errorf("it was being delivered for %v", away)
				}
				c.cut()
			})
		})
	}
}

// TestManyStreamsHaveFewSpans: an event that very many hear is not a flood of
// spans.
func TestManyStreamsHaveFewSpans(t *testing.T) {
	r := newRecorder()
	in(t, r.trace, func(w *world) {
		var all []*client
		for range 40 {
			all = append(all, w.open("/?u=ann", ""))
		}
		w.append(tracedEvent(1, "a"))
		for _, c := range all {
			c.want("ebb.hello", "a")
		}
		if got := len(r.of(tracing.Deliver)); got != 32 {
			t.Errorf("got %d spans, want 32", got)
		}
		for _, c := range all {
			c.cut()
		}
	})
}

// TestOpeningIsTraced: the origin hears of the edge's trace, and a browser has
// no say in it.
func TestOpeningIsTraced(t *testing.T) {
	r := newRecorder()
	in(t, r.trace, func(w *world) {
		var told http.Header
		w.origin = func(rw http.ResponseWriter, req *http.Request) {
			told = req.Header.Clone()
			time.Sleep(time.Second)
			setUp(rw, req)
		}
		c := w.connectAs("/?u=ann", http.Header{"Traceparent": {parent}, "Grip-Trace": {parent}})
		go c.read(1)
		<-c.begun
		c.want("ebb.hello")
		accept, ask, hold := r.one(t, tracing.Accept), r.one(t, tracing.SetUp), r.one(t, tracing.Hold)
		if got := told.Get(grip.TraceHeader); got != tracing.Text(ask.SpanContext()) {
			t.Errorf("the origin was told of %s, want the set-up call", got)
		}
		if accept.Parent().IsValid() || len(accept.Links()) != 1 || tracing.Text(accept.Links()[0].SpanContext) != parent {
			t.Errorf("it is below %v and linked to %v, want a link to the browser's trace alone", accept.Parent(), accept.Links())
		}
		for _, span := range []sdktrace.ReadOnlySpan{ask, hold} {
			if span.Parent().SpanID() != accept.SpanContext().SpanID() {
				t.Errorf("%s is below %v", span.Name(), span.Parent())
			}
		}
		if took := ask.EndTime().Sub(ask.StartTime()); took != time.Second || hold.StartTime().Before(ask.EndTime()) {
			t.Errorf("the set-up call took %v; the stream was held %v later", took, hold.StartTime().Sub(ask.EndTime()))
		}
		c.cut()
	})
}

// TestOpeningThatFailsIsTraced: so that one sees why streams are not to be had.
func TestOpeningThatFailsIsTraced(t *testing.T) {
	for name, origin := range map[string]http.HandlerFunc{
		"refused": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) },
		"silent":  func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRecorder()
			in(t, r.trace, func(w *world) {
				w.origin = origin
				c := w.connect("/?u=ann", "")
				go c.read(1)
				<-c.ended
				if r.one(t, tracing.SetUp); r.one(t, tracing.Accept).Status().Code != codes.Error || len(r.of(tracing.Hold)) > 0 {
					t.Errorf("got %v", r.Ended())
				}
				c.cut()
			})
		})
	}
}

// TestStreamOfTheLoopIsTraced: also where no goroutine holds the stream.
func TestStreamOfTheLoopIsTraced(t *testing.T) {
	r, log := newRecorder(), newLog()
	cfg := edge.Config{Log: log, Publisher: log, Origin: must(url.Parse("http://origin")), GripKey: key, Transport: &world{t: t, log: log, origin: setUp}}
	r.trace(&cfg)
	box := must(edge.New(cfg))
	defer running(t, box)()
	front := facing(box)
	defer front.Close()
	req := must(http.NewRequestWithContext(t.Context(), "GET", front.URL+"/?u=ann", nil))
	req.Header.Set("Accept", sse.ContentType)
	resp := must(http.DefaultTransport.RoundTrip(req))
	defer resp.Body.Close()
	events := sse.NewReader(bufio.NewReader(resp.Body))
	must(events.Next())
	for i := range 10 {
		if err := log.Append(t.Context(), []channel.Record{event("ann", int64(2*i), "a"), tracedEvent(int64(2*i+1), "b")}); err != nil {
			t.Fatal(err)
		}
		must(events.Next())
		must(events.Next())
		await(t, func() bool { return len(r.of(tracing.Deliver)) == i+1 })
	}
	r.one(t, tracing.Hold)
	r.one(t, tracing.Accept)
}
