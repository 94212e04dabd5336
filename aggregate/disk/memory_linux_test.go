package disk

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ebb-events/ebb/aggregate"
)

// TestManyInstancesTakeLittleMemory fills a store as restoring does, with 130
// MiB that do not compress, and then reads and writes here and there.
func TestManyInstancesTakeLittleMemory(t *testing.T) {
	const (
		n       = 400_000
		size    = 300
		batch   = 1000
		atMost  = 100 << 20
		atOnce  = 12 // partitions
		visited = 40_000
	)
	if withRaces() { // the detector takes more memory than the store
		if out, err := exec.Command("go", "test", "-count=1", "-run", "^"+t.Name()+"$", ".").CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	s, err := Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	before := resident(t)
	key := func(i int) string { return fmt.Sprintf("%08x-0000-4000-8000-%012x", i*7919, i) }
	random := rand.NewChaCha8([32]byte{})
	put := func(from int) {
		entries := make([]aggregate.Entry, 0, batch)
		for i := from; i < from+batch*atOnce && i < n; i += atOnce {
			v := make([]byte, size)
			random.Read(v)
			binary.BigEndian.PutUint64(v, uint64(i))
			entries = append(entries, aggregate.Entry{Key: key(i), Value: v})
		}
		if err := s.Put(int32(from%atOnce), entries); err != nil {
			t.Fatal(err)
		}
	}
	start := time.Now()
	for p := range atOnce {
		for from := p; from < n; from += batch * atOnce {
			put(from)
		}
	}
	filled := time.Since(start)
	most := resident(t)
	start = time.Now()
	for i := range visited {
		at := int(random.Uint64() % n)
		v, err := s.Get(int32(at%atOnce), key(at))
		if err != nil || len(v) != size || binary.BigEndian.Uint64(v) != uint64(at) {
			t.Fatalf("instance %d: got %d bytes, %v", at, len(v), err)
		}
		if i%1000 == 0 {
			put(at)
			most = max(most, resident(t))
		}
	}
	took := most - before
	t.Logf("filled in %v, %d reads and as many writes in %v, %d MiB", filled, visited, time.Since(start), took>>20)
	if took > atMost {
		t.Errorf("took %d MiB, want at most %d", took>>20, atMost>>20)
	}
}

// withRaces tells whether this was built with the race detector.
func withRaces() bool {
	info, _ := debug.ReadBuildInfo()
	return slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}

// resident is the memory that the process has in use.
func resident(t *testing.T) (bytes int) {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if n, _ := fmt.Sscanf(line, "VmRSS: %d kB", &bytes); n == 1 {
			return bytes << 10
		}
	}
	t.Fatal("no VmRSS")
	return 0
}
