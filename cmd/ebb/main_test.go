package main

import (
	"os"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain makes ebb a command of this binary, for scripts and for dev. With
// FEW in the environment it may have few file descriptors.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"ebb": func() {
		if os.Getenv("FEW") != "" {
			few := syscall.Rlimit{Cur: 200, Max: 200}
			if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &few); err != nil {
				panic(err)
			}
		}
		main()
	}})
}
