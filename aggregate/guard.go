package aggregate

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"
)

// guard runs what a user wrote until its deadline. Then it is left alone, for
// nothing can end it; abandoned counts that.
func guard[R any](ctx context.Context, limit time.Duration, abandoned func(int), f func(context.Context) (R, error)) (R, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	type result struct {
		value R
		err   error
	}
	done := make(chan result, 1)
	go func() {
		r := result{err: errors.New("it ended its goroutine")}
		defer func() {
			if p := recover(); p != nil {
				r.err = &panicked{p, debug.Stack()}
			}
			done <- r
		}()
		r.value, r.err = f(ctx)
	}()
	select {
	case r := <-done:
		return r.value, r.err
	case <-ctx.Done():
	}
	abandoned(+1)
	go func() {
		<-done
		abandoned(-1)
	}()
	var none R
	return none, ctx.Err()
}

// panicked is the error of a reducer or a reaction that did.
type panicked struct {
	value any
	stack []byte
}

func (p *panicked) Error() string { return fmt.Sprintf("panic: %v\n%s", p.value, p.stack) }
