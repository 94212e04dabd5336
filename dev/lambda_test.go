package dev_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// lambdas builds the functions, once, as make lambda does.
var lambdas = sync.OnceValues(func() (dir string, err error) {
	dir = filepath.Join(filepath.Dir(ebb), "lambda")
	for _, name := range []string{"connect", "setup", "notify", "command"} {
		build := exec.Command("go", "build", "-trimpath", "-tags", "lambda.norpc", "-ldflags", "-s -w",
			"-o", filepath.Join(dir, name, "bootstrap"), "../lambda/"+name)
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		build.Stderr = os.Stderr
		if err = build.Run(); err != nil {
			return "", err
		}
	}
	return dir, nil
})

// startLambda runs `ebb dev --lambda`.
func startLambda(t *testing.T, flags ...string) *system {
	t.Helper()
	dir, err := lambdas()
	if err != nil {
		t.Fatal("building the functions: ", err)
	}
	return start(t, t.TempDir(), append(flags, "--lambda", "--functions", dir, "--sns-addr", "127.0.0.1:0")...)
}

// TestRoundTripThroughFunctions is the same twelve steps. The redirect, the
// set-up, the commands and the events go through the programs that are
// deployed, commands and replies through SNS by the SDK that they have.
func TestRoundTripThroughFunctions(t *testing.T) {
	s := startLambda(t)
	roundTrip(t, s, s.addrOf("kafka"))
	for _, name := range []string{"connect", "setup"} {
		if !strings.Contains(s.log.String(), `"function":"`+name+`"`) {
			t.Errorf("nothing was heard of %s", name)
		}
	}
}
