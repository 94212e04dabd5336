package bench

import (
	"context"
	_ "embed"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

//go:embed floor/floor.c
var floorSource []byte

// errLeftOut says why a column of the table stays empty.
type errLeftOut string

func (e errLeftOut) Error() string { return string(e) }

// startFloor compiles the floor and starts it.
func startFloor(ctx context.Context) (*target, error) {
	compiler, err := exec.LookPath("cc")
	if err != nil {
		return nil, errLeftOut("no C compiler (cc): the floor is left out; Debian's package gcc has one")
	}
	t := &target{name: "floor (C)"}
	if err := t.makeDir(); err != nil {
		return nil, err
	}
	source, program := filepath.Join(t.dir, "floor.c"), filepath.Join(t.dir, "floor")
	if err := os.WriteFile(source, floorSource, 0o600); err != nil {
		return nil, errors.Join(err, t.stop())
	}
	if out, err := exec.CommandContext(ctx, compiler, "-O2", "-o", program, source).CombinedOutput(); err != nil {
		return nil, errors.Join(fmt.Errorf("compiling the floor: %w\n%s", err, out), t.stop())
	}
	cmd := exec.Command(program)
	input, err := cmd.StdinPipe()
	if err != nil {
		return nil, errors.Join(err, t.stop())
	}
	if t.measured, err = start(ctx, cmd); err != nil {
		return nil, errors.Join(err, t.stop())
	}
	t.measured.anyEnd = true
	t.streams = hostOf(t.measured.url)
	t.paths = func(_ context.Context, users []int32) ([]string, error) { return same("/", len(users)), nil }
	t.publish = func(_ context.Context, items []item) error {
		for _, it := range items {
			event := it.appendEvent(nil)
			if _, err := input.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(event))), event...)); err != nil {
				return err
			}
		}
		return nil
	}
	return t, nil
}
