package edge_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/ebb-events/ebb/channel"
	"github.com/ebb-events/ebb/edge"
	"github.com/ebb-events/ebb/internal/broker"
	"github.com/ebb-events/ebb/kafka"
)

// fleet is edges on the log of one broker, each with a client of its own.
type fleet struct {
	t      *testing.T
	broker *broker.Broker
	origin *url.URL
	log    *kafka.Channels // for appending
}

func newFleet(t *testing.T) *fleet {
	b := must(broker.Start(broker.Config{Addr: "127.0.0.1:0"}))
	t.Cleanup(func() { b.Close() })
	origin := httptest.NewServer(http.HandlerFunc(setUp))
	t.Cleanup(origin.Close)
	f := &fleet{t: t, broker: b, origin: must(url.Parse(origin.URL))}
	f.log = f.client().Channels()
	return f
}

func (f *fleet) client() *kafka.Client {
	c := must(kafka.Open(kafka.Config{Seeds: []string{f.broker.Addr()}, Embedded: true}))
	f.t.Cleanup(c.Close)
	return c
}

// edge starts one, with a window of so many bytes.
func (f *fleet) edge(window int64) (url string, stop func()) {
	log := f.client().Channels()
	box := must(edge.New(edge.Config{Log: log, Publisher: log, Origin: f.origin, GripKey: key, Window: window}))
	end := running(f.t, box)
	front := facing(box)
	return front.URL, func() {
		end() // streams end with it
		front.CloseClientConnections()
		front.Close()
	}
}

func (f *fleet) append(records ...channel.Record) {
	f.t.Helper()
	if err := f.log.Append(f.t.Context(), records); err != nil {
		f.t.Fatal(err)
	}
}

// forget makes the log begin behind an event's position.
func (f *fleet) forget(id string) {
	f.t.Helper()
	at := must(channel.ParseCursor(id))
	cl := must(kgo.NewClient(kgo.SeedBrokers(f.broker.Addr())))
	defer cl.Close()
	var offsets kadm.Offsets
	offsets.Add(kadm.Offset{Topic: "ebb-channels", Partition: at.Partition, At: at.Offset + 1})
	got, err := kadm.NewClient(cl).DeleteRecords(f.t.Context(), offsets)
	if err != nil || got.Error() != nil {
		f.t.Fatal(err, got.Error())
	}
}

// TestResumeAcrossEdgesOnABroker goes from edge to edge, one of which reads
// everything from the broker, and ends one before anything new happens.
func TestResumeAcrossEdgesOnABroker(t *testing.T) {
	f := newFleet(t)
	a, stopA := f.edge(0)
	b, stopB := f.edge(1)
	defer stopB()
	s := get(t, a, "")
	at := expect(t, s, "ebb.hello", "").ID
	next := int64(0)
	for i := range 10 {
		f.append(event("ann", next, fmt.Sprint(next)), event("bob", next, "not for ann"), event("ann", next+1, fmt.Sprint(next+1)))
		at = expect(t, s, "", fmt.Sprint(next)).ID // and is cut before the other
		s = get(t, []string{b, a}[i%2], at)
		expect(t, s, "ebb.hello", "")
		at = expect(t, s, "", fmt.Sprint(next+1)).ID
		next += 2
	}
	stopA()
	a, stopA = f.edge(0)
	defer stopA()
	s = get(t, a, at)
	if hello := expect(t, s, "ebb.hello", ""); !samePosition(hello.ID, at) {
		t.Errorf("an edge that has just started put the stream from %s to %s", at, hello.ID)
	}
	f.append(event("ann", next, "new"))
	expect(t, s, "", "new")
}

func samePosition(a, b string) bool {
	x, y := must(channel.ParseCursor(a)), must(channel.ParseCursor(b))
	return x.Generation == y.Generation && x.Partition == y.Partition && x.Offset == y.Offset
}

// TestRetentionPassedIsOneReset: a browser is told once that the log has
// forgotten what comes next, and nobody is for whom it still has it.
func TestRetentionPassedIsOneReset(t *testing.T) {
	f := newFleet(t)
	first, stop := f.edge(1) // it keeps nothing
	s := get(t, first, "")
	hello := expect(t, s, "ebb.hello", "").ID
	var ids []string
	for i := range int64(6) {
		f.append(event("ann", i, fmt.Sprint(i)))
		ids = append(ids, expect(t, s, "", fmt.Sprint(i)).ID)
	}
	f.forget(ids[3])
	stop()
	for _, window := range []int64{0, 1} {
		again, stop := f.edge(window)
		for _, lost := range []string{hello, ids[0], ids[2]} {
			s := get(t, again, lost)
			from := must(channel.ParseCursor(lost)).Offset
			to := must(channel.ParseCursor(ids[5])).Offset
			reset := expect(t, s, "ebb.reset", fmt.Sprintf(`{"reason":"retention","from":%d,"to":%d}`, from, to))
			expect(t, s, "ebb.hello", "")
			back := get(t, again, reset.ID)
			expect(t, back, "ebb.hello", "")
			f.append(channel.Record{Channel: "ann", Kind: channel.Event, Data: []byte("new")})
			ids[5] = expect(t, s, "", "new").ID
			expect(t, back, "", "new")
		}
		kept := get(t, again, ids[3]) // what comes next is still there
		expect(t, kept, "ebb.hello", "")
		expect(t, kept, "", "4")
		expect(t, kept, "", "5")
		stop()
	}
}
