package dev_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
)

// TestServiceOfTheReadme runs the README's service beside `ebb dev`, which has
// not heard of it.
func TestServiceOfTheReadme(t *testing.T) {
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, code, _ := strings.Cut(string(readme), "```go\n")
	code, _, ok := strings.Cut(code, "```")
	if !ok {
		t.Fatal("the README has no service")
	}
	dir := t.TempDir()
	source, program := filepath.Join(dir, "main.go"), filepath.Join(dir, "service")
	if err := os.WriteFile(source, []byte(code), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("go", "build", "-o", program, source).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}

	s := start(t, t.TempDir())
	service := exec.CommandContext(t.Context(), program, s.addrOf("kafka"))
	service.Stderr = os.Stderr
	if err := service.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = service.Process.Kill()
		_ = service.Wait()
	}()

	ann := s.login("ann")
	stream := ann.open("")
	stream.own("ebb.hello")
	url := s.api("/api/shop/counter/" + uuid.NewString())
	begun := time.Now()
	again := time.NewTicker(100 * time.Millisecond)
	defer again.Stop()
	for s.do("POST", url, map[string]any{"_command": "add", "by": 2, "_corr": "1"}, ann.header()).StatusCode != 202 {
		if time.Since(begun) > soon {
			t.Fatal("the gateway does not get to know the service")
		}
		<-again.C
	}
	if got := stream.reply("1"); got["value"] != 2.0 {
		t.Errorf("got %v", got)
	}
	s.do("POST", url, map[string]any{"_command": "add", "by": 0, "_corr": "2"}, ann.header())
	if got := stream.reply("2"); got["_outcome"] != "rejected" {
		t.Errorf("got %v", got)
	}
}
