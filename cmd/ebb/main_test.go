package main

import (
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain makes ebb a command of this binary, for scripts and for dev.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"ebb": main})
}
