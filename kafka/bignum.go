package kafka

import (
	"encoding/binary"
	"math/big"

	"github.com/fxamacker/cbor/v2"
)

// Java's Jackson 2 has a way of its own with big integers, and the family
// writes every whole number as one. Where CBOR's standard has -1-n for a
// negative number, Jackson has -n; and it takes a first bit that is set for a
// sign.

// jackson returns an integer as Jackson reads it: in the short form, which is
// the standard's, wherever it fits.
func jackson(n *big.Int) any {
	if n.BitLen() <= 63 {
		return n.Int64()
	}
	if n.IsUint64() {
		return n.Uint64()
	}
	tag := cbor.Tag{Number: 2, Content: append([]byte{0}, n.Bytes()...)} // the magnitude
	if n.Sign() < 0 {
		tag.Number = 3
	}
	return tag
}

// asStandard rewrites Jackson's negative big integers in place. What is not
// well-formed it leaves for the decoder to refuse.
func asStandard(b []byte) {
	negative := false
	for i := 0; i < len(b); {
		major, arg, head := cborHead(b[i:])
		if head == 0 {
			return
		}
		i += head
		if major == 2 || major == 3 { // bytes or text, of known length
			if arg > uint64(len(b)-i) {
				return
			}
			if negative {
				decrement(b[i : i+int(arg)])
			}
			i += int(arg)
		}
		negative = major == 6 && arg == 3
	}
}

// cborHead reads what an item begins with; the length is 0 where it cannot be
// read. An item of unknown length counts as empty: its parts follow.
func cborHead(b []byte) (major byte, arg uint64, length int) {
	major, info := b[0]>>5, b[0]&31
	if info < 24 {
		return major, uint64(info), 1
	}
	if info == 31 {
		return major, 0, 1
	}
	size := 1 << (info - 24)
	if info > 27 || len(b) < 1+size {
		return 0, 0, 0
	}
	var wide [8]byte
	copy(wide[8-size:], b[1:1+size])
	return major, binary.BigEndian.Uint64(wide[:]), 1 + size
}

// decrement subtracts one from a number, unless it is 0.
func decrement(n []byte) {
	low := len(n) - 1
	for low >= 0 && n[low] == 0 {
		low--
	}
	if low < 0 {
		return
	}
	n[low]--
	for i := low + 1; i < len(n); i++ {
		n[i] = 0xff
	}
}
