package lambda_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestSizes: what is small starts fast.
func TestSizes(t *testing.T) {
	most := map[string]int64{"connect": 8e6, "setup": 8e6, "notify": 8e6, "command": 12e6}
	for _, arch := range []string{"arm64", "amd64"} {
		dir, err := build(arch)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			info, err := os.Stat(filepath.Join(dir, name, "bootstrap"))
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%s %s: %d bytes", arch, name, info.Size())
			if info.Size() > most[name] {
				t.Errorf("%s for %s has %d bytes, want %d at most", name, arch, info.Size(), most[name])
			}
		}
	}
}

// TestWhatFunctionsCarry: none has the Kafka client or Prometheus, and command
// alone the AWS SDK.
func TestWhatFunctionsCarry(t *testing.T) {
	never := []string{
		"github.com/twmb/", "github.com/prometheus/", "go.opentelemetry.io/otel/sdk", "go.opentelemetry.io/otel/exporters", "google.golang.org/grpc", "github.com/alecthomas/kong", "github.com/cockroachdb/", "net/rpc",
		"github.com/ebb-events/ebb/kafka", "github.com/ebb-events/ebb/edge", "github.com/ebb-events/ebb/aggregate", "github.com/ebb-events/ebb/internal/serve",
	}
	sdk := []string{"github.com/aws/aws-sdk-go", "github.com/aws/smithy-go"}
	for _, name := range names {
		cmd := exec.Command("go", "list", "-tags", "lambda.norpc", "-deps", "./"+name)
		cmd.Env = append(os.Environ(), "GOOS=linux")
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		has := func(prefix string) string {
			for line := range strings.Lines(string(out)) {
				if strings.HasPrefix(line, prefix) {
					return strings.TrimSpace(line)
				}
			}
			return ""
		}
		for _, prefix := range never {
			if got := has(prefix); got != "" {
				t.Errorf("%s has %s", name, got)
			}
		}
		for _, prefix := range sdk {
			if got := has(prefix); (got != "") != (name == "command") {
				t.Errorf("%s: of %s it has %q", name, prefix, got)
			}
		}
		if has("github.com/aws/aws-lambda-go/lambda") == "" {
			t.Errorf("%s has no runtime: is it a function?", name)
		}
	}
}
