package edge_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/ebb-events/ebb/channel"
	"github.com/ebb-events/ebb/edge"
	"github.com/ebb-events/ebb/internal/broker"
	"github.com/ebb-events/ebb/kafka"
	"github.com/ebb-events/ebb/sse"
)

// TestResumeBeyondTheWindowOutOfKafka takes the log of a broker, and a window
// that keeps nothing.
func TestResumeBeyondTheWindowOutOfKafka(t *testing.T) {
	b := must(broker.Start(broker.Config{Addr: "127.0.0.1:0"}))
	defer b.Close()
	client := must(kafka.Open(kafka.Config{Seeds: []string{b.Addr()}, Embedded: true}))
	defer client.Close()
	log := client.Channels()
	origin := httptest.NewServer(http.HandlerFunc(setUp))
	defer origin.Close()
	box := must(edge.New(edge.Config{
		Log: log, Publisher: log, Origin: must(url.Parse(origin.URL)), GripKey: key, Window: 1,
	}))
	defer running(t, box)()
	front := facing(box)
	defer front.Close()
	defer front.CloseClientConnections()

	first := get(t, front.URL, "")
	hello := expect(t, first, "ebb.hello", "")
	const n = 500
	var records []channel.Record
	for i := range int64(n) {
		records = append(records, event("bob", 2*i, "not for ann"), event("ann", 2*i+1, fmt.Sprintf("%01000d", i)))
	}
	if err := log.Append(t.Context(), append(records, records[n:]...)); err != nil { // the second half twice
		t.Fatal(err)
	}
	// Both a stream that was there and one that comes back hear all, once.
	back := get(t, front.URL, hello.ID)
	expect(t, back, "ebb.hello", "")
	for _, s := range []chan sse.Event{first, back} {
		for i := range n {
			expect(t, s, "", fmt.Sprintf("%01000d", i))
		}
	}
	if err := log.Append(t.Context(), []channel.Record{event("ann", 2*n+1, "live")}); err != nil {
		t.Fatal(err)
	}
	for _, s := range []chan sse.Event{first, back} {
		expect(t, s, "", "live")
	}
}

// get opens ann's stream on a real connection.
func get(t *testing.T, base, lastID string) chan sse.Event {
	t.Helper()
	req := must(http.NewRequestWithContext(t.Context(), "GET", base+"/api/sse-setup?u=ann", nil))
	req.Header.Set("Accept", sse.ContentType)
	if lastID != "" {
		req.Header.Set("Last-Event-ID", lastID)
	}
	return eventsOf(t, must(http.DefaultTransport.RoundTrip(req)))
}

// eventsOf reads a stream on and on.
func eventsOf(t *testing.T, resp *http.Response) chan sse.Event {
	t.Cleanup(func() { resp.Body.Close() })
	events := make(chan sse.Event, 10_000)
	go func() {
		defer close(events)
		for r := sse.NewReader(resp.Body); ; {
			e, err := r.Next()
			if err != nil {
				return
			}
			events <- e
		}
	}()
	return events
}

// expect waits for the next event.
func expect(t *testing.T, events chan sse.Event, name, data string) sse.Event {
	t.Helper()
	select {
	case e := <-events:
		if e.Name != name || string(e.Data) != data {
			t.Fatalf("got %q %.100q, want %q %.100q", e.Name, e.Data, name, data)
		}
		return e
	case <-time.After(20 * time.Second):
		t.Fatalf("nothing came, want %q %.100q", name, data)
		return sse.Event{}
	}
}
