package bench

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// build returns the program's path.
func build(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "ebb")
	if out, err := exec.Command("go", "build", "-o", program, "../cmd/ebb").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return program
}

// ebbDev is the real one, on a data directory of its own.
func ebbDev(t *testing.T, flags ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(build(t), "dev", "--data", t.TempDir())
	for _, flag := range []string{"--addr", "--edge-addr", "--control-addr", "--admin-addr", "--kafka-addr"} {
		cmd.Args = append(cmd.Args, flag, "127.0.0.1:0")
	}
	cmd.Args = append(cmd.Args, flags...)
	return cmd
}

func TestNothingIsLostOrComesTwice(t *testing.T) {
	most := 0
	got, err := Latency{
		Server: ebbDev(t), Rate: 50, Warmup: time.Second, Time: 2 * time.Second, Users: 10,
		Sent: func(commands, want int) {
			if want != 150 {
				t.Errorf("%d commands to send, want 150", want)
			}
			most = commands
		},
	}.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got.Commands != 100 || got.Lost != 0 || got.Duplicates != 0 {
		t.Errorf("got %d commands, %d lost, %d duplicates; want 100, 0, 0", got.Commands, got.Lost, got.Duplicates)
	}
	if len(got.Event) != 100 || got.Event.Percentile(0) <= 0 {
		t.Errorf("got %d times, the least %v", len(got.Event), got.Event.Percentile(0))
	}
	if most != 150 {
		t.Errorf("told of %d commands, want 150", most)
	}
}

func TestServerThatFailsSaysWhy(t *testing.T) {
	_, err := Latency{Server: ebbDev(t, "--no-such-flag")}.Run(t.Context())
	if err == nil || !strings.Contains(err.Error(), "--no-such-flag") {
		t.Errorf("got %v", err)
	}
}
