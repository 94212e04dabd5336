package aggregate

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"github.com/ebb-events/ebb"
)

func TestBreakingTheGlass(t *testing.T) {
	const lock = `"_command":"lock","_jwt":{"sub":"bob"}`
	tests := []struct {
		name    string
		allowed bool
		jwt     string
		want    string
		lines   int
	}{
		{"where the type allows it", true, `{"sub":"ann","breakingTheGlass":true}`, "applied", 1},
		{"where it does not", false, `{"sub":"ann","breakingTheGlass":true}`, "forbidden", 0},
		{"not said", true, `{"sub":"ann"}`, "forbidden", 0},
		{"said otherwise", true, `{"sub":"ann","breakingTheGlass":"true"}`, "forbidden", 0},
		{"in other letters", true, `{"sub":"ann","BreakingTheGlass":true}`, "forbidden", 0},
		{"not needed", true, `{"sub":"bob","breakingTheGlass":true}`, "applied", 0},
		{"there is no user above all", true, `{"sub":"system"}`, "forbidden", 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			typ := counters
			typ.BreakGlass = tt.allowed
			var log bytes.Buffer
			got := commands(t, newBroker(), typ, Config{Logger: slog.New(slog.NewTextHandler(&log, nil))}, lock, `"_command":"plus","_jwt":`+tt.jwt)
			if outcome := got[1].String(ebb.FieldOutcome); outcome != tt.want {
				t.Errorf("got %s, want %s", outcome, tt.want)
			}
			if n := strings.Count(log.String(), "glass broken"); n != tt.lines {
				t.Errorf("got %d lines, want %d: %s", n, tt.lines, &log)
			}
			if tt.lines == 1 && !strings.Contains(log.String(), "user=ann command=plus id=i corr=1") {
				t.Errorf("got %s, want who, what and where", &log)
			}
		})
	}
}
