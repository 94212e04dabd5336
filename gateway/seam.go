package gateway

import (
	"context"
	"encoding/json"

	"github.com/ebb-events/ebb"
	"github.com/ebb-events/ebb/channel"
	"github.com/ebb-events/ebb/session"
)

// Sender puts commands on their topics.
type Sender interface {
	// Send returns once the broker has the command on as many replicas as its
	// topic asks for. Errors are [ebb.ErrUnknownType], [ebb.ErrTooLarge], or
	// else mean that the broker is away; the command may have arrived then.
	Send(ctx context.Context, typ, id string, command []byte) error
}

// Reader reads the latest state of instances, as JSON without _jwt. Both wait
// until the type has been read as far as its topic went when it was first
// asked for or, if fresh, as far as it goes now. What one call returns is of
// one moment. Errors are [ebb.ErrUnknownType], ctx's, or else mean that the
// broker is away.
type Reader interface {
	// Get returns an instance, nil if there is none that the user may read. It
	// waits until the instance's _seq is seq or more, if seq is not negative.
	Get(ctx context.Context, q ebb.Query, id string, seq int64) (json.RawMessage, error)

	// List returns a page of the instances that the user may read, by id.
	List(ctx context.Context, q ebb.Query, p ebb.Page) (ebb.Listing, error)
}

// Tail knows where the channel log ends.
type Tail interface {
	// Cursor returns a position of a channel that has everything behind it that
	// is appended from now on. ok is false if none is known; that is no reason
	// to wait for long.
	Cursor(ctx context.Context, channel string) (c channel.Cursor, ok bool)
}

// Sessions is what becomes of sessions, the same for all gateways and edges.
type Sessions interface {
	session.Source

	// Append returns the place behind a record once the broker has it. After an
	// error it may have arrived.
	Append(ctx context.Context, r session.Record) (session.Place, error)
}

// Answers is the replies of all types, for requests that wait for them.
type Answers interface {
	// Follow hands over the replies that are committed from now on, until ctx
	// ends. It calls begun when none of them can be missed any more. Only one
	// call of handle runs at a time.
	Follow(ctx context.Context, begun func(), handle func(replies []ebb.Record)) error
}
