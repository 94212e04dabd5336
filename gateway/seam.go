package gateway

import (
	"context"

	"github.com/ebb-events/ebb"
)

// Sender puts commands on their topics.
type Sender interface {
	// Send returns once the broker has the command on as many replicas as its
	// topic asks for. Errors are [ebb.ErrUnknownType], [ebb.ErrTooLarge], or
	// else mean that the broker is away; the command may have arrived then.
	Send(ctx context.Context, typ, id string, command []byte) error
}

// Reader reads the latest state of instances.
type Reader interface {
	// Get returns one instance that u may read. ok is false if there is none.
	Get(typ, id string, u ebb.User) (state ebb.Message, ok bool)

	// List returns all instances of a type that u may read, sorted by id.
	List(typ string, u ebb.User) []ebb.Message

	// Fresh waits until everything that is on the topic of a type now can be
	// read. Its errors are [ebb.ErrUnknownType], ctx's, or the broker's.
	Fresh(ctx context.Context, typ string) error
}
