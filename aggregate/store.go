package aggregate

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/ebb-events/ebb"
)

// Headers of a state record.
const (
	headerPartitions = "ebb-partitions"
	headerOutcomes   = "ebb-outcomes"
)

// store holds the instances of the assigned partitions by id.
type store map[int32]map[string]instance

// instance is what a state record holds. Its bytes are never altered.
type instance struct {
	state    []byte // nil if there is no record
	outcomes outcomes
}

// message returns the state, or what stands for none.
func (i instance) message(typ, id string) (ebb.Message, error) {
	if i.state != nil {
		return ebb.ParseMessage(i.state)
	}
	m := ebb.Message{}
	m.Set(ebb.FieldID, id)
	m.Set(ebb.FieldType, typ)
	m.Set(ebb.FieldSeq, -1)
	m.Set(ebb.FieldDeleted, true)
	return m, nil
}

// record returns the state record of an instance.
func (s *service) record(partition int32, id string, i instance) ebb.Record {
	r := s.output(ebb.Aggregates, partition, id, i.state)
	r.Headers = []ebb.Header{
		{Key: headerPartitions, Value: strconv.AppendInt(nil, int64(s.of), 10)},
		{Key: headerOutcomes, Value: i.outcomes},
	}
	return r
}

func (s *service) output(p ebb.Purpose, partition int32, id string, value []byte) ebb.Record {
	return ebb.Record{
		Topic:     ebb.Topic(s.typ, p, s.Environment),
		Partition: partition,
		Key:       []byte(id),
		Value:     value,
	}
}

// stateError is a stored state that this service must not go on from.
type stateError string

func (e stateError) Error() string { return string(e) }

// restore reads a partition's instances into memory.
func (s *service) restore(ctx context.Context, partition int32) error {
	start := time.Now()
	instances := map[string]instance{}
	written := ""
	of, err := s.log.Restore(ctx, partition, func(r ebb.Record) {
		id := strings.ToLower(string(r.Key))
		if r.Value == nil {
			delete(instances, id)
			return
		}
		// Copies, for r keeps a whole fetch in memory.
		instances[id] = instance{bytes.Clone(r.Value), outcomes(r.Header(headerOutcomes)).intact()}
		if n := r.Header(headerPartitions); n != nil && written == "" {
			written = string(n)
		}
	})
	if err != nil {
		return fmt.Errorf("restoring partition %d: %w", partition, err)
	}
	if written == "" && s.of != 0 {
		written = strconv.Itoa(int(s.of))
	}
	if written != "" && written != strconv.Itoa(int(of)) {
		return stateError(fmt.Sprintf("aggregate: %s has %d partitions but its state was written for %s: instances would no longer be found", s.typ, of, written))
	}
	s.of = of
	s.states[partition] = instances
	s.Metrics.Restored(len(instances), time.Since(start))
	return nil
}
