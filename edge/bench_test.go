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

// BenchmarkFill is one live event, out of the window into a stream's bytes.
func BenchmarkFill(b *testing.B) {
	key, _ := grip.SecretKey(make([]byte, 32))
	e, err := New(Config{Log: away{}, Publisher: away{}, Origin: &url.URL{Scheme: "http", Host: "origin"}, GripKey: key, Window: 16 << 20})
	if err != nil {
		b.Fatal(err)
	}
	t := newTail(e)
	log := channel.Log{Generation: channel.Generation{1}, Partitions: 1}
	t.apply(channel.Batch{Log: log})
	s := e.newStream(httptest.NewRequest("GET", "/", nil), &held{
		status: http.StatusOK,
		header: http.Header{"Content-Type": {sse.ContentType}},
		instruct: grip.Instruct{Hold: &grip.Hold{Mode: grip.ModeStream, Channels: []grip.Channel{{Name: "ann"}},
			Meta: map[string]string{grip.MetaSession: "s", grip.MetaProof: strings.Repeat("p", 22), grip.MetaTTL: "86400"}}},
	}, false)
	now := time.Now()
	buf, _ := s.Fill(nil, now)
	record := channel.Record{Channel: "ann", Kind: channel.Event, Data: []byte(`{"a":"` + strings.Repeat("x", 300) + `"}`), Src: channel.Src{TopicID: [16]byte{1}}}
	b.ReportAllocs()
	offset := int64(0)
	for b.Loop() {
		b.StopTimer()
		record.Src.Offset = offset
		t.apply(channel.Batch{Log: log, High: offset + 1, Next: offset + 1, Entries: []channel.Entry{{Record: record, Offset: offset, Time: now}}})
		offset++
		b.StartTimer()
		if buf, _ = s.Fill(buf[:0], now); len(buf) < 300 {
			b.Fatalf("got %q", buf)
		}
	}
}

// BenchmarkApply is one event, out of the log into the window.
func BenchmarkApply(b *testing.B) {
	key, _ := grip.SecretKey(make([]byte, 32))
	e, err := New(Config{Log: away{}, Publisher: away{}, Origin: &url.URL{Scheme: "http", Host: "origin"}, GripKey: key, Window: 16 << 20})
	if err != nil {
		b.Fatal(err)
	}
	t := newTail(e)
	log := channel.Log{Generation: channel.Generation{1}, Partitions: 1}
	t.apply(channel.Batch{Log: log})
	record := channel.Record{Channel: "ann", Kind: channel.Event, Data: []byte(`{"a":"` + strings.Repeat("x", 300) + `"}`), Src: channel.Src{TopicID: [16]byte{1}}}
	b.ReportAllocs()
	offset := int64(0)
	for b.Loop() {
		record.Src.Offset = offset
		t.apply(channel.Batch{Log: log, High: offset + 1, Next: offset + 1, Entries: []channel.Entry{{Record: record, Offset: offset}}})
		offset++
	}
}
