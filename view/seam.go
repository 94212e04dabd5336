package view

import (
	"context"

	"github.com/ebb-events/ebb"
)

// Source is the aggregate topics, for reading.
type Source interface {
	// Follow hands over all committed states of all types, then every new one,
	// oldest first within a partition, until ctx ends. positions says how far
	// the partitions have been read, markers of transactions included. Only
	// one call of handle runs at a time. It returns an error when a log was
	// cut or made anew, so that what was read no longer holds.
	Follow(ctx context.Context, handle func(records []ebb.Record, positions []ebb.Position)) error

	// Ends returns the high watermarks of a type's aggregate topic, or
	// [ebb.ErrUnknownType].
	Ends(ctx context.Context, typ string) ([]ebb.Position, error)
}
