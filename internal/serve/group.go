package serve

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
)

// Part is something that runs until its context ends.
type Part struct {
	Name string
	Run  func(ctx context.Context) error
}

// Run runs all parts until one ends, in whatever way, or ctx does. Then it
// stops them level by level: the second when the first has ended, so that
// servers can drain while what they stand on still runs. It waits for all and
// returns the first error, which names its part.
func Run(ctx context.Context, levels ...[]Part) error {
	ctx, end := context.WithCancel(ctx)
	defer end()

	var once sync.Once
	var first error
	stops := make([]func(), len(levels))
	for i, parts := range levels {
		level, cancel := context.WithCancel(context.WithoutCancel(ctx))
		var running sync.WaitGroup
		for _, p := range parts {
			running.Go(func() {
				defer end()
				if err := p.run(level); err != nil {
					once.Do(func() { first = err })
				}
			})
		}
		stops[i] = func() { cancel(); running.Wait() }
	}
	<-ctx.Done()
	for _, stop := range stops {
		stop()
	}
	return first
}

func (p Part) run(ctx context.Context) error {
	err := p.Run(ctx)
	switch {
	case err == nil, ctx.Err() != nil && errors.Is(err, context.Canceled):
		return nil
	case strings.HasPrefix(err.Error(), p.Name+":"):
		return err // its package is called so, too
	}
	return fmt.Errorf("%s: %w", p.Name, err)
}

// UntilSignal returns a context that ends with ctx, with the first SIGINT or
// SIGTERM, or with stop. The next signal ends the process at once.
func UntilSignal(ctx context.Context) (until context.Context, stop context.CancelFunc) {
	until, stop = context.WithCancel(ctx)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		select {
		case <-signals:
		case <-until.Done():
		}
		signal.Stop(signals) // from now on they do what they do without us
		stop()
	}()
	return until, stop
}
