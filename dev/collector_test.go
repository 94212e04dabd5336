package dev_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/hex"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	collected "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/ebb-events/ebb/channel"
	"github.com/ebb-events/ebb/internal/broker"
)

// collector takes traces as OpenTelemetry's does.
type collector struct {
	*httptest.Server
	mu    sync.Mutex
	spans []gathered
	raw   bytes.Buffer
	wrong []string
}

// gathered is a span that a process has sent.
type gathered struct {
	service, name, trace, id, parent string
	links                            []string // spans
	corr                             string
	start, end                       uint64
}

func newCollector(t *testing.T) *collector {
	c := &collector{}
	c.Server = httptest.NewServer(http.HandlerFunc(c.collect))
	t.Cleanup(c.Close)
	return c
}

func (c *collector) collect(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var in io.Reader = r.Body
	if r.Header.Get("Content-Encoding") == "gzip" {
		in, _ = gzip.NewReader(r.Body)
	}
	b, err := io.ReadAll(in)
	var got collected.ExportTraceServiceRequest
	if err == nil {
		err = proto.Unmarshal(b, &got)
	}
	if err != nil || r.URL.Path != "/v1/traces" {
		c.wrong = append(c.wrong, r.URL.Path)
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	c.raw.Write(b)
	for _, of := range got.ResourceSpans {
		service := ""
		for _, a := range of.Resource.Attributes {
			if a.Key == "service.name" {
				service = a.Value.GetStringValue()
			}
		}
		for _, scope := range of.ScopeSpans {
			for _, s := range scope.Spans {
				g := gathered{
					service: service, name: s.Name, trace: hex.EncodeToString(s.TraceId), id: hex.EncodeToString(s.SpanId),
					parent: hex.EncodeToString(s.ParentSpanId), start: s.StartTimeUnixNano, end: s.EndTimeUnixNano,
				}
				for _, l := range s.Links {
					g.links = append(g.links, hex.EncodeToString(l.SpanId))
				}
				for _, a := range s.Attributes {
					if a.Key == "ebb.corr" {
						g.corr = a.Value.GetStringValue()
					}
				}
				c.spans = append(c.spans, g)
			}
		}
	}
}

// named returns the spans of those that are wanted, by name.
func (c *collector) named(wanted func(gathered) bool) map[string]gathered {
	c.mu.Lock()
	defer c.mu.Unlock()
	found := map[string]gathered{}
	for _, s := range c.spans {
		if wanted(s) {
			found[s.name] = s
		}
	}
	return found
}

// await waits until all names are there.
func (c *collector) await(t *testing.T, names []string, find func() map[string]gathered) map[string]gathered {
	t.Helper()
	for begun := time.Now(); ; pause(t.Context(), 50*time.Millisecond) {
		found := find()
		if !slices.ContainsFunc(names, func(name string) bool { return found[name].id == "" }) {
			return found
		}
		if time.Since(begun) > soon {
			t.Fatalf("got only %v, want %v", slices.Sorted(maps.Keys(found)), names)
		}
	}
}

// TestTraceAcrossProcesses: a command's trace and that of a stream go through
// all the parts, each a process, and hold no secrets.
func TestTraceAcrossProcesses(t *testing.T) {
	b, err := broker.Start(broker.Config{Addr: "127.0.0.1:0", Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	c := newCollector(t)
	t.Setenv("OTEL_BSP_SCHEDULE_DELAY", "100")
	town := newTown(t, b.Addr(), "--otlp", c.URL)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ann := &person{town: town, name: "ann", token: town.token("ann"), heard: map[string]message{}, tasks: map[string]message{}}
	var hearing sync.WaitGroup
	hearing.Go(func() { ann.hear(ctx) })

	const written = "nobody else's business"
	corr := ""
	for begun := time.Now(); ; { // what comes before the stream is not heard
		corr = uuid.NewString()
		command, _ := json.Marshal(map[string]any{"_command": "create", "title": written, "_corr": corr})
		if ann.post(ctx, uuid.NewString(), command) {
			ann.sent = []string{corr}
			heard, cancel := context.WithTimeout(ctx, 2*time.Second)
			missing := ann.await(heard)
			cancel()
			if len(missing) == 0 {
				break
			}
		}
		if time.Since(begun) > soon {
			t.Fatalf("nothing is answered; the parts said:\n%s", &town.logs)
		}
		pause(ctx, 50*time.Millisecond)
	}

	trace := ""
	spans := c.await(t, way, func() map[string]gathered {
		for _, s := range c.named(func(s gathered) bool { return s.corr == corr && s.service == "ebb-demo" }) {
			trace = s.trace
		}
		return c.named(func(s gathered) bool { return s.trace == trace })
	})
	parts := []string{"ebb-gateway", "ebb-gateway", "ebb-demo", "ebb-demo", "ebb-connector", "ebb-edge"}
	for i, name := range way {
		s, parent, start := spans[name], "", uint64(0)
		if i > 0 {
			parent, start = spans[way[i-1]].id, spans[way[i-1]].start
		}
		if s.service != parts[i] || s.parent != parent || s.start < start || s.end < s.start {
			t.Errorf("%s is %+v, want it of %s below %q", name, s, parts[i], parent)
		}
	}

	open := c.await(t, opening, func() map[string]gathered {
		held := c.named(func(s gathered) bool { return s.name == "hold" })["hold"]
		found := c.named(func(s gathered) bool { return s.trace == held.trace })
		for _, link := range found["open"].links { // from the edge's trace to the gateway's
			for _, from := range c.named(func(s gathered) bool { return s.id == link && s.name == "redirect" }) {
				maps.Copy(found, c.named(func(s gathered) bool { return s.trace == from.trace }))
			}
		}
		return found
	})
	for name, parent := range map[string]string{"ask": "", "redirect": "ask", "accept": "", "set up": "accept", "open": "set up", "hold": "accept"} {
		if open[name].parent != open[parent].id {
			t.Errorf("%s is %+v, want it below %q", name, open[name], parent)
		}
	}

	stop()
	hearing.Wait()
	if cursor, err := channel.ParseCursor(ann.lastID); err != nil || cursor.Proof == "" {
		t.Errorf("no proof in %q", ann.lastID)
	} else if strings.Contains(c.raw.String(), cursor.Proof) {
		t.Error("the proof is in a trace")
	}
	for _, secret := range []string{written, ann.token, strings.Split(ann.token, ".")[1], "sse-setup?", "?u=", "Bearer", "eyJ"} {
		if strings.Contains(c.raw.String(), secret) {
			t.Errorf("%q is in a trace", secret)
		}
	}
	if len(c.wrong) > 0 {
		t.Errorf("the collector could not take %v", c.wrong)
	}
}
