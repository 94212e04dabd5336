package hold

import (
	"context"
	"errors"
	"net/http"
	"os"
	"time"
)

// step is how much is written at a time; each must be taken within stall.
const step = 16 << 10

// Portable holds one stream with the goroutine of its handler, on whatever
// connection net/http has.
type Portable struct {
	wake chan struct{}
}

// NewPortable returns a holder for one stream.
func NewPortable() *Portable { return &Portable{make(chan struct{}, 1)} }

// Wake makes the holder ask the stream soon. It never blocks.
func (p *Portable) Wake() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// Hold writes to w what s has until s is done, ctx ends, or the reader takes
// nothing for a minute or is gone.
func (p *Portable) Hold(ctx context.Context, w http.ResponseWriter, s Stream) {
	s.End(p.hold(ctx, w, s))
}

func (p *Portable) hold(ctx context.Context, w http.ResponseWriter, s Stream) error {
	out := http.NewResponseController(w)
	timer := time.NewTimer(0)
	defer timer.Stop()
	var buf []byte
	for first := true; ; first = false {
		b, next := s.Fill(buf[:0], time.Now())
		// With nothing to write, the header is to go out, or the end.
		if len(b) > 0 || first || next.Done {
			if err := write(out, w, b); err != nil {
				return err
			}
			if !next.Done { // or else silence would count, on HTTP/2
				_ = out.SetWriteDeadline(time.Time{})
			}
		}
		if next.Tell {
			s.Written()
		}
		if buf = b; cap(buf) > 4*step {
			buf = nil // a burst is over: give its memory back
		}
		switch {
		case next.Done:
			return nil
		case next.More:
			continue
		case next.At.IsZero():
			timer.Stop()
		default:
			timer.Reset(time.Until(next.At))
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-p.wake:
		case <-timer.C:
		}
	}
}

func write(out *http.ResponseController, w http.ResponseWriter, b []byte) error {
	for {
		n := min(step, len(b))
		// Some writers, those of tests, have no deadlines.
		if err := out.SetWriteDeadline(time.Now().Add(stall)); err != nil && !errors.Is(err, http.ErrNotSupported) {
			return err
		}
		_, err := w.Write(b[:n])
		if err == nil {
			err = out.Flush()
		}
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return ErrStalled
		}
		if err != nil {
			return err
		}
		if b = b[n:]; len(b) == 0 {
			return nil
		}
	}
}
