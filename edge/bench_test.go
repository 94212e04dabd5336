package edge

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

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

func newBed(tb testing.TB) *bed {
	key, _ := grip.SecretKey(make([]byte, 32))
	e, err := New(Config{Log: away{}, Publisher: away{}, Origin: &url.URL{Scheme: "http", Host: "origin"}, GripKey: key, Window: 16 << 20})
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
func BenchmarkFill(b *testing.B) {
	bed, now := newBed(b), time.Now()
	buf, _ := bed.stream.Fill(nil, now)
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		bed.apply()
		b.StartTimer()
		if buf, _ = bed.stream.Fill(buf[:0], now); len(buf) < 300 {
			b.Fatalf("got %q", buf)
		}
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
// stream that gets it.
func TestAllocations(t *testing.T) {
	bed, now := newBed(t), time.Now()
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
