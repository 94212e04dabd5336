package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"

	"github.com/ebb-events/ebb/internal/serve"
	"github.com/ebb-events/ebb/internal/tracing"
)

// collectorFlags say where traces go.
type collectorFlags struct {
	OTLP *url.URL `name:"otlp" placeholder:"URL" help:"Send traces to the collector there, as OTLP over HTTP (http://host:4318)."`
}

// traceFlags say what becomes of traces.
type traceFlags struct {
	collectorFlags
	TraceRatio float64 `default:"1" placeholder:"SHARE" help:"Of the traces that begin here, those that are kept: 0 to 1."`
}

// Validate says what no share can be.
func (f *traceFlags) Validate() error {
	if f.TraceRatio < 0 || f.TraceRatio > 1 {
		return errors.New("--trace-ratio is a share, from 0 to 1")
	}
	return nil
}

// trace has the process make traces, if they go anywhere.
func (f *traceFlags) trace(p *process) error {
	if f.OTLP == nil {
		return nil
	}
	return f.collectorFlags.trace(p, f.TraceRatio, nil)
}

// trace has the process make traces. ended is told of each span; it may be nil.
func (f *collectorFlags) trace(p *process, ratio float64, ended func(tracing.Kept)) error {
	failed := p.admin.Counter("trace_failures_total", "Batches of spans that could not be exported.")
	traces, err := serve.NewTraces(serve.TraceConfig{URL: f.OTLP, Ratio: ratio, Ended: ended, Failed: once(failed), Log: p.env.log})
	if err != nil {
		return fmt.Errorf("--otlp: %w", err)
	}
	p.traces = traces
	p.last = append(p.last, serve.Part{Name: "traces", Run: func(ctx context.Context) error {
		<-ctx.Done()
		traces.Close()
		return nil
	}})
	return nil
}
