package kafka_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/ebb-events/ebb"
	"github.com/ebb-events/ebb/aggregate"
	"github.com/ebb-events/ebb/channel"
	"github.com/ebb-events/ebb/connector"
	"github.com/ebb-events/ebb/kafka"
	"github.com/ebb-events/ebb/view"
)

// The messages of testdata/wire are those of a Java service of the family.
const (
	javaType = "shop-order"
	javaID   = "0d9c2fa1-7b1e-4f6e-9a55-3f1c8f6b1a01"
)

// encodings are the forms that a message of testdata/wire has.
var encodings = []string{".json", ".cbor.gz"}

func wire(t testing.TB, file string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("../testdata/wire", file))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// wireNames are the messages, without their endings.
func wireNames(t testing.TB) (names []string) {
	t.Helper()
	files, err := filepath.Glob("../testdata/wire/*.json")
	if err != nil || len(files) < 15 {
		t.Fatalf("got %d messages in testdata/wire, want at least 15 (%v)", len(files), err)
	}
	for _, f := range files {
		names = append(names, strings.TrimSuffix(filepath.Base(f), ".json"))
	}
	return names
}

// exact is a JSON value with its numbers as fractions, so that equal is equal
// in every digit.
func exact(t testing.TB, b []byte) any {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%q: %v", b, err)
	}
	var walk func(v any) any
	walk = func(v any) any {
		switch v := v.(type) {
		case map[string]any:
			for k := range v {
				v[k] = walk(v[k])
			}
		case []any:
			for i := range v {
				v[i] = walk(v[i])
			}
		case json.Number:
			r, ok := new(big.Rat).SetString(v.String())
			if !ok {
				t.Fatalf("%s is no number", v)
			}
			return "number " + r.String()
		}
		return v
	}
	return walk(v)
}

// same says how two messages differ, apart from some fields.
func same(t testing.TB, what string, got, want []byte, except ...string) {
	t.Helper()
	a, ok := exact(t, got).(map[string]any)
	b := exact(t, want).(map[string]any)
	for _, field := range except {
		delete(a, field)
		delete(b, field)
	}
	if !ok || !reflect.DeepEqual(a, b) {
		t.Errorf("%s: got\n%s\nwant, but for %v,\n%s", what, got, except, want)
	}
}

// TestBothEncodingsAreOneMessage reads what Java wrote, and what we write of it.
func TestBothEncodingsAreOneMessage(t *testing.T) {
	for _, name := range wireNames(t) {
		text, packed := wire(t, name+".json"), wire(t, name+".cbor.gz")
		if got := kafka.Decode(text); !bytes.Equal(got, text) {
			t.Errorf("%s: JSON became %s", name, got)
		}
		same(t, name, kafka.Decode(packed), text)
		ours := kafka.Encode(text)
		if !bytes.HasPrefix(ours, []byte{0x1f, 0x8b}) {
			t.Errorf("%s is not written as CBOR", name)
		}
		same(t, name+", as we write it", kafka.Decode(ours), text)
	}
}

// java puts a message as Java wrote it on a topic, where its key belongs. A
// nil key goes to partition 0.
func (b *bench) java(purpose ebb.Purpose, key []byte, file string) {
	b.Helper()
	r := &kgo.Record{Topic: ebb.Topic(javaType, purpose, b.env), Key: key, Value: wire(b, file)}
	if key != nil {
		r.Partition = kafka.PartitionOf(string(key), 12)
	}
	b.must(b.admin.ProduceSync(b.in(), r).FirstErr())
}

func (b *bench) openJava(cbor bool) *kafka.Client {
	c := b.open(func(cfg *kafka.Config) { cfg.Types, cfg.CBOR = []string{javaType}, cbor })
	b.must(c.Prepare(b.in(), ebb.Commands, ebb.Events, ebb.Aggregates, ebb.Replies))
	return c
}

// javaHeard is a channel log that remembers.
type javaHeard struct {
	records []channel.Record
	dead    []string
	done    func()
	want    int
}

func (h *javaHeard) Append(_ context.Context, records []channel.Record) error {
	if h.records = append(h.records, records...); len(h.records) >= h.want {
		h.done()
	}
	return nil
}

func (h *javaHeard) Dead(_ context.Context, _ ebb.Record, reason string) error {
	h.dead = append(h.dead, reason)
	return nil
}

// TestJavasRepliesAreCarried has the connector read them: who hears what, in
// order, also of those without a key.
func TestJavasRepliesAreCarried(t *testing.T) {
	replies := []struct {
		name, who string
		key       []byte
	}{
		{"reply", "ann", []byte(javaID)},
		{"reply-names", "ann bob carol", []byte(javaID)},
		{"reply-objects", "ann bob carol", []byte(javaID)},
		{"reply-error", "ann", []byte(javaID)}, // and not bob, its subscriber
		{"reply-forbidden", "ann", []byte(javaID)},
		{"reply-exception", "ann", nil},
	}
	for _, encoding := range encodings {
		t.Run(encoding, func(t *testing.T) {
			b := onEmbedded(t)
			c := b.openJava(false)
			ctx, cancel := context.WithCancel(b.in())
			defer cancel()
			log := &javaHeard{done: cancel}
			want := map[string][]string{} // by message, who hears it
			for _, r := range replies {
				b.java(ebb.Replies, r.key, r.name+encoding)
				want[r.name] = strings.Fields(r.who)
				log.want += len(want[r.name])
			}
			source := c.Replies("c" + b.env)
			defer source.Close()
			carry, err := connector.New(connector.Config{Source: source, Sink: log})
			b.must(err)
			b.must(carry.Run(ctx))

			got := map[string][]string{}
			for _, r := range log.records {
				name := "none"
				for _, one := range replies {
					if reflect.DeepEqual(exact(t, without(t, wire(t, one.name+".json"), "_jwt", "exception")), exact(t, r.Data)) {
						name = one.name
					}
				}
				got[name] = append(got[name], r.Channel)
			}
			if !reflect.DeepEqual(got, want) || log.dead != nil {
				t.Errorf("heard %v, put aside %v; want %v", got, log.dead, want)
			}
		})
	}
}

// without is a message less some fields.
func without(t testing.TB, b []byte, fields ...string) []byte {
	t.Helper()
	m, err := ebb.ParseMessage(b)
	if err != nil {
		t.Fatal(err)
	}
	for _, field := range fields {
		delete(m, field)
	}
	return m.JSON()
}

// TestJavasStatesAreShown has the view read them, as users may see them.
func TestJavasStatesAreShown(t *testing.T) {
	ann := ebb.User{Name: "ann", Roles: []string{"clerk"}}
	sales := ebb.User{Name: "sue", Roles: []string{"sales"}}
	for _, encoding := range encodings {
		t.Run(encoding, func(t *testing.T) {
			b := onEmbedded(t)
			c := b.openJava(false)
			v, err := view.New(view.Config{Source: c.States()})
			b.must(err)
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			go func() { ended <- v.Run(ctx) }()
			defer func() { cancel(); b.must(<-ended) }()
			for _, tt := range []struct {
				name      string
				user      ebb.User
				wantShown bool
			}{
				{"aggregate-before", ann, true},
				{"aggregate", ann, true},
				{"aggregate-secret", ann, false},
				{"aggregate-secret", sales, true},
				{"aggregate-deleted", ann, false},
			} {
				b.java(ebb.Aggregates, []byte(javaID), tt.name+encoding)
				got, err := v.Get(b.in(), ebb.Query{Type: javaType, User: tt.user, Fresh: true}, javaID, -1)
				b.must(err)
				switch {
				case (got != nil) != tt.wantShown:
					t.Errorf("%s: %s is shown %q, want it: %v", tt.name, tt.user.Name, got, tt.wantShown)
				case tt.wantShown:
					same(t, tt.name, got, wire(t, tt.name+".json"), "_jwt")
				}
			}
		})
	}
}

// javaOrder is a Go service's idea of an order: less than all that Java stores.
type javaOrder struct {
	Lines []map[string]any `json:"lines"`
}

var javaOrders = aggregate.Type[javaOrder]{
	Name: javaType,
	On: map[string]aggregate.Reducer[javaOrder]{
		"addLine": func(_ context.Context, o javaOrder, cmd aggregate.Command) (javaOrder, error) {
			var line struct {
				Sku   any `json:"sku"`
				Qty   any `json:"qty"`
				Price any `json:"price"`
			}
			if err := cmd.Decode(&line); err != nil {
				return o, err
			}
			if q, ok := line.Qty.(json.Number); ok && strings.HasPrefix(q.String(), "-") {
				return o, aggregate.Reject("/qty", "POSITIVE", "")
			}
			o.Lines = append(o.Lines, map[string]any{"sku": line.Sku, "qty": line.Qty, "price": line.Price})
			return o, nil
		},
		"delete": aggregate.Delete[javaOrder],
	},
}

// TestOurServiceTakesThePlaceOfJavas restores a state that Java wrote, executes
// Java's commands, and writes what Java would have written, in either encoding.
func TestOurServiceTakesThePlaceOfJavas(t *testing.T) {
	for _, encoding := range encodings {
		t.Run(encoding, func(t *testing.T) {
			b := onEmbedded(t)
			c := b.openJava(encoding != ".json")
			b.java(ebb.Aggregates, []byte(javaID), "aggregate-before"+encoding)
			b.java(ebb.Commands, []byte(javaID), "command"+encoding)
			b.java(ebb.Commands, []byte(javaID), "command-delete"+encoding)
			b.java(ebb.Commands, []byte(javaID), "command"+encoding) // again
			events := b.execute(c, 3)
			replies := b.written(c, ebb.Replies)
			states := b.written(c, ebb.Aggregates)

			appended := bytes.Replace(events[0], []byte(`"/lines/-"`), []byte(`"/lines/1"`), 1) // JSON Patch has both
			same(t, "event", appended, wire(t, "event.json"), "_timestamp")
			same(t, "state", without(t, states[len(states)-1]), wire(t, "aggregate-deleted.json"), "_timestamp", "_corr", "_jwt")
			same(t, "reply", replies[0], wire(t, "reply.json"), "_timestamp", "_outcome", "_command")
			for i, want := range []string{"applied", "applied", "duplicate"} {
				if got := field(t, replies[i], "_outcome"); got != want {
					t.Errorf("reply %d is %s, want %s", i, got, want)
				}
			}
			b.rawForm(ebb.Events, encoding)
			b.rawForm(ebb.Replies, encoding)
		})
	}
}

// execute runs our service until there are so many replies, and returns the
// events.
func (b *bench) execute(c *kafka.Client, replies int) [][]byte {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.in(), 20*time.Second)
	defer cancel()
	log := c.Commands(javaType, "s"+b.env)
	defer log.Close()
	n := 0
	following := make(chan error, 1)
	go func() {
		following <- c.Follow(ctx, javaType, ebb.Replies, func(ebb.Record) {
			if n++; n == replies {
				cancel()
			}
		})
	}()
	b.must(javaOrders.Run(ctx, log, aggregate.Config{Environment: b.env}))
	b.must(<-following)
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		b.Fatalf("got %d replies, want %d", n, replies)
	}
	return b.written(c, ebb.Events)
}

func (b *bench) written(c *kafka.Client, purpose ebb.Purpose) (values [][]byte) {
	b.must(c.Read(b.in(), javaType, purpose, func(r ebb.Record) {
		if string(r.Key) != javaID {
			b.Errorf("%s has the key %q", purpose, r.Key)
		}
		values = append(values, r.Value)
	}))
	return values
}

// rawForm checks how values lie on the topic.
func (b *bench) rawForm(purpose ebb.Purpose, encoding string) {
	p := kafka.PartitionOf(javaID, 12)
	for _, v := range b.committed(ebb.Topic(javaType, purpose, b.env), p) {
		if zipped := strings.HasPrefix(v, "\x1f\x8b"); zipped != (encoding != ".json") {
			b.Errorf("%s: %.40q is not in the form %s", purpose, v, encoding)
		}
	}
}

func field(t testing.TB, b []byte, name string) string {
	t.Helper()
	m, err := ebb.ParseMessage(b)
	if err != nil {
		t.Fatal(err)
	}
	return m.String(name)
}

// TestGoldenFilesAreJavas makes sure that nobody replaces them by what we write.
func TestGoldenFilesAreJavas(t *testing.T) {
	for _, name := range wireNames(t) {
		packed := wire(t, name+".cbor.gz")
		out, err := kafka.Gunzip(packed)
		if err != nil {
			t.Fatal(err)
		}
		seq := append([]byte("d_seq"), 0xc2) // a whole number is a big one
		if out[0] != 0xbf || slices.Contains([]string{"command", "event", "aggregate"}, name) && !bytes.Contains(out, seq) {
			t.Errorf("%s is not as Jackson writes it: %s", name, fmt.Sprintf("%.40x", out))
		}
	}
}
