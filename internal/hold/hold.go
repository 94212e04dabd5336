// Package hold keeps very many streams open and writes what they have.
//
// A holder asks a stream for bytes when it was woken, when its time has come,
// and when its socket takes more; never otherwise. So a stream needs no queue,
// and one that cannot keep up is simply not asked.
//
// [Loop] holds sockets without a goroutine each, where the system and the
// connection allow it; [Portable] holds everything else.
package hold

import (
	"errors"
	"time"
)

// Stream is what a holder holds.
type Stream interface {
	// Fill appends what is to be written now and never blocks. It is asked
	// again at the time it returns, when woken, or, if more, as soon as the
	// socket has taken this. A stream that is done ends after what it appended.
	Fill(b []byte, now time.Time) (out []byte, next Next)

	// Written is called when the socket has taken all that a Fill appended which
	// wanted to be told so. The stream is not asked in between.
	Written()

	// End is called once, when the stream is held no more: with nil if it was
	// done, [ErrStalled], [ErrStopped], or why its connection is gone.
	End(err error)
}

// Next is what a stream wants after a Fill.
type Next struct {
	At   time.Time // zero: when woken
	More bool
	Done bool
	Tell bool // when this is written
}

// Ends of streams that were not done.
var (
	ErrStalled = errors.New("hold: the reader takes nothing")
	ErrStopped = errors.New("hold: stopped")
	ErrGone    = errors.New("hold: the client is gone")
)

// stall is how long a write may make no progress.
const stall = time.Minute

// silence is how long a client's system may not acknowledge what was sent. One
// whose reader is slow acknowledges; one that is gone does not. It is looked at
// when a stream's time has come: with heartbeats every 20 s at most, a client
// that vanished is noticed within a minute.
const silence = 25 * time.Second
