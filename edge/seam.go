package edge

import (
	"context"
	"time"

	"github.com/ebb-events/ebb/channel"
)

// Log is the channel log, for reading.
type Log interface {
	// Tail hands over every partition from where it was ten minutes ago, then
	// everything new, until ctx ends. It begins with one batch for each
	// partition, maybe without entries. One call of handle runs at a time. It
	// returns an error when the log was cut or made anew.
	Tail(ctx context.Context, handle func(channel.Batch)) error

	// Read hands over the entries of a partition with offsets from from, up to
	// and without to, until handle returns false. Before them come those of the
	// time warm before from. It fails where from is no longer in the log, and
	// where the log ends before to.
	Read(ctx context.Context, partition int32, from, to int64, warm time.Duration, handle func(channel.Entry) bool) error

	// Bounds asks the leader of a partition where its log and an epoch end.
	Bounds(ctx context.Context, partition, epoch int32) (channel.Bounds, error)
}

// Publisher is the channel log, for writing.
type Publisher interface {
	// Append returns once the broker has all records.
	Append(ctx context.Context, records []channel.Record) error
}
