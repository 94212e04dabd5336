package aggregate

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"

	"github.com/ebb-events/ebb"
)

// outcomes are those of an instance's last commands, oldest first, as they
// stand in the header of its state record: for each the key of its command (16
// bytes), its place in codes (a byte), and its errors behind their length (a
// uvarint). It is never altered, only made anew.
type outcomes []byte

const maxOutcomes = 64

// codes are what the header calls outcomes. Add at the end only.
var codes = []ebb.Outcome{ebb.Applied, ebb.Unchanged, ebb.Rejected, ebb.Stale, ebb.Unknown, ebb.Forbidden, ebb.Failed}

// key identifies a command among those of an instance: by its sender, name and
// _corr, and by its cause if it has one.
type key [16]byte

func (c Command) key() key {
	var b []byte
	parts := []string{c.User.Name, c.Name, c.Corr}
	if c.Cause != "" {
		parts = append(parts, c.Cause)
	}
	for _, part := range parts {
		b = binary.AppendUvarint(b, uint64(len(part)))
		b = append(b, part...)
	}
	sum := sha256.Sum256(b)
	return key(sum[:])
}

// first reads the oldest. ok is false at the end, and where o is damaged.
func (o outcomes) first() (k key, how refusal, rest outcomes, ok bool) {
	head := len(k) + 1
	if len(o) <= head || int(o[len(k)]) >= len(codes) {
		return k, how, nil, false
	}
	size, n := binary.Uvarint(o[head:])
	if n <= 0 || size > maxErrors || head+n+int(size) > len(o) {
		return k, how, nil, false
	}
	end := head + n + int(size)
	return key(o[:len(k)]), refusal{outcome: codes[o[len(k)]], errors: []byte(o[head+n : end])}, o[end:], true
}

// intact returns o up to where it is damaged.
func (o outcomes) intact() outcomes {
	rest := o
	for _, _, next, ok := rest.first(); ok; _, _, next, ok = rest.first() {
		rest = next
	}
	return o[:len(o)-len(rest)]
}

// find returns how the command with key k went, if it is still known.
func (o outcomes) find(k key) (how refusal, ok bool) {
	for {
		one, how, rest, ok := o.first()
		if !ok || one == k {
			return how, ok
		}
		o = rest
	}
}

// add returns o with one more at its end, without the oldest if it is full.
func (o outcomes) add(k key, how refusal) outcomes {
	n := 0
	for _, _, rest, ok := o.first(); ok; _, _, rest, ok = rest.first() {
		n++
	}
	if n >= maxOutcomes {
		_, _, o, _ = o.first()
	}
	b := append(slices.Clone(o), k[:]...)
	b = append(b, byte(slices.Index(codes, how.outcome)))
	b = binary.AppendUvarint(b, uint64(len(how.errors)))
	return append(b, how.errors...)
}
