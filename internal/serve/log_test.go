package serve

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"regexp"
	"strings"
	"testing"
	"testing/slogtest"
	"time"
	"unicode"
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

// TestLogInjection: whatever a client calls itself, a line stays a line, and
// nothing in it moves a terminal's cursor or turns its text around (S56).
func TestLogInjection(t *testing.T) {
	hostile := []string{
		"ann\n{\"level\":\"INFO\",\"msg\":\"audit\"}", "ann\r\nINFO audit user=bob", "\x1b[2J\x1b]0;title\a", "\u009b2J", "\x7f\x00\b",
		"\u202egnp.exe", "\u2066x\u2069", "a\u2028b\u2029c\u0085d", "\ufeffann", "\u200bann", "\xff\xfe", `"} , {"msg":"x`, "user=bob level=INFO", "\U000e0061",
	}
	for _, text := range hostile {
		for name, write := range map[string]func(*slog.Logger){
			"an attribute": func(l *slog.Logger) { l.Info("audit", "user", text) },
			"its name":     func(l *slog.Logger) { l.Info("audit", slog.Group("g", slog.String("user", text))) },
			"an error":     func(l *slog.Logger) { l.Warn("trouble", "cause", errors.New(text)) },
			"a message":    func(l *slog.Logger) { l.Warn(text) }, // as net/http has some
			"of a logger":  func(l *slog.Logger) { l.With("user", text).Info("audit") },
		} {
			var asJSON, human bytes.Buffer
			write(Logger(&asJSON, slog.LevelInfo))
			write(slog.New(newHuman(&human, slog.LevelInfo)))
			for kind, out := range map[string]string{"JSON": asJSON.String(), "for people": human.String()} {
				line, ok := strings.CutSuffix(out, "\n")
				if !ok || strings.IndexFunc(line, func(c rune) bool { return !unicode.IsPrint(c) }) >= 0 {
					t.Errorf("%s, %s of %q: got %q", kind, name, text, out)
				}
			}
			if !json.Valid(asJSON.Bytes()) {
				t.Errorf("%s of %q: no JSON: %s", name, text, asJSON.Bytes())
			}
		}
	}
	var out bytes.Buffer
	Logger(&out, slog.LevelInfo).Info("audit", "user", "J\u00fcrgen \u5c71\u7530 \U0001f600")
	if !strings.Contains(out.String(), "J\u00fcrgen \u5c71\u7530 \U0001f600") {
		t.Errorf("names of people are mangled: %s", out.Bytes())
	}
}
