package ebb

import "errors"

// What a sender of commands must be able to tell apart.
var (
	ErrUnknownType = errors.New("ebb: no such type")
	ErrTooLarge    = errors.New("ebb: record too large")
)

// Position is a place in a partition: the offset that comes next.
type Position struct {
	Topic     string
	Partition int32
	Offset    int64
}

// Batch is what a member of a consumer group gets at a time. Act on Revoked,
// then on Assigned, then on Gaps, then on Records.
type Batch struct {
	Revoked  []Position // partitions that are another member's now
	Assigned []Position // partitions that are this member's from now on
	Gaps     []Gap      // records that nobody will see
	Records  []Record   // in order within each partition
}

// Gap says that a group cannot read on where it stopped, because the records
// from From on, up to and without To, are gone.
type Gap struct {
	Topic     string
	Partition int32
	From, To  int64
}
