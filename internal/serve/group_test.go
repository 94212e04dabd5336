package serve

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

var errBroken = errors.New("broken")

// until returns a part that ends with its context, after a while.
func until(name string, while time.Duration, ended func(string)) Part {
	return Part{name, func(ctx context.Context) error {
		<-ctx.Done()
		<-time.After(while)
		ended(name)
		return ctx.Err()
	}}
}

func after(name string, d time.Duration, err error) Part {
	return Part{name, func(ctx context.Context) error {
		select {
		case <-time.After(d):
			return err
		case <-ctx.Done():
			return nil
		}
	}}
}

func TestFirstToEndStopsTheRest(t *testing.T) {
	own := fmt.Errorf("edge: reading: %w", errBroken)
	tests := []struct {
		name  string
		parts []Part
		want  string
	}{
		{"without an error", []Part{after("a", time.Second, nil)}, ""},
		{"with an error", []Part{after("a", time.Second, errBroken)}, "a: broken"},
		{"with its own prefix", []Part{after("edge", time.Second, own)}, "edge: reading: broken"},
		{"the first error counts", []Part{after("b", 2*time.Second, nil), after("a", time.Second, errBroken)}, "a: broken"},
		{"an error while stopping", []Part{after("a", time.Second, nil), {"b", func(ctx context.Context) error { <-ctx.Done(); return errBroken }}}, "b: broken"},
		{"cancelled by itself", []Part{after("a", time.Second, context.Canceled)}, "a: context canceled"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				waited := false
				err := Run(t.Context(), tt.parts, []Part{until("last", time.Minute, func(string) { waited = true })})
				got := ""
				if err != nil {
					got = err.Error()
				}
				if got != tt.want || !waited {
					t.Errorf("got %q, waited %v, want %q", got, waited, tt.want)
				}
			})
		})
	}
}

func TestLevelsStopInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var order []string
		ended := func(name string) {
			mu.Lock()
			defer mu.Unlock()
			order = append(order, name)
		}
		ctx, stop := context.WithTimeout(t.Context(), time.Minute)
		defer stop()
		began := time.Now()
		if err := Run(ctx,
			[]Part{until("edge", 3*time.Second, ended), until("gateway", time.Second, ended)},
			nil,
			[]Part{until("kafka", time.Second, ended)},
		); err != nil {
			t.Error(err)
		}
		if want := []string{"gateway", "edge", "kafka"}; !slices.Equal(order, want) {
			t.Errorf("got %v, want %v", order, want)
		}
		if d := time.Since(began); d != 64*time.Second {
			t.Errorf("took %v, want 64 s", d)
		}
	})
}

// TestSignals runs itself as another process and signals that.
func TestSignals(t *testing.T) {
	if os.Getenv("SIGNALLED") != "" {
		ctx, stop := UntilSignal(context.Background())
		defer stop()
		fmt.Println("up")
		<-ctx.Done()
		fmt.Println("ending")
		io.ReadAll(os.Stdin) // for as long as nobody ends it
		return
	}
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		self := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestSignals$")
		self.Env = append(os.Environ(), "SIGNALLED=1")
		stdin, _ := self.StdinPipe()
		stdout, _ := self.StdoutPipe()
		if err := self.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(stdout)
		for _, want := range []string{"up", "ending"} {
			if !lines.Scan() || lines.Text() != want {
				t.Fatalf("got %q, want %q", lines.Text(), want)
			}
			if err := self.Process.Signal(sig); err != nil {
				t.Fatal(err)
			}
		}
		err := self.Wait()
		stdin.Close()
		status, _ := self.ProcessState.Sys().(syscall.WaitStatus)
		if !status.Signaled() || status.Signal() != sig {
			t.Errorf("after the second %v: %v", sig, err)
		}
	}
}

func TestUntilSignalEndsWithStop(t *testing.T) {
	ctx, stop := UntilSignal(t.Context())
	stop()
	<-ctx.Done()
}
