package bench

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ebb-events/ebb"
)

// Executed is how a service executed many commands.
type Executed struct {
	Commands int
	Took     time.Duration
	Service  time.Duration // of the processors
	Broker   time.Duration // of the processors; 0 of a broker that is not ours
	Wrong    Tally
	Said     string // by the service, if something is wrong
}

// Rate is commands a second.
func (e *Executed) Rate() float64 { return float64(e.Commands) / e.Took.Seconds() }

// waiting measures how commands are executed that were there before the
// service was.
func (c Commands) waiting(ctx context.Context, r *rig) (*Executed, error) {
	if err := c.send(ctx, r); err != nil {
		return nil, err
	}
	e := &Executed{Commands: c.Load}
	_, before, err := r.cpu()
	if err != nil {
		return nil, err
	}
	begin := time.Now()
	if err := r.serve(ctx, "memory"); err != nil {
		return nil, err
	}
	if err := r.until(ctx, c.Load, func(done int) { c.Progress(c.Name+": executing", done, c.Load) }); err != nil {
		return nil, err
	}
	e.Took = time.Since(begin)
	if e.Service, e.Broker, err = r.cpu(); err != nil {
		return nil, err
	}
	e.Broker -= before
	return e, c.audit(ctx, r, e)
}

// arriving measures how commands are executed while they come in.
func (c Commands) arriving(ctx context.Context, r *rig) (*Executed, error) {
	if err := r.serve(ctx, "memory"); err != nil {
		return nil, err
	}
	e := &Executed{Commands: c.Load}
	served, before, err := r.cpu()
	if err != nil {
		return nil, err
	}
	begin := time.Now()
	if err := c.send(ctx, r); err != nil {
		return nil, err
	}
	if err := r.until(ctx, c.Load, func(int) {}); err != nil {
		return nil, err
	}
	e.Took = time.Since(begin)
	if e.Service, e.Broker, err = r.cpu(); err != nil {
		return nil, err
	}
	e.Service, e.Broker = e.Service-served, e.Broker-before
	return e, c.audit(ctx, r, e)
}

// send puts the load on the command topic, as fast as the broker takes it.
func (c Commands) send(ctx context.Context, r *rig) error {
	const hands = 512 // commands under way
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	sender := r.client.Sender()
	var next atomic.Int64
	var all sync.WaitGroup
	for hand := range hands {
		all.Go(func() {
			for i := int(next.Add(1)) - 1; i < c.Load && ctx.Err() == nil; i = int(next.Add(1)) - 1 {
				id := instanceID(i % c.Instances)
				if err := sender.Send(ctx, ServiceType, id, command(id, i, "")); err != nil {
					stop(fmt.Errorf("sending: %w", err))
				}
				if hand == 0 { // one hand tells for all
					c.Progress(c.Name+": sending", i, c.Load)
				}
			}
		})
	}
	all.Wait()
	c.Progress(c.Name+": sending", c.Load, c.Load)
	return context.Cause(ctx)
}

// instanceID names the i-th instance.
func instanceID(i int) string {
	return fmt.Sprintf("%08x-eb4b-4000-8000-%012x", i*2654435761&0xffffffff, i)
}

// command is the i-th of all, as a gateway puts it on the topic.
func command(id string, i int, note string) []byte {
	b := fmt.Appendf(nil, `{"_command":"add","_corr":"%d","_id":"%s","_jwt":{"roles":["clerk"],"sub":"user%05d"},"_timestamp":%d,"_type":"%s","by":1`,
		i, id, i%1000, time.Now().UnixMilli(), ServiceType)
	if note != "" {
		b = fmt.Appendf(b, `,"note":"%s"`, note)
	}
	return append(b, '}')
}

// audit reads what the service wrote.
func (c Commands) audit(ctx context.Context, r *rig, e *Executed) error {
	a := newAudit(c.Load)
	for _, topic := range []struct {
		of   ebb.Purpose
		take func(output)
	}{{ebb.Replies, a.reply}, {ebb.Events, a.event}, {ebb.Aggregates, a.state}} {
		err := r.client.Read(ctx, ServiceType, topic.of, func(r ebb.Record) { topic.take(parseOutput(r.Value)) })
		if err != nil {
			return err
		}
	}
	if e.Wrong = a.tally(); e.Wrong != (Tally{}) {
		e.Said = r.service.log.troubles()
	}
	return nil
}
