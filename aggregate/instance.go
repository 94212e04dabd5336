package aggregate

import (
	"encoding/binary"
	"errors"
	"strconv"

	"github.com/ebb-events/ebb"
)

// Headers of a state record.
const (
	headerPartitions = "ebb-partitions"
	headerOutcomes   = "ebb-outcomes"
)

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

// pack is an instance as the store has it: outcomes behind their length, and
// the state.
func (i instance) pack() []byte {
	b := make([]byte, 0, binary.MaxVarintLen32+len(i.outcomes)+len(i.state))
	b = binary.AppendUvarint(b, uint64(len(i.outcomes)))
	b = append(b, i.outcomes...)
	return append(b, i.state...)
}

// unpack reads what pack made, which is not copied. nil is none.
func unpack(b []byte) (instance, error) {
	if b == nil {
		return instance{}, nil
	}
	size, n := binary.Uvarint(b)
	if n <= 0 || size > uint64(len(b)-n) {
		return instance{}, errors.New("an instance is damaged")
	}
	end := n + int(size)
	return instance{state: b[end:len(b):len(b)], outcomes: outcomes(b[n:end:end])}, nil
}
