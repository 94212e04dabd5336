package gateway

import (
	"context"
	"encoding/json"

	"github.com/ebb-events/ebb"
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
// asked for or, if fresh, as far as it goes now. Errors are
// [ebb.ErrUnknownType], ctx's, or else mean that the broker is away.
type Reader interface {
	// Get returns an instance, nil if there is none that u may read.
	Get(ctx context.Context, typ, id string, u ebb.User, fresh bool) (json.RawMessage, error)

	// List returns all instances of a type that u may read, sorted by id.
	List(ctx context.Context, typ string, u ebb.User, fresh bool) ([]json.RawMessage, error)
}
