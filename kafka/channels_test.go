package kafka_test

import (
	"context"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/ebb-events/ebb/channel"
	"github.com/ebb-events/ebb/internal/broker"
	"github.com/ebb-events/ebb/kafka"
)

// tail runs Tail and returns what it hands over, and how it ended.
func (b *bench) tail(c *kafka.Channels) (batches <-chan channel.Batch, ended <-chan error, stop func()) {
	out, end := make(chan channel.Batch), make(chan error, 1)
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		end <- c.Tail(ctx, func(batch channel.Batch) {
			select {
			case out <- batch:
			case <-ctx.Done():
			}
		})
	}()
	b.Cleanup(cancel)
	return out, end, cancel
}

// cut waits for Tail to say that its log was cut or made anew.
func (b *bench) cut(ended <-chan error) {
	b.Helper()
	select {
	case err := <-ended:
		if err == nil || !strings.Contains(err.Error(), "cut or made anew") {
			b.Fatalf("got %v", err)
		}
	case <-b.in().Done():
		b.Fatal("it reads on")
	}
}

// next is the next batch with entries, or with the first of a partition.
func (b *bench) next(batches <-chan channel.Batch, ok func(channel.Batch) bool) channel.Batch {
	b.Helper()
	for {
		select {
		case batch := <-batches:
			if ok(batch) {
				return batch
			}
		case <-b.in().Done():
			b.Fatal("nothing came")
		}
	}
}

func any1(channel.Batch) bool          { return true }
func entries(batch channel.Batch) bool { return len(batch.Entries) > 0 }

func event(name, data string) channel.Record {
	return channel.Record{Channel: name, Kind: channel.Event, Data: []byte(data), Src: channel.Src{Publisher: "t", Item: data}}
}

func TestTailBeginsWithEveryPartitionAndKeepsOrder(t *testing.T) {
	onBoth(t, func(b *bench) {
		ch := b.open().Channels()
		b.must(ch.Append(b.in(), []channel.Record{event("ann", "0")}))
		batches, _, _ := b.tail(ch)
		seen := map[int32]channel.Batch{}
		for len(seen) < 12 {
			batch := b.next(batches, any1)
			if _, ok := seen[batch.Partition]; ok || entries(batch) {
				b.Errorf("got %+v before all partitions", batch)
			}
			seen[batch.Partition] = batch
		}
		ann := channel.Partition("ann", 12)
		if got := seen[ann]; got.Start != 0 || got.High != 1 || got.Next != 0 || got.Partitions != 12 || got.Generation == (channel.Generation{}) || got.Epoch < 0 {
			b.Errorf("got %+v", got)
		}
		var want []channel.Record
		for i := range 100 {
			want = append(want, event("ann", fmt.Sprint(i)))
		}
		b.must(ch.Append(b.in(), want[1:]))
		var got []channel.Record
		for len(got) < 100 {
			batch := b.next(batches, entries)
			for _, e := range batch.Entries {
				if e.Offset != int64(len(got)) || e.Partition != ann || e.Epoch < 0 || time.Since(e.Time) > time.Minute {
					b.Errorf("got %+v", e)
				}
				got = append(got, e.Record)
			}
			if batch.Next != int64(len(got)) || batch.High < batch.Next {
				b.Errorf("next %d and high %d after %d", batch.Next, batch.High, len(got))
			}
		}
		if !reflect.DeepEqual(got, want) {
			b.Errorf("got %v", got)
		}
	})
}

func TestGapsReachWhomTheyConcern(t *testing.T) {
	onBoth(t, func(b *bench) {
		lost := 0
		ch := b.open(func(c *kafka.Config) { c.Lost = func() { lost++ } }).Channels()
		batches, _, _ := b.tail(ch)
		b.must(ch.Append(b.in(), []channel.Record{{Kind: channel.Gap, Data: []byte("retention")}}))
		seen := map[int32]bool{}
		for len(seen) < 12 {
			batch := b.next(batches, entries)
			seen[batch.Partition] = true
			if e := batch.Entries[0]; e.Kind != channel.Gap || e.Channel != "" || string(e.Data) != "retention" {
				b.Errorf("got %+v", e)
			}
		}
		b.must(ch.Append(b.in(), []channel.Record{event("ann", "before"), event("ann", strings.Repeat("x", 1<<20)), event("ann", "after")}))
		var kinds []channel.Kind
		for len(kinds) < 3 {
			for _, e := range b.next(batches, entries).Entries {
				if e.Channel != "ann" {
					b.Errorf("got %+v", e.Record)
				}
				kinds = append(kinds, e.Kind)
			}
		}
		if !slices.Equal(kinds, []channel.Kind{channel.Event, channel.Gap, channel.Event}) || lost != 1 {
			b.Errorf("got %v, lost %d", kinds, lost)
		}
	})
}

func TestReadIsARangeAndWhatCameShortlyBefore(t *testing.T) {
	onBoth(t, func(b *bench) {
		ch := b.open().Channels()
		batches, _, _ := b.tail(ch)
		b.next(batches, any1)
		p := channel.Partition("ann", 12)
		for i := range 10 {
			b.must(ch.Append(b.in(), []channel.Record{event("ann", fmt.Sprint(i))}))
		}
		read := func(from, to int64, warm time.Duration, most int) (offsets []int64, err error) {
			err = ch.Read(b.in(), p, from, to, warm, func(e channel.Entry) bool {
				offsets = append(offsets, e.Offset)
				return len(offsets) < most
			})
			return offsets, err
		}
		for _, tt := range []struct {
			from, to int64
			warm     time.Duration
			most     int
			want     []int64
		}{
			{3, 6, 0, 99, []int64{3, 4, 5}},
			{3, 6, 0, 2, []int64{3, 4}},
			{8, 10, 0, 99, []int64{8, 9}},
			{10, 10, 0, 99, nil},
			{10, 10, time.Hour, 99, nil},
			{3, 5, time.Hour, 99, []int64{0, 1, 2, 3, 4}},
		} {
			got, err := read(tt.from, tt.to, tt.warm, tt.most)
			if err != nil || !slices.Equal(got, tt.want) {
				b.Errorf("%d to %d: got %v, %v, want %v", tt.from, tt.to, got, err, tt.want)
			}
		}
		bounds, err := ch.Bounds(b.in(), p, 0)
		if want := (channel.Bounds{Start: 0, High: 10, EpochEnd: 10}); err != nil || bounds != want {
			b.Errorf("got %+v, %v, want %+v", bounds, err, want)
		}
		if bounds, err = ch.Bounds(b.in(), p, 99); err != nil || bounds.EpochEnd != -1 {
			b.Errorf("of an epoch to come: got %+v, %v", bounds, err)
		}
		b.cutBefore(b.channels(), p, 5)
		for _, warm := range []time.Duration{0, time.Hour} {
			if got, err := read(3, 6, warm, 99); err == nil {
				b.Errorf("read %v, which are gone", got)
			}
		}
		if got, err := read(6, 8, time.Hour, 99); err != nil || !slices.Equal(got, []int64{5, 6, 7}) {
			b.Errorf("got %v, %v", got, err)
		}
	})
}

func (b *bench) channels() string { return channel.Topic + "-" + b.env }

func TestTailEndsWhenTheLogIsMadeAnew(t *testing.T) {
	onBoth(t, func(b *bench) {
		ch := b.open().Channels()
		batches, ended, _ := b.tail(ch)
		first := b.next(batches, any1)
		for range 11 {
			b.next(batches, any1)
		}
		got, err := kadm.NewClient(b.admin).DeleteTopics(b.in(), b.channels())
		b.must(err)
		b.must(got.Error())
		b.cut(ended)
		for { // a deletion takes its time
			if err = ch.Append(b.in(), []channel.Record{event("ann", "1")}); err == nil {
				break
			}
		}
		batches, _, _ = b.tail(ch)
		second := b.next(batches, entries)
		if second.Generation == first.Generation || second.Entries[0].Offset != 0 {
			b.Errorf("got %+v after %+v", second, first)
		}
	})
}

func TestTailEndsWhenRetentionOvertakesIt(t *testing.T) {
	onBoth(t, func(b *bench) {
		ch := b.open().Channels()
		batches, ended, _ := b.tail(ch)
		for range 12 {
			b.next(batches, any1)
		}
		p := channel.Partition("ann", 12)
		b.must(ch.Append(b.in(), []channel.Record{event("ann", "0")}))
		b.next(batches, entries)
		// The next batch is not taken, so that reading stands still.
		for i := range 20 {
			b.must(ch.Append(b.in(), []channel.Record{event("ann", fmt.Sprint(i))}))
		}
		b.cutBefore(b.channels(), p, 21)
		for {
			select {
			case <-batches:
			case err := <-ended:
				if err == nil {
					b.Error("no error")
				}
				return
			}
		}
	})
}

// copyDir copies a directory that nobody writes to.
func copyDir(t *testing.T, from string) (to string) {
	to = t.TempDir()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	return to
}

func TestRestartIsNoCutButALostEndIs(t *testing.T) {
	for _, regrown := range []bool{false, true} {
		t.Run(fmt.Sprintf("regrown=%v", regrown), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			start := func(addr string) (*broker.Broker, string) {
				br, err := broker.Start(broker.Config{Dir: dir, Addr: addr})
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { br.Close() })
				return br, br.Addr()
			}
			br, addr := start("127.0.0.1:0")
			b := newBench(t, []string{addr}, true)
			ch := b.open().Channels()
			batches, ended, _ := b.tail(ch)
			appendTo := func(ch *kafka.Channels, n int) {
				b.Helper()
				for i := range n {
					b.must(ch.Append(b.in(), []channel.Record{event("ann", fmt.Sprint(i))}))
				}
			}
			until := func(next int64) channel.Batch {
				b.Helper()
				return b.next(batches, func(batch channel.Batch) bool { return entries(batch) && batch.Next == next })
			}
			appendTo(ch, 3)
			epoch := until(3).Epoch

			br.Close()
			older := copyDir(t, dir)
			br, _ = start(addr)
			p := channel.Partition("ann", 12)
			bounds, err := ch.Bounds(b.in(), p, epoch)
			if want := (channel.Bounds{High: 3, EpochEnd: 3}); err != nil || bounds != want {
				t.Errorf("after a restart: got %+v, %v, want %+v", bounds, err, want)
			}
			appendTo(ch, 4) // to 7
			later := until(7)
			if later.Epoch <= epoch {
				t.Errorf("got epoch %d after %d", later.Epoch, epoch)
			}
			if bounds, err = ch.Bounds(b.in(), p, epoch); err != nil || bounds.EpochEnd != 3 {
				t.Errorf("with a later epoch: got %+v, %v", bounds, err)
			}

			br.Close()
			starts, err := os.ReadFile(dir + "/starts")
			b.must(err)
			dir = older // the last 4 are lost
			b.must(os.WriteFile(dir+"/starts", starts, 0o600))
			if regrown {
				br, there := start("127.0.0.1:0")
				other := newBench(t, []string{there}, true)
				other.env = b.env
				appendTo(other.open().Channels(), 6)
				br.Close()
			}
			start(addr)
			b.cut(ended)
			if bounds, err = ch.Bounds(b.in(), p, later.Epoch); err != nil || bounds.EpochEnd != 3 {
				t.Errorf("after the loss: got %+v, %v", bounds, err)
			}
		})
	}
}
