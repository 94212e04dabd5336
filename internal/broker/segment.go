package broker

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	transactional = 0x10 // attributes of a batch
	control       = 0x20
	indexEntry    = 15 // bytes
)

var crc32c = crc32.MakeTable(crc32.Castagnoli)

// segments returns the base offsets of a partition's segments.
func segments(dir string) (bases []int64, err error) {
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		if name, ok := strings.CutSuffix(e.Name(), ".dat"); ok {
			if base, err := strconv.ParseInt(name, 10, 64); err == nil {
				bases = append(bases, base)
			}
		}
	}
	slices.Sort(bases)
	return bases, err
}

func segment(dir string, base int64, ext string) string {
	return filepath.Join(dir, strconv.FormatInt(base, 10)+ext)
}

// An ending is a transaction's marker.
type ending struct {
	txn
	commit bool
}

// A part is a partition: what is open in it, and where its log ends.
type part struct {
	dir     string
	open    map[int64][]int16 // epochs by producer id
	base    int64             // of the last segment
	size    int64             // of it, as far as it is whole
	batches int64             // in it
	next    int64             // offset
	leader  int32             // epoch of the last batch
}

// read reads the segments as kfake does, up to the first broken batch of each.
func (p *part) read(ended func(ending)) error {
	bases, err := segments(p.dir)
	if err != nil {
		return err
	}
	for _, base := range bases {
		raw, err := os.ReadFile(segment(p.dir, base, ".dat"))
		if err != nil {
			return err
		}
		var index []byte
		p.base, p.size, p.batches = base, 0, 0
		for {
			b, size := readBatch(raw[p.size:])
			if b == nil {
				break
			}
			p.size, p.batches = p.size+size, p.batches+1
			p.next, p.leader = b.FirstOffset+int64(b.LastOffsetDelta)+1, b.PartitionLeaderEpoch
			index = append(index, indexOf(b)...)
			switch {
			case b.Attributes&control != 0:
				delete(p.open, b.ProducerID)
				ended(ending{txn{b.ProducerID, b.ProducerEpoch}, isCommit(b)})
			case b.Attributes&transactional != 0 && !slices.Contains(p.open[b.ProducerID], b.ProducerEpoch):
				p.open[b.ProducerID] = append(p.open[b.ProducerID], b.ProducerEpoch)
			}
		}
		if err := fillIndex(segment(p.dir, base, ".idx"), index); err != nil {
			return err
		}
	}
	return nil
}

// readBatch returns the batch at the start of raw, nil if it is not whole.
func readBatch(raw []byte) (b *kmsg.RecordBatch, size int64) {
	if len(raw) < 61 {
		return nil, 0
	}
	size = 12 + int64(binary.BigEndian.Uint32(raw[8:]))
	if size < 61 || size > int64(len(raw)) || crc32.Checksum(raw[21:size], crc32c) != binary.BigEndian.Uint32(raw[17:]) {
		return nil, 0
	}
	b = new(kmsg.RecordBatch)
	if b.ReadFrom(raw[:size]) != nil {
		return nil, 0
	}
	return b, size
}

func isCommit(b *kmsg.RecordBatch) bool {
	var r kmsg.Record
	var key kmsg.ControlRecordKey
	return r.ReadFrom(b.Records) == nil && key.ReadFrom(r.Key) == nil && key.Type == kmsg.ControlRecordKeyTypeCommit
}

// indexOf returns the entry that kfake has for a batch in a segment's index.
// kfake writes a timestamp there and does not read it.
func indexOf(b *kmsg.RecordBatch) []byte {
	e := make([]byte, indexEntry)
	e[0] = 1
	binary.LittleEndian.PutUint32(e[2:], uint32(b.PartitionLeaderEpoch))
	binary.LittleEndian.PutUint64(e[6:], uint64(b.MaxTimestamp))
	if b.Attributes&transactional != 0 && b.Attributes&control == 0 {
		e[14] = 1
	}
	e[1] = byte(crc32.Checksum(e[2:], crc32c))
	return e
}

// fillIndex appends the entries that a death between a batch and its entry left
// out: kfake would take the batch for committed.
func fillIndex(file string, want []byte) error {
	info, err := os.Stat(file)
	have := 0
	switch {
	case err == nil:
		have = int(info.Size()) / indexEntry * indexEntry
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	if have >= len(want) {
		return nil // kfake cuts what is too much
	}
	return writeAt(file, int64(have), want[have:])
}

// end appends a transaction's marker.
func (p *part) end(e ending) error {
	b := marker(e, p.next, p.leader)
	raw := b.AppendTo(nil)
	if err := writeAt(segment(p.dir, p.base, ".dat"), p.size, raw); err != nil {
		return err
	}
	if err := writeAt(segment(p.dir, p.base, ".idx"), p.batches*indexEntry, indexOf(b)); err != nil {
		return err
	}
	p.size, p.batches, p.next = p.size+int64(len(raw)), p.batches+1, p.next+1
	return nil
}

// marker is the batch that kfake writes at the end of a transaction.
func marker(e ending, offset int64, leader int32) *kmsg.RecordBatch {
	key := kmsg.ControlRecordKey{Type: kmsg.ControlRecordKeyTypeAbort}
	if e.commit {
		key.Type = kmsg.ControlRecordKeyTypeCommit
	}
	r := kmsg.Record{Key: key.AppendTo(nil), Value: new(kmsg.EndTxnMarker).AppendTo(nil)}
	r.Length = int32(len(r.AppendTo(nil)) - 1) // one byte says it
	now := time.Now().UnixMilli()
	b := &kmsg.RecordBatch{
		FirstOffset:          offset,
		PartitionLeaderEpoch: leader,
		Magic:                2,
		Attributes:           control | transactional,
		FirstTimestamp:       now,
		MaxTimestamp:         now,
		ProducerID:           e.id,
		ProducerEpoch:        e.epoch,
		FirstSequence:        -1,
		NumRecords:           1,
		Records:              r.AppendTo(nil),
	}
	raw := b.AppendTo(nil)
	b.Length = int32(len(raw) - 12)
	b.CRC = int32(crc32.Checksum(raw[21:], crc32c))
	return b
}

// written tells whether a partition was written since kfake's last clean
// shutdown, or has something open that the shutdown did not hand over.
func written(dir string) bool {
	var snap struct {
		End      int64 `json:"high_watermark"`
		Stable   int64 `json:"last_stable_offset"`
		Segments []struct {
			Base int64 `json:"base_offset"`
			Size int64 `json:"size"`
		} `json:"segments"`
	}
	bases, err := segments(dir)
	if err != nil || len(bases) == 0 {
		return err != nil
	}
	text, err := os.ReadFile(filepath.Join(dir, "snapshot.json"))
	if err != nil || json.Unmarshal(text, &snap) != nil || len(snap.Segments) != len(bases) || snap.Stable != snap.End {
		return true
	}
	for i, s := range snap.Segments {
		info, err := os.Stat(segment(dir, bases[i], ".dat"))
		if err != nil || s.Base != bases[i] || s.Size != info.Size() {
			return true
		}
	}
	return false
}
