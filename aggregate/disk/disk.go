// Package disk keeps the instances of a service on the local disk, for states
// that outgrow memory.
//
// It is scratch space: emptied when it is opened, filled from the state topic
// when partitions are assigned, and never synced. A crash loses all of it and
// nothing that counts. It takes less than 100 MiB of memory, however many
// instances there are.
package disk

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/ebb-events/ebb/aggregate"
)

// Sizes in memory.
const (
	cacheSize = 32 << 20 // blocks that were read
	tableSize = 16 << 20 // what was written lately, and is not on disk yet
	tables    = 3        // of those, at most
)

// Store is an [aggregate.Store] in a directory. It is for one service; its
// methods may be called at the same time.
type Store struct {
	db     *pebble.DB
	lock   *pebble.Lock
	broken chan struct{} // closed once the disk failed in the background

	mu  sync.Mutex
	why error // if it is broken
}

// Open empties the folder "instances" in dir, which is made if it is missing,
// and keeps other processes out of it. The caller closes the store.
func Open(dir string) (*Store, error) { return open(dir, scratch{vfs.Default}) }

func open(dir string, fs vfs.FS, change ...func(*pebble.Options)) (*Store, error) {
	path := filepath.Join(dir, "instances")
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, fmt.Errorf("disk: %w", err)
	}
	lock, err := pebble.LockDirectory(path, fs)
	if err != nil {
		return nil, fmt.Errorf("disk: %s is another service's, or cannot be locked: %w", dir, err)
	}
	if err := empty(path); err != nil {
		return nil, errors.Join(fmt.Errorf("disk: %w", err), lock.Close())
	}
	s := &Store{lock: lock, broken: make(chan struct{})}
	o := s.options(fs)
	for _, f := range change {
		f(o)
	}
	if s.db, err = pebble.Open(path, o); err != nil {
		return nil, errors.Join(fmt.Errorf("disk: %w", err), lock.Close())
	}
	return s, nil
}

// empty removes what a service before left, but for the lock.
func empty(path string) error {
	old, err := os.ReadDir(path)
	if err != nil {
		return err
	}
	for _, entry := range old {
		if entry.Name() == "LOCK" {
			continue
		}
		if err := os.RemoveAll(filepath.Join(path, entry.Name())); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) options(fs vfs.FS) *pebble.Options {
	o := &pebble.Options{
		FS:                          fs,
		Lock:                        s.lock,
		FormatMajorVersion:          pebble.FormatNewest,
		DisableWAL:                  true,
		CacheSize:                   cacheSize,
		MemTableSize:                tableSize,
		MemTableStopWritesThreshold: tables,
		L0CompactionThreshold:       4,
		L0StopWritesThreshold:       100, // filling comes all at once, and reading waits for its end
		EventListener: &pebble.EventListener{
			BackgroundError: s.fail,
			DataCorruption:  func(info pebble.DataCorruptionInfo) { s.fail(info.Details) },
		},
		Logger: silent{},
	}
	for i := range o.Levels {
		o.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
		o.Levels[i].Compression = func() *sstable.CompressionProfile { return sstable.SnappyCompression }
	}
	return o
}

// fail has all that follows fail too: a disk that is full or broken holds up
// writes for ever, and a state that is missing would be taken for none.
func (s *Store) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.why == nil {
		s.why = fmt.Errorf("disk: %w", err)
		close(s.broken)
	}
}

// err tells why the store is broken, nil if it is not.
func (s *Store) err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.why
}

// Get is that of [aggregate.Store].
func (s *Store) Get(partition int32, key string) ([]byte, error) {
	if err := s.err(); err != nil {
		return nil, err
	}
	v, closer, err := s.db.Get(place(partition, key))
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("disk: %w", err)
	}
	b := make([]byte, len(v))
	copy(b, v)
	return b, closer.Close()
}

// Put is that of [aggregate.Store].
func (s *Store) Put(partition int32, entries []aggregate.Entry) error {
	size := 0
	for _, e := range entries {
		size += len(e.Key) + len(e.Value) + 32
	}
	b := s.db.NewBatchWithSize(size)
	for _, e := range entries {
		var err error
		if at := place(partition, e.Key); e.Value == nil {
			err = b.Delete(at, nil)
		} else {
			err = b.Set(at, e.Value, nil)
		}
		if err != nil {
			return fmt.Errorf("disk: %w", err)
		}
	}
	return s.apply(b)
}

// Clear is that of [aggregate.Store].
func (s *Store) Clear(partition int32) error {
	b := s.db.NewBatch()
	if err := b.DeleteRange(place(partition, ""), place(partition+1, ""), nil); err != nil {
		return fmt.Errorf("disk: %w", err)
	}
	return s.apply(b)
}

// apply writes b. It does not wait for a broken disk.
func (s *Store) apply(b *pebble.Batch) error {
	if err := s.err(); err != nil {
		return err
	}
	done := make(chan error, 1)
	go func() { done <- errors.Join(s.db.Apply(b, pebble.NoSync), b.Close()) }()
	select {
	case err := <-done:
		if err != nil {
			return fmt.Errorf("disk: %w", err)
		}
		return nil
	case <-s.broken:
		return s.err()
	}
}

// Close lets go of the directory. The instances are gone.
func (s *Store) Close() error {
	if s.err() != nil {
		return s.lock.Close() // what hangs cannot be closed, and ends with the process
	}
	return errors.Join(s.db.Close(), s.lock.Close())
}

// place is the key of an instance among those of all partitions.
func place(partition int32, key string) []byte {
	b := make([]byte, 0, 4+len(key))
	b = binary.BigEndian.AppendUint32(b, uint32(partition))
	return append(b, key...)
}

// silent is a logger for what the store reports as errors.
type silent struct{}

func (silent) Infof(string, ...any)  {}
func (silent) Errorf(string, ...any) {}

// Fatalf must not return: the store is no longer sound.
func (silent) Fatalf(format string, args ...any) { panic(fmt.Sprintf("disk: "+format, args...)) }
