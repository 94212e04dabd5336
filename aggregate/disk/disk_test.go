package disk

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/ebb-events/ebb/aggregate"
)

func TestOpeningEmptiesItsOwnFolderOnly(t *testing.T) {
	dir := t.TempDir()
	mine := filepath.Join(dir, "holiday.jpg")
	if err := os.WriteFile(mine, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		s, err := Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := s.Get(1, "i"); got != nil || err != nil {
			t.Errorf("got %q, %v of an earlier life", got, err)
		}
		if err := s.Put(1, []aggregate.Entry{{Key: "i", Value: []byte("v")}}); err != nil {
			t.Error(err)
		}
		if err := s.db.Flush(); err != nil {
			t.Error(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := os.Stat(mine); err != nil {
		t.Error(err)
	}
}

func TestADirectoryIsForOneService(t *testing.T) {
	dir := t.TempDir()
	first, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := first.Put(1, []aggregate.Entry{{Key: "i", Value: []byte("v")}}); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir); err == nil || !strings.Contains(err.Error(), "is another service's") {
		t.Errorf("got %v", err)
	}
	if got, err := first.Get(1, "i"); string(got) != "v" || err != nil {
		t.Errorf("got %q, %v after somebody else tried", got, err)
	}
	if err := first.Close(); err != nil {
		t.Error(err)
	}
}

func TestDirectoryThatCannotBe(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(file); err == nil || !strings.HasPrefix(err.Error(), "disk: ") {
		t.Errorf("got %v", err)
	}
}

var errFull = errors.New("no space left")

// inMemory opens a store on a disk that fails when told to. It lies in memory,
// for what hangs there cannot be closed, and may write until the process ends.
func inMemory(t *testing.T, fails func(errorfs.Op) error, change ...func(*pebble.Options)) *Store {
	t.Helper()
	dir, fs := t.TempDir(), vfs.NewMem()
	if err := fs.MkdirAll(filepath.Join(dir, "instances"), 0o700); err != nil {
		t.Fatal(err)
	}
	s, err := open(dir, scratch{errorfs.Wrap(fs, errorfs.InjectorFunc(fails))}, change...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestFullDiskFailsAndDoesNotHang writes until the store would wait for ever.
func TestFullDiskFailsAndDoesNotHang(t *testing.T) {
	var full atomic.Bool
	s := inMemory(t, func(op errorfs.Op) error {
		if full.Load() && op.Kind == errorfs.OpFileWrite {
			return errFull
		}
		return nil
	})
	put := func() error {
		return s.Put(1, []aggregate.Entry{{Key: "i", Value: bytes.Repeat([]byte("v"), 1<<20)}})
	}
	err := put()
	if err != nil {
		t.Fatal(err)
	}
	full.Store(true)
	for range 10 * tables * tableSize >> 20 {
		if err = put(); err != nil {
			break
		}
	}
	if !errors.Is(err, errFull) {
		t.Fatalf("got %v, want %v", err, errFull)
	}
	full.Store(false) // too late: something may be missing
	if _, err := s.Get(1, "i"); !errors.Is(err, errFull) {
		t.Errorf("reading: got %v, want %v", err, errFull)
	}
	if err := s.Clear(1); !errors.Is(err, errFull) {
		t.Errorf("clearing: got %v, want %v", err, errFull)
	}
}

// TestStuckDiskIsNotWaitedFor has a write wait for a disk that then fails.
func TestStuckDiskIsNotWaitedFor(t *testing.T) {
	stuck, stalled := make(chan struct{}), make(chan struct{})
	var working atomic.Bool
	s := inMemory(t, func(op errorfs.Op) error {
		if working.Load() && op.Kind == errorfs.OpFileWrite {
			<-stuck
			return errFull
		}
		return nil
	}, func(o *pebble.Options) {
		o.EventListener.WriteStallBegin = func(pebble.WriteStallBeginInfo) { close(stalled) }
	})
	working.Store(true)
	failed := make(chan error, 1)
	go func() {
		for {
			if err := s.Put(1, []aggregate.Entry{{Key: "i", Value: bytes.Repeat([]byte("v"), 1<<20)}}); err != nil {
				failed <- err
				return
			}
		}
	}()
	<-stalled
	close(stuck)
	if err := <-failed; !errors.Is(err, errFull) {
		t.Errorf("got %v, want %v", err, errFull)
	}
}
