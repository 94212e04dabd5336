package serve

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"os"
	"sync"
	"time"
)

// Logger returns a logger for people where w is a terminal, and one that writes
// JSON, in UTC, where it is not.
func Logger(w io.Writer, level slog.Leveler) *slog.Logger {
	if isTerminal(w) {
		return slog.New(newHuman(w, level))
	}
	return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level, ReplaceAttr: utc}))
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

func utc(groups []string, a slog.Attr) slog.Attr {
	if len(groups) == 0 && a.Key == slog.TimeKey && a.Value.Kind() == slog.KindTime {
		a.Value = slog.TimeValue(a.Value.Time().UTC())
	}
	return a
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
	h.line.WriteString(r.Level.String() + " " + r.Message + " ")
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
