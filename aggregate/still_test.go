package aggregate

import (
	"os"
	"os/exec"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ebb-events/ebb"
)

// TestWhoStoodStillIsNotLate: a reducer whose time passed while nothing ran is
// called again, but not for ever.
func TestWhoStoodStillIsNotLate(t *testing.T) {
	for stills, want := range map[int]string{0: "failed", 2: "applied", 3: "applied", 4: "failed"} {
		synctest.Test(t, func(t *testing.T) {
			b := newBroker()
			b.send(`{"_id":"i","_corr":"0","_command":"dawdle","_jwt":{"sub":"ann"}}`)
			var batches atomic.Int64
			dawdling = func() bool { return int(batches.Load()) <= max(stills, 1) }
			b.work(t, Config{watch: func() (stood func() bool) {
				n := int(batches.Add(1))
				return func() bool { return n <= stills }
			}})
			replies := b.topic(ebb.Replies)
			if len(replies) != 1 || replies[0].String(ebb.FieldOutcome) != want {
				t.Errorf("%d: got %d replies, %s", stills, len(replies), b.last(ebb.Replies))
			}
		})
	}
}

// TestWatchKnowsWhoStoodStill stops a process, as a paused machine does.
func TestWatchKnowsWhoStoodStill(t *testing.T) {
	if os.Getenv("EBB_TEST_WATCH") != "" {
		stood := watchStill()
		_ = syscall.Kill(os.Getpid(), syscall.SIGSTOP)
		_, _ = os.Stdin.Read(make([]byte, 1)) // when we run again
		if !stood() {
			t.Error("it did not notice")
		}
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestWatchKnowsWhoStoodStill$")
	cmd.Env = append(os.Environ(), "EBB_TEST_WATCH=1")
	cmd.Stdout = t.Output()
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var status syscall.WaitStatus
	if _, err := syscall.Wait4(cmd.Process.Pid, &status, syscall.WUNTRACED, nil); err != nil || !status.Stopped() {
		t.Fatalf("it did not stop: %v", err)
	}
	<-time.After(2 * stillMin) // what it must notice is time itself
	_ = cmd.Process.Signal(syscall.SIGCONT)
	_ = in.Close()
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v", err)
	}
	if stood := watchStill(); stood() {
		t.Error("we did not stand still")
	}
}
