package edge

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/ebb-events/ebb/channel"
	"github.com/ebb-events/ebb/grip"
	"github.com/ebb-events/ebb/sse"
)

// away is a log that is not there.
type away struct{ Log }

func (away) Append(context.Context, []channel.Record) error { return nil }

// bed is a tail and a stream of it, without anything around them.
type bed struct {
	tail   *tail
	stream *stream
	batch  channel.Batch
}

func newBed(tb testing.TB, change ...func(*Config)) *bed {
	key, _ := grip.SecretKey(make([]byte, 32))
	cfg := Config{Log: away{}, Publisher: away{}, Origin: &url.URL{Scheme: "http", Host: "origin"}, GripKey: key, Window: 16 << 20}
	for _, c := range change {
		c(&cfg)
	}
	e, err := New(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	log := channel.Log{Generation: channel.Generation{1}, Partitions: 1}
	b := &bed{tail: newTail(e)}
	b.tail.apply(channel.Batch{Log: log})
	b.stream = e.newStream(httptest.NewRequest("GET", "/", nil), &held{
		status: http.StatusOK,
		header: http.Header{"Content-Type": {sse.ContentType}},
		instruct: grip.Instruct{Hold: &grip.Hold{Mode: grip.ModeStream, Channels: []grip.Channel{{Name: "ann"}},
			Meta: map[string]string{grip.MetaSession: "s", grip.MetaProof: strings.Repeat("p", 22), grip.MetaTTL: "86400"}}},
	}, false)
	record := channel.Record{Channel: "ann", Kind: channel.Event, Data: []byte(`{"a":"` + strings.Repeat("x", 300) + `"}`), Src: channel.Src{TopicID: [16]byte{1}}}
	b.batch = channel.Batch{Log: log, Entries: []channel.Entry{{Record: record, Offset: -1, Time: time.Now()}}}
	return b
}

// apply takes the next event out of the log into the window.
func (b *bed) apply() {
	e := &b.batch.Entries[0]
	e.Offset++
	e.Src.Offset++
	b.batch.High, b.batch.Next = e.Offset+1, e.Offset+1
	b.tail.apply(b.batch)
}

// BenchmarkFill is one live event, out of the window into a stream's bytes.
func BenchmarkFill(b *testing.B) { benchmarkFill(b, newBed(b)) }

// BenchmarkFillUntraced is the same at an edge that traces, for an event whose
// trace nobody keeps.
func BenchmarkFillUntraced(b *testing.B) { benchmarkFill(b, newBed(b, traces)) }

// BenchmarkFillTraced is the same for an event whose trace is kept.
func BenchmarkFillTraced(b *testing.B) {
	bed := newBed(b, traces)
	bed.batch.Entries[0].Trace = "00-00112233445566778899aabbccddeeff-0011223344556677-01"
	benchmarkFill(b, bed)
}

// traces has an edge make spans that go nowhere.
func traces(cfg *Config) { cfg.Tracer = sdktrace.NewTracerProvider().Tracer("edge") }

func benchmarkFill(b *testing.B, bed *bed) {
	now := time.Now()
	buf, _ := bed.stream.Fill(nil, now)
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		bed.apply()
		b.StartTimer()
		if buf, _ = bed.stream.Fill(buf[:0], now); len(buf) < 300 {
			b.Fatalf("got %q", buf)
		}
		bed.stream.Written()
	}
}

// BenchmarkApply is one event, out of the log into the window.
func BenchmarkApply(b *testing.B) {
	bed := newBed(b)
	b.ReportAllocs()
	for b.Loop() {
		bed.apply()
	}
}

// TestAllocations are ceilings: what an event costs once, and what it costs each
// stream that gets it. To trace costs nothing where nothing is traced.
func TestAllocations(t *testing.T) {
	t.Run("without traces", func(t *testing.T) { testAllocations(t, newBed(t)) })
	t.Run("beside traces", func(t *testing.T) { testAllocations(t, newBed(t, traces)) })
}

func testAllocations(t *testing.T, bed *bed) {
	now := time.Now()
	buf, _ := bed.stream.Fill(nil, now)
	both := testing.AllocsPerRun(2000, func() {
		bed.apply()
		if buf, _ = bed.stream.Fill(buf[:0], now); len(buf) < 300 {
			t.Fatalf("got %q", buf)
		}
	})
	once := testing.AllocsPerRun(2000, bed.apply)
	t.Logf("%.0f for an event, %.0f for a delivery", once, both-once)
	if once > 6 || both-once > 0 {
		t.Errorf("got %.0f allocations for an event and %.0f for a delivery, want 6 and none", once, both-once)
	}
}
