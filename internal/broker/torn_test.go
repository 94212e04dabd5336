package broker_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"github.com/ebb-events/ebb/internal/broker"
)

// places are the partitions that the transactions here write to.
var places = []string{"events-0", "events-1", "states-0", "states-1"}

// transacting runs a broker that has the places, and a client with a
// transactional id.
func transacting(t *testing.T, id string, opts ...kgo.Opt) (dir string, b *broker.Broker, cl *kgo.Client) {
	t.Helper()
	dir = t.TempDir()
	b = start(t, broker.Config{Dir: dir})
	if _, err := kadm.NewClient(client(t, b.Addr())).CreateTopics(t.Context(), 2, 1, nil, "events", "states"); err != nil {
		t.Fatal(err)
	}
	return dir, b, transactor(t, b.Addr(), id, opts...)
}

// transactor returns a client with a transactional id.
func transactor(t *testing.T, addr, id string, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	return client(t, addr, append(opts, kgo.TransactionalID(id), kgo.RecordPartitioner(kgo.ManualPartitioner()))...)
}

// records has one record for each of the places.
func records(text string, places []string) (rs []*kgo.Record) {
	for _, place := range places {
		topic, partition, _ := strings.Cut(place, "-")
		rs = append(rs, &kgo.Record{Topic: topic, Partition: int32(partition[0] - '0'), Value: []byte(text)})
	}
	return rs
}

// begin writes records in a transaction, and leaves it open.
func begin(t *testing.T, cl *kgo.Client, text string, places []string) {
	t.Helper()
	if err := cl.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	produce(t, cl, records(text, places)...)
}

func end(t *testing.T, cl *kgo.Client, how kgo.TransactionEndTry) {
	t.Helper()
	if err := cl.EndTransaction(t.Context(), how); err != nil {
		t.Fatal(err)
	}
}

// crashed returns a copy of a running broker's directory: what a kill -9 leaves.
func crashed(t *testing.T, dir string) (to string) {
	t.Helper()
	to = t.TempDir()
	if err := os.CopyFS(to, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	return to
}

// committed writes a last record to each place and returns what readers of
// committed records read up to there, place by place.
func committed(t *testing.T, addr string) (read map[string][]string) {
	t.Helper()
	cl := client(t, addr, kgo.ConsumeTopics("events", "states"), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.FetchMaxWait(100*time.Millisecond))
	defer cl.Close()
	last := fmt.Sprint("last", time.Now().UnixNano())
	produce(t, cl, records(last, places)...)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	read = map[string][]string{}
	for done := 0; done < len(places); {
		f := cl.PollFetches(ctx)
		if err := f.Err0(); err != nil {
			t.Fatalf("after %v: %v", read, err)
		}
		for _, r := range f.Records() {
			place := fmt.Sprintf("%s-%d", r.Topic, r.Partition)
			switch text := string(r.Value); {
			case text == last:
				done++
			case !strings.HasPrefix(text, "last"):
				read[place] = append(read[place], text)
			}
		}
	}
	return read
}

// all is what committed returns if each place has these texts.
func all(texts ...string) string {
	read := map[string][]string{}
	for _, place := range places {
		read[place] = texts
	}
	return fmt.Sprint(read)
}

func check(t *testing.T, addr, when, want string) {
	t.Helper()
	if got := fmt.Sprint(committed(t, addr)); got != want {
		t.Errorf("%s: got %s, want %s", when, got, want)
	}
}

// mark brings a place to what it is after a commit, less the last bytes of the
// marker.
func mark(t *testing.T, dir, after, place string, less int) {
	t.Helper()
	for _, ext := range []string{"dat", "idx"} {
		name := filepath.Join("broker", "partitions", place, "0."+ext)
		text, err := os.ReadFile(filepath.Join(after, name))
		if ext == "dat" && err == nil {
			text = text[:len(text)-less]
		}
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), text, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestTornTransactionIsCompleted(t *testing.T) {
	dir, _, cl := transacting(t, "service")
	begin(t, cl, "first", places)
	end(t, cl, kgo.TryCommit)
	begin(t, cl, "aborted", places)
	end(t, cl, kgo.TryAbort)
	begin(t, cl, "torn", places)
	id, epoch, err := cl.ProducerID(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	before := crashed(t, dir)
	end(t, cl, kgo.TryCommit)
	after := crashed(t, dir)

	for marked := range 1 << len(places) { // those with the marker, a bit each
		t.Run(fmt.Sprintf("%04b", marked), func(t *testing.T) {
			dir := crashed(t, before)
			for i, place := range places {
				if marked&(1<<i) == 0 {
					continue
				}
				mark(t, dir, after, place, 0)
			}
			want := []string{"first"}
			if marked != 0 {
				want = append(want, "torn")
			}
			b := start(t, broker.Config{Dir: dir})
			check(t, b.Addr(), "after the crash", all(want...))

			// The producer asks again how its transaction ended.
			req := kmsg.NewPtrEndTxnRequest()
			req.TransactionalID, req.ProducerID, req.ProducerEpoch, req.Commit = "service", id, epoch, true
			asking := client(t, b.Addr())
			resp, err := req.RequestWith(t.Context(), asking)
			asking.Close()
			if err != nil {
				t.Fatal(err)
			}
			switch err := kerr.ErrorForCode(resp.ErrorCode); {
			case marked != 0 && (err != nil || resp.ProducerEpoch <= epoch):
				t.Errorf("asked again: %v and epoch %d after %d", err, resp.ProducerEpoch, epoch)
			case marked == 0 && !errors.Is(err, kerr.InvalidTxnState):
				t.Errorf("asked again: %v", err)
			}

			for _, id := range []string{"service", "other"} {
				cl := transactor(t, b.Addr(), id)
				begin(t, cl, id, places)
				end(t, cl, kgo.TryCommit)
				cl.Close()
				want = append(want, id)
			}
			check(t, b.Addr(), "with more transactions", all(want...))
			again := start(t, broker.Config{Dir: crashed(t, dir)})
			check(t, again.Addr(), "after another crash", all(want...))
			again.Close()
			b.Close()
			b = start(t, broker.Config{Dir: dir})
			check(t, b.Addr(), "after a restart", all(want...))
			b.Close()
		})
	}
}

func TestHalfAMarkerIsNone(t *testing.T) {
	dir, _, cl := transacting(t, "service")
	begin(t, cl, "torn", places)
	before := crashed(t, dir)
	end(t, cl, kgo.TryCommit)
	after := crashed(t, dir)

	for _, whole := range []bool{false, true} { // is another one
		dir := crashed(t, before)
		mark(t, dir, after, "events-0", 5)
		want := fmt.Sprint(map[string][]string{})
		if whole {
			mark(t, dir, after, "states-1", 0)
			want = all("torn")
		}
		b := start(t, broker.Config{Dir: dir})
		check(t, b.Addr(), "after the crash", want)
		b = start(t, broker.Config{Dir: crashed(t, dir)})
		check(t, b.Addr(), "after another", want)
	}
}

// Nobody noted which epochs were used again.
func TestDirectoryFromBeforeEpochsWereNotedIsNotCompleted(t *testing.T) {
	dir, _, cl := transacting(t, "service")
	begin(t, cl, "torn", places)
	before := crashed(t, dir)
	end(t, cl, kgo.TryCommit)
	mark(t, before, dir, "events-0", 0)
	if err := os.Remove(filepath.Join(before, "reused-epochs")); err != nil {
		t.Fatal(err)
	}
	b := start(t, broker.Config{Dir: before})
	check(t, b.Addr(), "after the crash", fmt.Sprint(map[string][]string{"events-0": {"torn"}}))
	if _, err := os.Stat(filepath.Join(before, "reused-epochs")); err != nil {
		t.Error(err)
	}
}

// An old client's commit marker may be of another transaction.
func TestOldClientsTransactionIsNotCommittedByAnEarlierMarker(t *testing.T) {
	for _, restart := range []bool{false, true} { // in which kfake forgets what ended
		t.Run(fmt.Sprint("restart ", restart), func(t *testing.T) {
			dir, b, cl := transacting(t, "old", kgo.MaxVersions(kversion.V3_6_0()))
			addr := b.Addr()
			begin(t, cl, "first", places[:2])
			end(t, cl, kgo.TryCommit)
			if restart {
				b.Close()
				start(t, broker.Config{Dir: dir, Addr: addr})
			}
			begin(t, cl, "open", places[1:])
			b = start(t, broker.Config{Dir: crashed(t, dir)})
			want := fmt.Sprint(map[string][]string{"events-0": {"first"}, "events-1": {"first"}})
			check(t, b.Addr(), "after the crash", want)
			again := start(t, broker.Config{Dir: crashed(t, dir)})
			check(t, again.Addr(), "after another", want)
		})
	}
}

// Open transactions go on after a clean shutdown.
func TestOpenTransactionOutlivesARestart(t *testing.T) {
	dir, b, cl := transacting(t, "service")
	addr := b.Addr()
	begin(t, cl, "first", places)
	b.Close()
	b = start(t, broker.Config{Dir: dir, Addr: addr})
	end(t, cl, kgo.TryCommit)
	check(t, b.Addr(), "after a restart", all("first"))
}

// A death between a batch and its entry in the index.
func TestBatchWithoutItsIndexEntryIsOfItsTransaction(t *testing.T) {
	dir, _, cl := transacting(t, "service")
	begin(t, cl, "first", places)
	end(t, cl, kgo.TryCommit)
	begin(t, cl, "open", places)
	dir = crashed(t, dir)
	for _, place := range places {
		name := filepath.Join(dir, "broker", "partitions", place, "0.idx")
		text, err := os.ReadFile(name)
		if err == nil {
			err = os.WriteFile(name, slices.Clip(text[:len(text)-7]), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	b := start(t, broker.Config{Dir: dir})
	check(t, b.Addr(), "after the crash", all("first"))
	b = start(t, broker.Config{Dir: crashed(t, dir)})
	check(t, b.Addr(), "after another", all("first"))
}

// transactFor writes transactions for ever and says what was committed.
func transactFor(dir string) {
	b, err := broker.Start(broker.Config{Dir: dir, Addr: "127.0.0.1:0"})
	if err != nil {
		panic(err)
	}
	cl, err := kgo.NewClient(kgo.SeedBrokers(b.Addr()), kgo.TransactionalID("service"), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		panic(err)
	}
	if _, err := kadm.NewClient(cl).CreateTopics(context.Background(), 2, 1, nil, "events", "states"); err != nil && !strings.Contains(err.Error(), "EXISTS") {
		panic(err)
	}
	for i := 0; ; i++ {
		text := fmt.Sprintf("%d-%d", os.Getpid(), i)
		if err := cl.BeginTransaction(); err != nil {
			panic(err)
		}
		if err := cl.ProduceSync(context.Background(), records(text, places)...).FirstErr(); err != nil {
			panic(err)
		}
		if err := cl.EndTransaction(context.Background(), kgo.TryCommit); err != nil {
			panic(err)
		}
		fmt.Println(text)
	}
}

func TestTransactionsAreWholeAfterKills(t *testing.T) {
	dir := t.TempDir()
	const kills = 5
	var acked []string
	for range kills {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "EBB_BROKER_TRANSACTOR="+dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		for n := 0; ; n++ { // to what it said before it died
			var text string
			if _, err := fmt.Fscan(out, &text); err != nil && n >= 50 {
				break
			} else if err != nil {
				t.Fatal(err)
			}
			if acked = append(acked, text); n == 50 {
				_ = cmd.Process.Kill()
			}
		}
		_ = cmd.Wait()
	}
	got := committed(t, start(t, broker.Config{Dir: dir}).Addr())
	for _, place := range places {
		if !slices.Equal(got[place], got[places[0]]) {
			t.Errorf("%s has %v, %s has %v", place, got[place], places[0], got[places[0]])
		}
	}
	unsaid := slices.DeleteFunc(got[places[0]], func(text string) bool { return slices.Contains(acked, text) })
	if n := len(got[places[1]]) - len(unsaid); n != len(acked) {
		t.Errorf("%d of %d acknowledged transactions are there", n, len(acked))
	}
	if len(unsaid) > kills {
		t.Errorf("%v are there and were not acknowledged", unsaid)
	}
}
