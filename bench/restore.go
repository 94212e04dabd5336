package bench

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ebb-events/ebb"
	"github.com/ebb-events/ebb/kafka"
)

// Restored is how a service got its states back.
type Restored struct {
	Store     string
	Instances int
	Took      time.Duration // from the start of the process until all partitions are restored
	Peak      int64         // bytes resident, at most
	Resident  int64         // bytes resident, once that has settled
	Unknown   int           // commands afterwards that were not executed on the state there was
}

// restore fills the aggregate topic, and has a service with each store begin.
func (c Commands) restore(ctx context.Context, r *rig) (all []Restored, err error) {
	model, err := c.model(ctx, r)
	if err != nil {
		return nil, err
	}
	if err := c.fill(ctx, r, model); err != nil {
		return nil, fmt.Errorf("writing states: %w", err)
	}
	for i, store := range c.Stores {
		c.Progress(c.Name+": restoring, "+store, 0, 1)
		one := Restored{Store: store, Instances: c.States}
		begin := time.Now()
		if err := r.serve(ctx, store); err != nil {
			return nil, err
		}
		one.Took = time.Since(begin)
		c.Progress(c.Name+": restoring, "+store, 1, 1)
		if one.Resident, one.Peak, err = c.resident(ctx, r.service.cmd.Process.Pid); err != nil {
			return nil, err
		}
		if one.Unknown, err = c.goOn(ctx, r, i); err != nil {
			return nil, err
		}
		if err := r.halt(); err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, nil
}

// model has the service write a state after two commands, which those that are
// to be restored are copies of.
func (c Commands) model(ctx context.Context, r *rig) (model ebb.Record, err error) {
	if err := r.serve(ctx, "memory"); err != nil {
		return model, err
	}
	id := instanceID(c.States) // none of those
	note := "?"
	for i := range 2 {
		if err := r.client.Sender().Send(ctx, ServiceType, id, command(id, i, note)); err != nil {
			return model, err
		}
		if err := r.until(ctx, i+1, func(int) {}); err != nil {
			return model, err
		}
		err := r.client.Read(ctx, ServiceType, ebb.Aggregates, func(r ebb.Record) { model = r })
		if err != nil {
			return model, err
		}
		note = strings.Repeat("?", max(1, c.StateSize-len(model.Value)+1))
	}
	if len(model.Value) != c.StateSize {
		return model, fmt.Errorf("the service wrote a state of %d bytes, want %d: %s", len(model.Value), c.StateSize, model.Value)
	}
	return model, r.halt()
}

// fill puts copies of model on the aggregate topic in transactions, as the
// service does, each with an id and a note of its own.
func (c Commands) fill(ctx context.Context, r *rig, model ebb.Record) error {
	const batch = 5000
	writer := r.client.Commands(ServiceType, "loader")
	defer writer.Close()
	for joined := false; !joined; {
		b, err := writer.Poll(ctx)
		if err != nil {
			return err
		}
		joined = len(b.Assigned) > 0
	}
	note := bytes.Repeat([]byte("?"), bytes.Count(model.Value, []byte("?")))
	text := make([]byte, (len(note)+1)/2)
	var out []ebb.Record
	for i := range c.States {
		id := instanceID(i)
		copied := model
		copied.Partition, copied.Key = kafka.PartitionOf(id, partitions), []byte(id)
		copied.Value = bytes.Replace(model.Value, model.Key, copied.Key, 1)
		rand.Read(text)
		copied.Value = bytes.Replace(copied.Value, note, fmt.Appendf(nil, "%x", text)[:len(note)], 1)
		if out = append(out, copied); len(out) == batch || i == c.States-1 {
			if err := writer.Commit(ctx, out); err != nil {
				return err
			}
			c.Progress(c.Name+": writing states", i+1, c.States)
			out = out[:0]
		}
	}
	return nil
}

// goOn sends some commands, and counts those that were not executed on what
// was restored. One of two is a repeat.
func (c Commands) goOn(ctx context.Context, r *rig, round int) (unknown int, err error) {
	some := min(100, c.States)
	want := map[string]string{}
	for i := range some {
		id := instanceID(i * (c.States / some))
		n := 1 // a repeat of the model's last
		want[id] = "duplicate"
		if i%2 == 0 {
			n = 100 + round
			want[id] = "applied"
		}
		if err := r.client.Sender().Send(ctx, ServiceType, id, command(id, n, "x")); err != nil {
			return 0, err
		}
	}
	if err := r.until(ctx, len(want), func(int) {}); err != nil {
		return 0, err
	}
	last := map[string]output{}
	err = r.client.Read(ctx, ServiceType, ebb.Replies, func(r ebb.Record) {
		m := parseOutput(r.Value)
		last[m.ID] = m
	})
	for id, outcome := range want {
		seq := 1
		if outcome == "applied" {
			seq = 2 + round
		}
		if last[id].Outcome != outcome || last[id].Seq != seq {
			unknown++
		}
	}
	return unknown, err
}

// resident is what a process has in memory once that has settled, and what it
// had at most.
func (c Commands) resident(ctx context.Context, pid int) (now, peak int64, err error) {
	const step = 250 * time.Millisecond
	least, still := int64(0), time.Now()
	for begin := time.Now(); time.Since(begin) < c.Settle && time.Since(still) < 6*time.Second; {
		now, err1 := residentBytes(pid, "VmRSS")
		most, err2 := residentBytes(pid, "VmHWM")
		if err := errors.Join(err1, err2); err != nil {
			return 0, 0, err
		}
		peak = most
		if least == 0 || now < least-least/200 {
			least, still = now, time.Now()
		}
		select {
		case <-time.After(step):
		case <-ctx.Done():
			return 0, 0, ctx.Err()
		}
	}
	return least, peak, nil
}
