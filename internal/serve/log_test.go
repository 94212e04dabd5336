package serve

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"regexp"
	"strings"
	"testing"
	"testing/slogtest"
	"time"
)

func TestHumanHandler(t *testing.T) {
	var out bytes.Buffer
	slogtest.Run(t, func(*testing.T) slog.Handler {
		out.Reset()
		return newHuman(&out, slog.LevelInfo)
	}, func(t *testing.T) map[string]any { return parseHuman(t, out.String()) })
}

var humanLine = regexp.MustCompile(`^(\d\d:\d\d:\d\d )?([A-Z]+) (\S+)((?: \S+=\S+)*)\n$`)

// parseHuman reads a line whose message is one word.
func parseHuman(t *testing.T, line string) map[string]any {
	m := humanLine.FindStringSubmatch(line)
	if m == nil {
		t.Fatalf("got %q", line)
	}
	top := map[string]any{slog.LevelKey: m[2], slog.MessageKey: m[3]}
	if m[1] != "" {
		top[slog.TimeKey] = m[1]
	}
	for _, attr := range strings.Fields(m[4]) {
		path, value, _ := strings.Cut(attr, "=")
		groups := strings.Split(path, ".")
		at := top
		for _, g := range groups[:len(groups)-1] {
			if at[g] == nil {
				at[g] = map[string]any{}
			}
			at = at[g].(map[string]any)
		}
		at[groups[len(groups)-1]] = value
	}
	return top
}

func TestHumanLine(t *testing.T) {
	var out bytes.Buffer
	h := newHuman(&out, slog.LevelInfo).WithGroup("a").WithAttrs([]slog.Attr{slog.String("b", "c d")})
	r := slog.NewRecord(time.Date(2026, 11, 22, 15, 4, 5, 6, time.UTC), slog.LevelWarn, "put replies aside", 0)
	r.AddAttrs(slog.Int("n", 1), slog.String("level", "\x1b[2J\n"))
	if err := h.Handle(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	if got, want := out.String(), "15:04:05 WARN put replies aside a.b=\"c d\" a.n=1 a.level=\"\\x1b[2J\\n\"\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	out.Reset()
	slog.New(newHuman(&out, slog.LevelInfo)).Info("hello", "msg", "x", "level", "y", "time", "z")
	if got := out.String(); !strings.HasSuffix(got, "INFO hello msg=x level=y time=z\n") {
		t.Errorf("got %q", got)
	}
}

func TestLoggerWritesJSONInUTCToAFile(t *testing.T) {
	var out bytes.Buffer
	log := Logger(&out, slog.LevelInfo)
	log.Debug("unseen")
	log.With("part", "edge").WithGroup("g").Info("seen", "time", time.Unix(0, 0))
	var line struct {
		Time, Level, Msg, Part string
		G                      map[string]string
	}
	if err := json.Unmarshal(out.Bytes(), &line); err != nil {
		t.Fatalf("%v in %q", err, &out)
	}
	if !strings.HasSuffix(line.Time, "Z") || line.Level != "INFO" || line.Msg != "seen" || line.Part != "edge" || line.G["time"] == "" {
		t.Errorf("got %q", &out)
	}
}
