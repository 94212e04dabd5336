package bench

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/ebb-events/ebb"
)

// replies measures the time from when a command is due until its reply is
// read. Commands are due at fixed times, as for [Latency].
func (c Commands) replies(ctx context.Context, r *rig) (*Taken, error) {
	if err := r.serve(ctx, "memory"); err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancelCause(ctx)
	var listening, sending sync.WaitGroup
	defer listening.Wait()
	defer stop(nil)
	book := newBook()
	listening.Go(func() {
		err := r.client.Follow(ctx, ServiceType, ebb.Replies, func(r ebb.Record) { book.arrived(parseOutput(r.Value).Corr) })
		stop(errors.Join(err, ctx.Err()))
	})
	sender := r.client.Sender()
	begin := time.Now()
	every := time.Second / time.Duration(c.Rate)
	warm, all := int(c.Warmup/every), int((c.Warmup+c.Time)/every)
	for i := 0; i < all && ctx.Err() == nil; i++ {
		c.Progress(c.Name+": to the reply", i, all)
		due := begin.Add(time.Duration(i) * every)
		sleepUntil(ctx, due)
		book.expect(strconv.Itoa(i), due, i >= warm)
		sending.Go(func() {
			id := instanceID(i % c.Instances)
			if err := sender.Send(ctx, ServiceType, id, command(id, i, "")); err != nil {
				stop(fmt.Errorf("sending: %w", err))
			}
			book.accepted(strconv.Itoa(i))
		})
	}
	c.Progress(c.Name+": to the reply", all, all)
	sending.Wait()
	book.wait(ctx, patience)
	taken := book.taken()
	return &taken, context.Cause(ctx)
}
