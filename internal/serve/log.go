package serve

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"
)

// Logger returns a logger for people where w is a terminal, and one that writes
// JSON, in UTC, where it is not.
func Logger(w io.Writer, level slog.Leveler) *slog.Logger {
	if isTerminal(w) {
		return slog.New(newHuman(w, level))
	}
	return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level, ReplaceAttr: inJSON}))
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// inJSON has times in UTC, and escapes what JSON would leave as it is and a
// terminal would obey, or show in another order.
func inJSON(groups []string, a slog.Attr) slog.Attr {
	switch a.Value.Kind() {
	case slog.KindTime:
		if len(groups) == 0 && a.Key == slog.TimeKey {
			a.Value = slog.TimeValue(a.Value.Time().UTC())
		}
	case slog.KindString:
		if s := a.Value.String(); !printable(s) {
			a.Value = slog.StringValue(escaped(s))
		}
	case slog.KindAny:
		if err, ok := a.Value.Any().(error); ok && !printable(err.Error()) {
			a.Value = slog.StringValue(escaped(err.Error()))
		}
	}
	return a
}

// printable tells whether there is nothing in s that JSON does not escape
// though it had better.
func printable(s string) bool {
	return strings.IndexFunc(s, unprintable) < 0
}

// unprintable are the control characters from DEL on, and those without a form
// of their own, which turn the direction of text or hide in it.
func unprintable(c rune) bool { return c >= 0x7f && !unicode.IsPrint(c) }

func escaped(s string) string {
	var b strings.Builder
	for _, c := range s {
		if unprintable(c) {
			b.WriteString(strings.Trim(strconv.QuoteRuneToASCII(c), "'"))
		} else {
			b.WriteRune(c)
		}
	}
	return b.String()
}

// oneLine escapes what would end a line, or more, in a message.
func oneLine(message string) string {
	if strings.IndexFunc(message, func(c rune) bool { return !unicode.IsPrint(c) }) < 0 {
		return message
	}
	return strings.Trim(strconv.Quote(message), `"`)
}

// human writes "15:04:05 INFO message key=value".
type human struct {
	*page
	attrs slog.Handler // writes key=value to the page
}

// page is what the handlers of one logger share.
type page struct {
	mu   sync.Mutex
	w    io.Writer
	line bytes.Buffer
}

func newHuman(w io.Writer, level slog.Leveler) human {
	p := &page{w: w}
	return human{p, slog.NewTextHandler(&p.line, &slog.HandlerOptions{Level: level, ReplaceAttr: withoutHead})}
}

// withoutHead drops the level and the message, which Handle has left empty.
func withoutHead(groups []string, a slog.Attr) slog.Attr {
	if len(groups) == 0 && (a.Key == slog.LevelKey && a.Value.Kind() == slog.KindAny || a.Key == slog.MessageKey && a.Value.String() == "") {
		return slog.Attr{}
	}
	return a
}

func (h human) Enabled(ctx context.Context, level slog.Level) bool {
	return h.attrs.Enabled(ctx, level)
}

func (h human) Handle(ctx context.Context, r slog.Record) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.line.Reset()
	if !r.Time.IsZero() {
		h.line.WriteString(r.Time.Format(time.TimeOnly + " "))
	}
	h.line.WriteString(r.Level.String() + " " + oneLine(r.Message) + " ")
	r.Time, r.Message = time.Time{}, ""
	if err := h.attrs.Handle(ctx, r); err != nil {
		return err
	}
	_, err := h.w.Write(append(bytes.TrimRight(h.line.Bytes(), " \n"), '\n'))
	return err
}

func (h human) WithAttrs(attrs []slog.Attr) slog.Handler {
	return human{h.page, h.attrs.WithAttrs(attrs)}
}

func (h human) WithGroup(name string) slog.Handler {
	return human{h.page, h.attrs.WithGroup(name)}
}
