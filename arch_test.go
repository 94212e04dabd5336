package ebb_test

import (
	"io/fs"
	"maps"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// imports is the architecture: each package, and which of ours it imports.
var imports = map[string]string{
	// arrows
	".":                   "",
	"session":             "",
	"session/sessiontest": "session",
	"sse":                 "",
	"channel":             "",
	"grip":                "",
	// boxes
	"gateway":   ". channel grip internal/audit internal/dial internal/limit internal/tracing session",
	"view":      ".",
	"edge":      "channel grip internal/audit internal/dial internal/hold internal/limit internal/tracing internal/window session sse",
	"connector": ". channel internal/tracing sse",
	"aggregate": ". internal/tracing",
	// a store of one
	"aggregate/disk": "aggregate",
	// the adapter
	"kafka": ". channel internal/dial internal/tracing session",
	// mechanisms
	"internal/dial":            "",
	"internal/dial/dialtest":   "",
	"internal/hold":            "",
	"internal/window":          "",
	"internal/serve":           "internal/dial internal/limit internal/tracing",
	"internal/limit":           "",
	"internal/audit":           "internal/limit",
	"internal/tracing":         "",
	"internal/broker":          "",
	"internal/history":         ".",
	"internal/kafkatest":       "internal/logtest",
	"internal/logtest":         "",
	"internal/kafkatest/kafka": "internal/kafkatest",
	"internal/pushpintest":     "internal/kafkatest",
	// what puts them together, and what shows them
	"demo":  ". aggregate",
	"bench": ". kafka sse",
	// boxes in another costume
	"lambda":         "channel connector gateway grip internal/dial sse",
	"lambda/connect": "lambda",
	"lambda/setup":   "lambda",
	"lambda/notify":  "lambda",
	"lambda/command": ". gateway lambda",
	"internal/aws":   "",
	"dev":            "grip internal/tracing",
	// what a bench measures
	"bench/service": ". aggregate aggregate/disk kafka",
	"cmd/ebb":       ". aggregate bench connector demo dev edge gateway grip internal/aws internal/broker internal/serve internal/tracing kafka view",
	// what a team's tests play with
	"aggregate/aggregatetest": ". aggregate",
}

// only names the packages that may import what is not ours. Nothing else may be
// imported, but for the standard library.
var only = map[string]string{
	"github.com/santhosh-tekuri/jsonschema": "aggregate",

	"github.com/twmb/franz-go/pkg/kfake":  "internal/broker",
	"github.com/twmb/franz-go":            "kafka internal/broker internal/kafkatest",
	"github.com/fxamacker/cbor":           "kafka",
	"github.com/go-jose/go-jose":          "grip gateway dev",
	"github.com/prometheus/client_golang": "internal/serve",
	"github.com/wI2L/jsondiff":            "aggregate",
	"github.com/cockroachdb/pebble":       "aggregate/disk",
	"github.com/alecthomas/kong":          "cmd/ebb",
	"go.yaml.in/yaml":                     "cmd/ebb",
	"github.com/aws/aws-lambda-go":        "lambda",
	"github.com/aws/aws-sdk-go-v2":        "lambda/command",
	"golang.org/x/crypto":                 "gateway",
	"golang.org/x/time":                   "gateway internal/serve",
	"golang.org/x/sys":                    "internal/broker internal/hold internal/serve bench",
	"go.opentelemetry.io/otel":            "internal/tracing internal/serve",
	"go.opentelemetry.io/otel/sdk":        "internal/serve",
	"go.opentelemetry.io/otel/exporters":  "internal/serve",
	"go.opentelemetry.io/otel/trace":      "internal/tracing internal/serve gateway edge connector aggregate",
	"gonum.org/v1/plot":                   "bench",
	"testing":                             "internal/kafkatest internal/pushpintest internal/dial/dialtest aggregate/aggregatetest",
}

func TestArchitecture(t *testing.T) {
	const module = "github.com/ebb-events/ebb"
	look(t) // or a result of before a change would be taken from the cache
	out, err := exec.Command("go", "list", "-f", `{{.ImportPath}}|{{join .Imports " "}}|{{.Doc}}`, "./...").Output()
	if err != nil {
		t.Fatal(err)
	}
	gone := maps.Clone(imports)
	for line := range strings.Lines(string(out)) {
		f := strings.SplitN(strings.TrimSpace(line), "|", 3)
		pkg := local(f[0], module)
		var ours []string
		for imp := range strings.FieldsSeq(f[1]) {
			if strings.HasPrefix(imp, module) {
				ours = append(ours, local(imp, module))
				continue
			}
			if problem := foreign(imp, pkg); problem != "" {
				t.Errorf("%s imports %s, which is %s", pkg, imp, problem)
			}
		}
		slices.Sort(ours)
		want, ok := imports[pkg]
		if !ok {
			t.Errorf("%s is no room of the house; docs/design.md shows where things go", pkg)
		} else if got := strings.Join(ours, " "); got != want {
			t.Errorf("%s imports %q, want %q", pkg, got, want)
		}
		if f[2] == "" {
			t.Errorf("%s has no package comment", pkg)
		}
		delete(gone, pkg)
	}
	for pkg := range gone {
		t.Errorf("%s is gone", pkg)
	}
}

// foreign says what is wrong with pkg importing what is not ours, "" if nothing.
func foreign(imp, pkg string) (problem string) {
	first, _, _ := strings.Cut(imp, "/")
	if strings.Contains(first, ".") {
		problem = "no library that docs/design.md chose"
	}
	longest := 0
	for prefix, owners := range only {
		if len(prefix) < longest || imp != prefix && !strings.HasPrefix(imp, prefix+"/") {
			continue
		}
		longest, problem = len(prefix), ""
		if !slices.Contains(strings.Fields(owners), pkg) {
			problem = "for " + owners
		}
	}
	return problem
}

// look reads the folders, which is what the cache of test results goes by.
func look(t *testing.T) {
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if d != nil && d.IsDir() && (d.Name() == "node_modules" || len(path) > 1 && path[0] == '.') {
			return filepath.SkipDir
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func local(path, module string) string {
	if path == module {
		return "."
	}
	return strings.TrimPrefix(path, module+"/")
}
