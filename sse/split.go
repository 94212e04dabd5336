package sse

import "bytes"

// Split returns the events of a piece of a stream, each with the empty line at
// its end and with what comes before it that is none, comments for instance.
// rest is what follows the last one.
func Split(piece []byte) (events [][]byte, rest []byte) {
	hasData := false
	begun, at := 0, 0
	for {
		n := bytes.IndexAny(piece[at:], "\r\n")
		if n < 0 {
			return events, piece[begun:]
		}
		line := piece[at : at+n]
		at += n + 1
		if piece[at-1] == '\r' && at < len(piece) && piece[at] == '\n' {
			at++
		}
		field, _, _ := bytes.Cut(line, []byte(":"))
		switch {
		case string(field) == "data":
			hasData = true
		case len(line) == 0 && hasData:
			events = append(events, piece[begun:at:at])
			begun, hasData = at, false
		}
	}
}
