package serve

import (
	"bufio"
	"net"
	"net/http"
	"time"
)

// writeTimeout is how long a client may take for a piece of an answer. There is
// no limit on a whole answer, which may be a stream.
const writeTimeout = time.Minute

// piece is about how much handlers write at a time, at most.
const piece = 32 << 10

// begin forgets the deadline of the answer before on this connection.
func (a *answer) begin() { _ = a.controller().SetWriteDeadline(time.Time{}) }

// end has what is left in buffers be taken in time.
func (a *answer) end() {
	if !a.free {
		_ = a.controller().SetWriteDeadline(time.Now().Add(writeTimeout))
	}
}

// inTime runs f with a deadline. Behind it there is none: on HTTP/2 it would end
// an answer that has nothing to say for a while.
func (a *answer) inTime(f func() error) error {
	if a.free {
		return f()
	}
	_ = a.controller().SetWriteDeadline(time.Now().Add(writeTimeout)) // writers of tests have none
	if err := f(); err != nil {
		return err
	}
	_ = a.controller().SetWriteDeadline(time.Time{})
	return nil
}

// write writes a piece at a time, each in time.
func (a *answer) write(b []byte) (n int, err error) {
	for {
		err = a.inTime(func() error {
			wrote, err := a.ResponseWriter.Write(b[n:min(len(b), n+piece)])
			n += wrote
			return err
		})
		if err != nil || n >= len(b) {
			return n, err
		}
	}
}

// FlushError is for [http.ResponseController].
func (a *answer) FlushError() error { return a.inTime(a.controller().Flush) }

// Flush is for those who ask for an [http.Flusher].
func (a *answer) Flush() { _ = a.FlushError() }

func (a *answer) controller() *http.ResponseController {
	return http.NewResponseController(a.ResponseWriter)
}

// SetWriteDeadline is for [http.ResponseController]. Who uses it looks after all
// deadlines.
func (a *answer) SetWriteDeadline(t time.Time) error {
	a.free = true
	return a.controller().SetWriteDeadline(t)
}

// Hijack is for [http.ResponseController], too.
func (a *answer) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	a.free = true
	return a.controller().Hijack()
}
