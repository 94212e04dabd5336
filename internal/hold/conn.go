package hold

import (
	"strconv"
	"sync/atomic"
	"time"
)

// Conn is a stream's place in a [Loop]. Its zero value is held by none; it must
// not be copied.
type Conn struct {
	worker *worker
	stream Stream  // nil when it has ended
	secure *secure // nil on a plain connection
	rest   *rest   // what the socket has not taken; the stream is not asked meanwhile

	due        time.Duration // when to look at it at the latest
	prev, next *Conn         // in a list of its worker's wheel
	tick       int32         // of that list; 0 if it is in none

	fd      int32
	state   atomic.Uint32
	chunked bool
	done    bool // the stream is, and its end was made
	closing bool // its end was written; the client's is waited for
}

// What is known of a Conn beside its worker.
const (
	held     = 1 << iota
	queued   // its worker will look at it
	woken    // its stream is to be asked
	readable // something came from the client, maybe its end
	broken
)

// rest is what a socket has not taken yet.
type rest struct {
	b     []byte
	since time.Duration // the last time it took some
	head  bool          // it is the head, which was not tried
	tell  bool          // the stream, when it is gone
}

// Wake makes the loop ask the stream soon. It never blocks.
func (c *Conn) Wake() { c.tell(woken) }

// tell makes the worker look at what is known of c.
func (c *Conn) tell(what uint32) {
	if c.state.Or(what|queued)&(held|queued) == held {
		c.worker.push(c)
	}
}

// frame is the room for what goes before a chunk: its length in hexadecimal.
const frame = 10

// seal makes what was appended to b behind the first from bytes and a frame
// into a chunk, and returns what is to be written. last adds the end of the body.
func (c *Conn) seal(b []byte, from int, last bool) []byte {
	var line []byte // what goes before
	if n := len(b) - from - frame; c.chunked && n > 0 {
		var text [frame]byte
		line = append(strconv.AppendInt(text[:0], int64(n), 16), "\r\n"...)
		b = append(b, "\r\n"...)
	}
	if c.chunked && last {
		b = append(b, "0\r\n\r\n"...)
	}
	gap := frame - len(line)
	copy(b[from+gap:], line)
	copy(b[gap:], b[:from]) // the head moves up to it
	return b[gap:]
}
