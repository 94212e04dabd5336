package bench

import (
	"bytes"
	"strconv"
	"time"
)

// everybody is the user of what all streams hear.
const everybody = -1

// mark is what the client must know of an event to check it. It stands at the
// beginning of the event's data.
type mark struct {
	number uint32 // of the event in its channel, from 1
	user   int32  // whose channel it is, or everybody
	sent   int64  // nanoseconds since 1970
}

// markLen is how long a mark is: three hexadecimal numbers, and their spaces.
const markLen = 8 + 1 + 8 + 1 + 16 + 1

// appendData adds an event's data: a mark, and as much more as size asks for.
func (m mark) appendData(b []byte, size int) []byte {
	begin := len(b)
	b = append(appendHex(b, uint64(m.number), 8), ' ')
	b = append(appendHex(b, uint64(uint32(m.user)), 8), ' ')
	b = append(appendHex(b, uint64(m.sent), 16), ' ')
	for len(b)-begin < size {
		b = append(b, '.')
	}
	return b
}

func appendHex(b []byte, v uint64, digits int) []byte {
	for shift := 4 * (digits - 1); shift >= 0; shift -= 4 {
		b = append(b, "0123456789abcdef"[v>>shift&15])
	}
	return b
}

// readMark returns the mark that data begins with, if it does.
func readMark(data []byte) (m mark, ok bool) {
	if len(data) < markLen || data[8] != ' ' || data[17] != ' ' || data[34] != ' ' {
		return m, false
	}
	number, err1 := strconv.ParseUint(string(data[:8]), 16, 32)
	user, err2 := strconv.ParseUint(string(data[9:17]), 16, 32)
	sent, err3 := strconv.ParseInt(string(data[18:34]), 16, 64)
	return mark{uint32(number), int32(uint32(user)), sent}, err1 == nil && err2 == nil && err3 == nil
}

// age is how long ago an event was sent.
func (m mark) age(now time.Time) time.Duration { return time.Duration(now.UnixNano() - m.sent) }

// trimField returns the value of a field's line, if it is of that field.
func trimField(line []byte, field string) (value []byte, ok bool) {
	if len(line) <= len(field) || string(line[:len(field)]) != field || line[len(field)] != ':' {
		return nil, false
	}
	return bytes.TrimPrefix(line[len(field)+1:], []byte(" ")), true
}
