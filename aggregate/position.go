package aggregate

import (
	"encoding/base64"
	"slices"
	"strconv"
	"strings"

	"github.com/ebb-events/ebb"
)

// position is that of a command on its topic: how far a partition's commands
// are done. The state topic has it, beside what was done, so the group's
// offsets are only a hint: they may be lost, or put back.
type position struct {
	topic     [16]byte // the topic's id; made anew it has another
	partition int32
	epoch     int32 // of the leader: a log that lost its end and grew again has a higher one
	offset    int64
}

// positionOf returns a record's. Without an id of its topic, or an epoch, it
// is none: nobody could tell the record from one that took its place.
func positionOf(r ebb.Record) (p position, ok bool) {
	p = position{r.TopicID, r.Partition, r.LeaderEpoch, r.Offset}
	return p, p.topic != [16]byte{} && p.epoch >= 0
}

// beyond tells whether what is at p came after what is at q.
func (p position) beyond(q position) bool {
	return p.topic != q.topic || p.epoch > q.epoch || p.offset > q.offset
}

// text is p as [ebb.HeaderAt] has it: the topic's id as Kafka's tools print it,
// the partition, the epoch and the offset, with dots between.
func (p position) text() []byte {
	b := make([]byte, 0, 48)
	b = base64.RawURLEncoding.AppendEncode(b, p.topic[:])
	b = strconv.AppendInt(append(b, '.'), int64(p.partition), 10)
	b = strconv.AppendInt(append(b, '.'), int64(p.epoch), 10)
	return strconv.AppendInt(append(b, '.'), p.offset, 10)
}

// parsePosition reads what text wrote. What is damaged is none.
func parsePosition(b []byte) (p position, ok bool) {
	parts := strings.Split(string(b), ".")
	if len(parts) != 4 || len(parts[0]) != base64.RawURLEncoding.EncodedLen(len(p.topic)) {
		return position{}, false
	}
	n, err := base64.RawURLEncoding.Decode(p.topic[:], []byte(parts[0]))
	partition, err1 := strconv.ParseUint(parts[1], 10, 31)
	epoch, err2 := strconv.ParseUint(parts[2], 10, 31)
	offset, err3 := strconv.ParseUint(parts[3], 10, 63)
	if n != len(p.topic) || err != nil || err1 != nil || err2 != nil || err3 != nil {
		return position{}, false
	}
	return position{p.topic, int32(partition), int32(epoch), int64(offset)}, true
}

// reached returns how far a batch comes in each of its partitions, dead letters
// included. One whose last record has no position is left out.
func reached(records []ebb.Record) map[int32]position {
	last := map[int32]position{}
	for i, r := range records {
		if i+1 < len(records) && records[i+1].Partition == r.Partition {
			continue
		}
		if p, ok := positionOf(r); ok {
			last[r.Partition] = p
		} else {
			delete(last, r.Partition)
		}
	}
	return last
}

// isDone tells whether a command was executed before. Its partition is held.
func (s *service) isDone(r ebb.Record) bool {
	done, known := s.done[r.Partition]
	p, ok := positionOf(r)
	return known && ok && !p.beyond(done)
}

// leaveOut returns records without those that are done, and says so once for
// an assignment.
func (s *service) leaveOut(records []ebb.Record) []ebb.Record {
	if !slices.ContainsFunc(records, s.isDone) {
		return records
	}
	return slices.DeleteFunc(slices.Clone(records), func(r ebb.Record) bool {
		if !s.isDone(r) {
			return false
		}
		if !s.told[r.Partition] {
			s.told[r.Partition] = true
			s.Logger.Warn("the group's offsets were lost or went back: commands that are done already are left out",
				"topic", r.Topic, "partition", r.Partition, "from", r.Offset, "to", s.done[r.Partition].offset+1)
		}
		return true
	})
}

// appendStates appends the state records of a batch that comes so far to out:
// those of the instances that changed. Where only repeats were answered, one is
// written again for the position. Where there are only dead letters there may
// be no instance, and nothing is written: at worst they are put aside again.
func (s *service) appendStates(out []ebb.Record, lanes []*lane, far map[int32]position) []ebb.Record {
	texts := make(map[int32][]byte, len(far))
	for partition, p := range far {
		texts[partition] = p.text()
	}
	left := map[int32]bool{}
	for _, l := range lanes {
		if l.changed() {
			out = append(out, s.record(l, texts[l.partition]))
			left[l.partition] = true
		}
	}
	for _, l := range lanes {
		if at := texts[l.partition]; at != nil && !left[l.partition] && l.now.state != nil {
			out = append(out, s.record(l, at))
			left[l.partition] = true
		}
	}
	return out
}
