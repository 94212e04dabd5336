package disk

import "github.com/cockroachdb/pebble/v2/vfs"

// scratch is a file system where nothing has to outlive a crash.
type scratch struct{ vfs.FS }

func (s scratch) Create(name string, use vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := s.FS.Create(name, use)
	return unsynced(f, err)
}

func (s scratch) OpenDir(name string) (vfs.File, error) {
	f, err := s.FS.OpenDir(name)
	return unsynced(f, err)
}

func (s scratch) ReuseForWrite(from, to string, use vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := s.FS.ReuseForWrite(from, to, use)
	return unsynced(f, err)
}

func (s scratch) Unwrap() vfs.FS { return s.FS }

func unsynced(f vfs.File, err error) (vfs.File, error) {
	if err != nil {
		return nil, err
	}
	return file{f}, nil
}

type file struct{ vfs.File }

func (file) Sync() error                { return nil }
func (file) SyncData() error            { return nil }
func (file) SyncTo(int64) (bool, error) { return false, nil }
