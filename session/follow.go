package session

import (
	"context"
	"math/rand/v2"
	"time"
)

// Source is the topic, for reading.
type Source interface {
	// Follow hands over all of the topic, then everything new, until ctx ends.
	// It begins with one batch, maybe without entries. One call of handle runs at
	// a time. It returns an error when the topic was cut or made anew.
	Follow(ctx context.Context, handle func(Batch)) error
}

// Follow hands over the topic until ctx ends, from its beginning again whenever
// that fails; trouble is told why.
func Follow(ctx context.Context, from Source, handle func(Batch), trouble func(error)) {
	for pause := time.Second; ; pause = min(2*pause, 10*time.Second) {
		began := time.Now()
		err := from.Follow(ctx, handle)
		if ctx.Err() != nil {
			return
		}
		if time.Since(began) > time.Minute {
			pause = time.Second
		}
		trouble(err)
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause/2 + rand.N(pause/2)):
		}
	}
}
