package serve_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ebb-events/ebb/internal/serve"
	"github.com/ebb-events/ebb/internal/tracing"
)

func collectorURL(t *testing.T, h http.HandlerFunc) *url.URL {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	u, err := url.Parse(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestSpansAreExportedAtTheEnd(t *testing.T) {
	var path atomic.Value
	at := collectorURL(t, func(_ http.ResponseWriter, r *http.Request) { path.Store(r.URL.Path) })
	var ended []tracing.Kept
	traces, err := serve.NewTraces(serve.TraceConfig{URL: at, Ratio: 1, Ended: func(k tracing.Kept) { ended = append(ended, k) }})
	if err != nil {
		t.Fatal(err)
	}
	ctx, span := tracing.Start(context.Background(), traces.Tracer("edge"), tracing.Command)
	tracing.Note(ctx, tracing.Corr, "c")
	tracing.End(span, "broken")
	traces.Close()
	if got := path.Load(); got != "/v1/traces" {
		t.Errorf("exported to %v", got)
	}
	if len(ended) != 1 || ended[0].Step != tracing.Command || ended[0].Corr != "c" || !ended[0].Fail || ended[0].Name != "command" {
		t.Errorf("got %+v", ended)
	}
}

// TestCollectorThatFails harms nobody, and is told.
func TestCollectorThatFails(t *testing.T) {
	over := make(chan struct{})
	elsewhere := collectorURL(t, func(http.ResponseWriter, *http.Request) { t.Error("it went elsewhere") })
	for name, h := range map[string]http.HandlerFunc{
		"refuses": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) },
		"redirects": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.String(), http.StatusTemporaryRedirect)
		},
		"hangs": func(http.ResponseWriter, *http.Request) { <-over },
	} {
		t.Run(name, func(t *testing.T) {
			var failed atomic.Int64
			traces, err := serve.NewTraces(serve.TraceConfig{URL: collectorURL(t, h), Ratio: 1, Failed: func() { failed.Add(1) }})
			if err != nil {
				t.Fatal(err)
			}
			_, span := tracing.Start(context.Background(), traces.Tracer("edge"), tracing.Send)
			span.End()
			begun := time.Now()
			traces.Close()
			if took := time.Since(begun); took > 5*time.Second {
				t.Errorf("the end took %v", took)
			}
			if name == "hangs" {
				close(over) // nobody is left to count it
			} else if failed.Load() != 1 {
				t.Errorf("%d failures were counted", failed.Load())
			}
		})
	}
}

func TestRatioOfTraces(t *testing.T) {
	for ratio, want := range map[float64][2]int{0: {0, 0}, 0.5: {350, 650}, 1: {1000, 1000}} {
		kept := 0
		traces, err := serve.NewTraces(serve.TraceConfig{Ratio: ratio, Ended: func(tracing.Kept) { kept++ }})
		if err != nil {
			t.Fatal(err)
		}
		gateway, edge := traces.Tracer("gateway"), traces.Tracer("edge")
		for range 1000 {
			ctx, span := tracing.Start(context.Background(), gateway, tracing.Send)
			_, next := tracing.Start(tracing.Under(context.Background(), tracing.Of(ctx)), edge, tracing.Deliver)
			if span.IsRecording() != next.IsRecording() {
				t.Fatal("half of a trace is kept")
			}
			span.End()
		}
		if kept < want[0] || kept > want[1] {
			t.Errorf("%d of 1,000 are kept, want %v", kept, want)
		}
	}
}

func TestTracesThatCannotBe(t *testing.T) {
	for text, want := range map[string]string{
		"ftp://x": "URL", "//x:1": "URL", "x:1": "URL", "http://user:secret@x": "URL", "http://x/?a=b": "URL",
	} {
		u, err := url.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if _, err = serve.NewTraces(serve.TraceConfig{URL: u}); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: got %v", text, err)
		}
	}
	if _, err := serve.NewTraces(serve.TraceConfig{Ratio: 1.1}); err == nil {
		t.Error("a ratio of 1.1 is taken")
	}
	if (*serve.Traces)(nil).Tracer("edge") != nil {
		t.Error("there is a tracer without traces")
	}
}
