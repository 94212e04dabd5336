package broker

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// format is the version of a data directory that this ebb reads and writes.
const format = "1"

// lockDir takes dir for this process, until the file is closed or it dies.
func lockDir(dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("data directory %s: %w (--data)", dir, err)
	}
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("data directory %s: %w (--data)", dir, err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("data directory %s is in use by another process (--data)", dir)
		}
		return nil, fmt.Errorf("data directory %s: locking: %w", dir, err)
	}
	return f, nil
}

// openDir checks dir's format and returns the number of this start, from 1.
func openDir(dir string) (starts int32, err error) {
	switch got, err := readFile(dir, "format"); {
	case err != nil:
		return 0, err
	case got == "":
		if err := writeFile(dir, "format", format); err != nil {
			return 0, err
		}
	case got != format:
		return 0, fmt.Errorf("data directory %s has format %.20q, this ebb reads %s: start the ebb that wrote it, or name another directory (--data)", dir, got, format)
	}
	text, err := readFile(dir, "starts")
	if err != nil {
		return 0, err
	}
	if text != "" {
		n, err := strconv.ParseInt(text, 10, 32)
		if err != nil {
			return 0, fmt.Errorf("data directory %s: starts: %w", dir, err)
		}
		starts = int32(n)
	}
	starts++
	return starts, writeFile(dir, "starts", strconv.Itoa(int(starts)))
}

// readFile returns a small file's text, "" if there is none.
func readFile(dir, name string) (string, error) {
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("data directory %s: %w", dir, err)
	}
	return strings.TrimSpace(string(b)), nil
}

// writeFile replaces a small file so that a power loss leaves the old or the
// new one.
func writeFile(dir, name, text string) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("data directory %s: %w", dir, err)
		}
	}()
	f, err := os.CreateTemp(dir, name)
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.WriteString(text + "\n")
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), filepath.Join(dir, name)); err != nil {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
