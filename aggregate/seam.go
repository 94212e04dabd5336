package aggregate

import (
	"context"

	"github.com/ebb-events/ebb"
)

// Log is one member of the group of a type's services: it reads the command
// topic and writes the others, a transaction at a time.
type Log interface {
	// Poll blocks until there is something to do. What an earlier Poll gave
	// and Commit did not confirm comes again.
	Poll(ctx context.Context) (ebb.Batch, error)

	// Restore hands over the committed states of a partition, oldest first, up
	// to the high watermark at the call. It waits for the open transaction of
	// a predecessor. of is the type's number of partitions.
	Restore(ctx context.Context, partition int32, apply func(ebb.Record)) (of int32, err error)

	// Commit writes out and confirms what the last Poll gave, in one
	// transaction. After an error nothing of it has happened.
	Commit(ctx context.Context, out []ebb.Record) error

	// Dead puts what is no command on the dead-letter topic with the next
	// Commit, with its coordinates and the reason.
	Dead(record ebb.Record, reason string)
}
