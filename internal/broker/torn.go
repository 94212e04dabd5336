package broker

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// kfake ends a transaction partition by partition, and says so in pids.log
// last. A death in between leaves it torn: ended here, open there, and kfake
// then takes what is open for aborted. So before kfake reads the directory, each
// open transaction gets the marker that it lacks: commit, if another partition
// has the commit marker of the same producer id and epoch, and abort if not.
//
// A producer id and epoch name one transaction with clients that end
// transactions with EndTxn 5 or later, for which kfake raises the epoch each
// time. Older clients use an epoch again and again: a commit marker may be of an
// earlier transaction. Nothing in the log tells which, so those epochs are
// written down before the first of their transactions ends (noteReuse), and what
// is open of them is aborted, which is what kfake does with all that is open.
//
// Abort has a marker too because kfake, at the next crash, would take a later
// transaction's marker for the end of this one, and commit it.

const (
	transactional = 0x10 // attributes of a batch
	control       = 0x20
	indexEntry    = 15 // bytes
)

var crc32c = crc32.MakeTable(crc32.Castagnoli)

// epochsFile lists producer ids and epochs that name more than one transaction.
// A directory without it was written before it was kept: any may be reused.
const epochsFile = "reused-epochs"

// A txn is a producer id and an epoch: one transaction, if its client is not old.
type txn struct {
	id    int64
	epoch int16
}

// noteReuse writes down which epochs clients use for more than one transaction.
func (b *Broker) noteReuse(dir string) {
	noted := map[txn]bool{}
	b.cluster.ControlKey(int16(kmsg.EndTxn), func(req kmsg.Request) (kmsg.Response, error, bool) {
		end := req.(*kmsg.EndTxnRequest)
		e := txn{end.ProducerID, end.ProducerEpoch}
		if end.Version >= 5 || noted[e] {
			return nil, nil, false
		}
		if err := appendFile(filepath.Join(dir, epochsFile), fmt.Appendf(nil, "%d %d\n", e.id, e.epoch)); err != nil {
			err = fmt.Errorf("broker: noting an epoch: %w", err)
			b.fail(err)
			return nil, err, true
		}
		noted[e] = true
		return nil, nil, false
	})
}

// reusedEpochs returns what noteReuse wrote, and false if it never ran here.
func reusedEpochs(dir string) (reused map[txn]bool, known bool, err error) {
	text, err := os.ReadFile(filepath.Join(dir, epochsFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, false, nil
	}
	reused = map[txn]bool{}
	for line := range strings.Lines(string(text)) {
		var e txn
		if _, err := fmt.Sscanf(line, "%d %d\n", &e.id, &e.epoch); err == nil {
			reused[e] = true
		}
	}
	return reused, true, err
}

// endTorn ends the transactions that a crash left open in dir, a data directory
// that kfake has not opened yet.
func endTorn(dir string, log *slog.Logger) error {
	reused, known, err := reusedEpochs(dir)
	if err == nil {
		err = endOpen(filepath.Join(dir, "broker"), func(t txn) bool { return known && !reused[t] }, log)
	}
	if err == nil && !known {
		err = appendFile(filepath.Join(dir, epochsFile), nil)
	}
	if err != nil {
		return fmt.Errorf("data directory %s: ending transactions: %w", dir, err)
	}
	return nil
}

// endOpen ends what is open in kfake's directory. once tells which txn is one
// transaction.
func endOpen(dir string, once func(txn) bool, log *slog.Logger) error {
	if _, err := os.Stat(filepath.Join(dir, "session_state.json")); !errors.Is(err, fs.ErrNotExist) {
		return err // nil after a clean shutdown: kfake carries on with what is open
	}
	entries, err := os.ReadDir(filepath.Join(dir, "partitions"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	var dirs []string
	for _, e := range entries {
		dirs = append(dirs, filepath.Join(dir, "partitions", e.Name()))
	}
	if !slices.ContainsFunc(dirs, written) {
		return nil
	}
	pids, err := readPIDs(filepath.Join(dir, "pids.log"))
	if err != nil {
		return err
	}
	var parts []*part
	committed := map[txn]bool{}
	last := map[int64]ending{} // by producer id
	for _, d := range dirs {
		p := &part{dir: d, open: map[int64][]int16{}}
		err := p.read(func(e ending) {
			committed[e.txn] = committed[e.txn] || e.commit
			if was, ok := last[e.id]; !ok || e.epoch >= was.epoch {
				last[e.id] = e
			}
		})
		if err != nil {
			return err
		}
		parts = append(parts, p)
	}

	// What a producer has open is one transaction: its last.
	open := map[int64]ending{}
	for _, p := range parts {
		for id, epochs := range p.open {
			e, seen := open[id]
			if !seen {
				e = ending{txn{id, epochs[0]}, true}
			}
			for _, n := range epochs {
				e.commit = e.commit && n == e.epoch // two epochs are two transactions: one was never ended
				e.epoch = max(e.epoch, n)
			}
			open[id] = e
		}
	}
	for id, e := range open {
		e.commit = e.commit && committed[e.txn] && once(e.txn) && pids.epochs[id] <= e.epoch
		open[id] = e
	}

	// An abort is told to the producer first, so that it cannot go on with the
	// rest of its transaction; a commit when it is one.
	for id, e := range open {
		if !e.commit {
			if err := pids.ended(e); err != nil {
				return err
			}
		}
		delete(last, id)
	}
	commits, aborts := 0, 0
	for _, p := range parts {
		for id := range p.open {
			if err := p.end(open[id]); err != nil {
				return err
			}
		}
	}
	for _, e := range open {
		if !e.commit {
			aborts++
			continue
		}
		commits++
		last[e.id] = e
	}
	for _, e := range last { // ended, but perhaps its producer's epoch was not raised any more
		if once(e.txn) {
			if err := pids.ended(e); err != nil {
				return err
			}
		}
	}
	if len(open) > 0 {
		log.Info("ended transactions that a crash left open", "committed", commits, "aborted", aborts)
	}
	return nil
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

// pids is pids.log, where kfake keeps producers.
type pids struct {
	file   string
	size   int64           // as far as it is whole
	epochs map[int64]int16 // by producer id
}

type pidEntry struct {
	Type   string `json:"type"`
	PID    int64  `json:"pid"`
	Epoch  int16  `json:"epoch"`
	Commit bool   `json:"commit"`
}

func readPIDs(file string) (*pids, error) {
	p := &pids{file: file, epochs: map[int64]int16{}}
	raw, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for len(raw) >= 10 { // length, CRC, version
		end := 8 + int64(binary.LittleEndian.Uint32(raw))
		if end < 10 || end > int64(len(raw)) || crc32.Checksum(raw[8:end], crc32c) != binary.LittleEndian.Uint32(raw[4:]) {
			break
		}
		var e pidEntry
		if json.Unmarshal(raw[10:end], &e) == nil {
			p.epochs[e.PID] = e.Epoch
		}
		p.size, raw = p.size+end, raw[end:]
	}
	return p, nil
}

// ended raises a producer's epoch past the transaction that ended, as kfake does
// after an EndTxn. A producer that kfake has forgotten stays so.
func (p *pids) ended(e ending) error {
	if now, ok := p.epochs[e.id]; !ok || now > e.epoch {
		return nil
	}
	data, err := json.Marshal(pidEntry{"endtx", e.id, e.epoch + 1, e.commit})
	if err != nil {
		return err
	}
	raw := make([]byte, 10, 10+len(data))
	binary.LittleEndian.PutUint32(raw, uint32(2+len(data)))
	binary.LittleEndian.PutUint16(raw[8:], 1)
	raw = append(raw, data...)
	binary.LittleEndian.PutUint32(raw[4:], crc32.Checksum(raw[8:], crc32c))
	if err := writeAt(p.file, p.size, raw); err != nil {
		return err
	}
	p.size += int64(len(raw))
	p.epochs[e.id] = e.epoch + 1
	return nil
}

// writeAt makes data the end of a file, from an offset on.
func writeAt(file string, at int64, data []byte) error {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	err = f.Truncate(at)
	if err == nil {
		_, err = f.WriteAt(data, at)
	}
	return errors.Join(err, f.Sync(), f.Close())
}

// appendFile appends to a file, which it makes if there is none.
func appendFile(file string, data []byte) error {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Sync(), f.Close())
}
