package aggregate

import (
	"context"

	"github.com/ebb-events/ebb"
)

// Stage is one member of a group that reads a topic and writes others, a
// transaction at a time.
type Stage interface {
	// Poll blocks until there is something to do. What an earlier Poll gave
	// and Commit did not confirm comes again.
	Poll(ctx context.Context) (ebb.Batch, error)

	// Commit writes out and confirms what the last Poll gave, in one
	// transaction. After an error nothing of it has happened. A record whose
	// Partition is -1 goes where the hash of its key says.
	Commit(ctx context.Context, out []ebb.Record) error

	// Dead puts what cannot be worked on upon the dead-letter topic with the
	// next Commit, with its coordinates and the reason.
	Dead(record ebb.Record, reason string)
}

// Log is one member of the group of a type's services: it reads the command
// topic, or the one of unique values, and writes the others.
type Log interface {
	Stage

	// Restore hands over the committed states of a partition, oldest first, up
	// to the high watermark at the call. It waits for the open transaction of
	// a predecessor. of is the type's number of partitions.
	Restore(ctx context.Context, partition int32, apply func(ebb.Record)) (of int32, err error)
}

// Store holds the instances of the partitions that are assigned: scratch
// space, filled from the log at every assignment and written after every
// transaction. An error of it ends the service, for what was committed might
// be missing in it.
type Store interface {
	// Get returns what Put put, nil if nothing. It is called for several
	// instances at the same time; nobody alters what it returns.
	Get(partition int32, key string) ([]byte, error)

	// Put keeps entries, the last of those with the same key, and takes away
	// those without a value. The entries' memory is the store's from then on.
	Put(partition int32, entries []Entry) error

	// Clear takes away what Put put into a partition.
	Clear(partition int32) error
}

// Entry is an instance as a [Store] sees it.
type Entry struct {
	Key   string
	Value []byte
}
