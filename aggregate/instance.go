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
	headerUnique     = "ebb-unique"
)

// instance is what a state record holds. Its bytes are never altered.
type instance struct {
	id       string // empty where it is the key
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

// record returns the state record of a lane's instance. at says how far the
// partition's commands are done, nil if that is not known.
func (s *service) record(l *lane, at []byte) ebb.Record {
	r := s.output(ebb.Aggregates, l.partition, l.id, l.now.state)
	r.Headers = append(make([]ebb.Header, 0, 4),
		ebb.Header{Key: headerPartitions, Value: strconv.AppendInt(nil, int64(s.of), 10)},
		ebb.Header{Key: headerOutcomes, Value: l.now.outcomes},
	)
	if s.unique {
		r.Headers = append(r.Headers, ebb.Header{Key: headerUnique, Value: []byte(l.key)})
	}
	if at != nil {
		r.Headers = append(r.Headers, ebb.Header{Key: ebb.HeaderAt, Value: at})
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

// pack is an instance as the store has it: id and outcomes behind their
// lengths, and the state.
func (i instance) pack() []byte {
	b := make([]byte, 0, 2*binary.MaxVarintLen16+len(i.id)+len(i.outcomes)+len(i.state))
	b = binary.AppendUvarint(b, uint64(len(i.id)))
	b = append(b, i.id...)
	b = binary.AppendUvarint(b, uint64(len(i.outcomes)))
	b = append(b, i.outcomes...)
	return append(b, i.state...)
}

// unpack reads what pack made, which is not copied. nil is none.
func unpack(b []byte) (instance, error) {
	if b == nil {
		return instance{}, nil
	}
	id, b, ok1 := cut(b)
	outcomes, b, ok2 := cut(b)
	if !ok1 || !ok2 {
		return instance{}, errors.New("an instance is damaged")
	}
	return instance{string(id), b, outcomes}, nil
}

// cut takes what stands behind its length off b.
func cut(b []byte) (part, rest []byte, ok bool) {
	size, n := binary.Uvarint(b)
	if n <= 0 || size > uint64(len(b)-n) {
		return nil, nil, false
	}
	end := n + int(size)
	return b[n:end:end], b[end:len(b):len(b)], true
}
