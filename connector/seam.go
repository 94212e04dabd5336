package connector

import (
	"context"

	"github.com/ebb-events/ebb"
	"github.com/ebb-events/ebb/channel"
)

// Source is a consumer group on the reply topics.
type Source interface {
	// Poll blocks until there is something to do. What an earlier Poll gave
	// and Commit did not confirm comes again.
	Poll(ctx context.Context) (ebb.Batch, error)

	// Commit confirms everything that the last Poll gave.
	Commit(ctx context.Context) error
}

// Sink is the channel log, for writing.
type Sink interface {
	// Append returns once the broker has all records, or one is lost for good.
	// Records of one channel keep their order. A gap without a channel goes to
	// every partition.
	Append(ctx context.Context, records []channel.Record) error

	// Dead puts what cannot be processed on its topic's dead-letter topic,
	// with its coordinates and the reason.
	Dead(ctx context.Context, record ebb.Record, reason string) error
}
