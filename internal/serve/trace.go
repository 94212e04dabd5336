package serve

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"golang.org/x/time/rate"

	"github.com/ebb-events/ebb/internal/dial"
	"github.com/ebb-events/ebb/internal/tracing"
)

// TraceConfig says what becomes of traces.
type TraceConfig struct {
	URL    *url.URL           // a collector's, which takes OTLP over HTTP; nothing is exported if nil
	Ratio  float64            // of the traces that begin here, those that are kept; none if zero
	Ended  func(tracing.Kept) // is told of each span that has ended; may be nil
	Failed func()             // counts batches of spans that could not be exported; may be nil
	Log    *slog.Logger       // silent if nil
}

// Traces makes the tracers of a process's parts. A nil one makes none.
type Traces struct {
	cfg       TraceConfig
	to        []sdktrace.TracerProviderOption
	providers []*sdktrace.TracerProvider
}

// Limits of what traces may cost a process.
const (
	exportTimeout = 10 * time.Second
	lastExport    = time.Second // of a process that ends
)

// NewTraces returns traces that are exported from now on, or says what is wrong
// with cfg.
func NewTraces(cfg TraceConfig) (*Traces, error) {
	if cfg.Ratio < 0 || cfg.Ratio > 1 {
		return nil, fmt.Errorf("the share of traces to keep is %v, want 0 to 1", cfg.Ratio)
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	t := &Traces{cfg: cfg, to: []sdktrace.TracerProviderOption{
		sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.TraceIDRatioBased(cfg.Ratio))),
	}}
	if cfg.Ended != nil {
		t.to = append(t.to, sdktrace.WithSpanProcessor(keeper(cfg.Ended)))
	}
	if cfg.URL != nil {
		exporter, err := t.exporter(*cfg.URL)
		if err != nil {
			return nil, err
		}
		t.to = append(t.to, sdktrace.WithSpanProcessor(sdktrace.NewBatchSpanProcessor(exporter, sdktrace.WithExportTimeout(exportTimeout))))
	}
	return t, nil
}

// Tracer returns the one of a part of Ebb, which collectors call ebb-<part>. It
// is nil if there are no traces.
func (t *Traces) Tracer(part string) trace.Tracer {
	if t == nil {
		return nil
	}
	service := resource.NewSchemaless(attribute.String("service.name", "ebb-"+part))
	provider := sdktrace.NewTracerProvider(append(t.to, sdktrace.WithResource(service))...)
	t.providers = append(t.providers, provider)
	return provider.Tracer("github.com/ebb-events/ebb/" + part)
}

// Close exports what is left, for a second at most.
func (t *Traces) Close() {
	ctx, cancel := context.WithTimeout(context.Background(), lastExport)
	defer cancel()
	for _, p := range t.providers {
		_ = p.Shutdown(ctx) // which t told of, if exporting failed
	}
}

// exporter returns the way to a collector: that one and nowhere else, by no
// proxy. Its failures are told here, once in a while, and not wherever the
// library likes.
func (t *Traces) exporter(to url.URL) (sdktrace.SpanExporter, error) {
	if to.Scheme != "http" && to.Scheme != "https" || to.Host == "" || to.User != nil || to.RawQuery != "" || to.Fragment != "" {
		return nil, errors.New("a collector's URL is http://host:port or https://host:port, maybe with a path")
	}
	if to.Path == "" || to.Path == "/" {
		to.Path = "/v1/traces"
	}
	named := dial.HostPort(&to)
	exporter, err := otlptracehttp.New(context.Background(),
		otlptracehttp.WithEndpointURL(to.String()),
		otlptracehttp.WithRetry(otlptracehttp.RetryConfig{Enabled: true, InitialInterval: time.Second, MaxInterval: 5 * time.Second, MaxElapsedTime: exportTimeout}),
		otlptracehttp.WithHTTPClient(&http.Client{
			Transport:     dial.Transport(dial.Dialer{Known: func(hostPort string) bool { return hostPort == named }}),
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
			Timeout:       exportTimeout,
		}),
	)
	if err != nil {
		return nil, err
	}
	return &telling{SpanExporter: exporter, t: t, at: to.Redacted(), trouble: rate.Sometimes{Interval: time.Minute}}, nil
}

// telling is an exporter whose failures are told.
type telling struct {
	sdktrace.SpanExporter
	t       *Traces
	at      string
	trouble rate.Sometimes
}

// ExportSpans exports, and fails for nobody but the log.
func (e *telling) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	err := e.SpanExporter.ExportSpans(ctx, spans)
	if err == nil {
		return nil
	}
	if e.t.cfg.Failed != nil {
		e.t.cfg.Failed()
	}
	e.trouble.Do(func() {
		e.t.cfg.Log.Warn("traces cannot be exported; more such failures are counted, not told, for a minute", "collector", e.at, "spans", len(spans), "cause", err)
	})
	return nil
}

// keeper tells of spans that have ended.
type keeper func(tracing.Kept)

func (k keeper) OnStart(context.Context, sdktrace.ReadWriteSpan) {}
func (k keeper) Shutdown(context.Context) error                  { return nil }
func (k keeper) ForceFlush(context.Context) error                { return nil }

// OnEnd is called when a span has ended.
func (k keeper) OnEnd(s sdktrace.ReadOnlySpan) {
	kept := tracing.Kept{
		Trace: s.SpanContext().TraceID().String(),
		Name:  s.Name(),
		Start: s.StartTime(),
		Took:  s.EndTime().Sub(s.StartTime()),
		Fail:  s.Status().Code == codes.Error,
	}
	for _, link := range s.Links() {
		kept.Links = append(kept.Links, link.SpanContext.TraceID().String())
	}
	kept.Take(s.Attributes())
	k(kept)
}
