package broker

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"hash/crc32"
	"io/fs"
	"os"
)

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
