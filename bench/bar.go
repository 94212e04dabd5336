package bench

import (
	"fmt"
	"io"
	"strings"
)

// Bar returns a func that draws how much is done on a terminal, and leaves an
// empty line when all is.
func Bar(terminal io.Writer, name string) func(done, want int) {
	const width = 40
	last := -1
	return func(done, want int) {
		filled := done * width / max(want, 1)
		switch {
		case done >= want:
			fmt.Fprint(terminal, "\r\x1b[K")
		case filled != last:
			fmt.Fprintf(terminal, "\r\x1b[K%s [%s%s]", name, strings.Repeat("#", filled), strings.Repeat("-", width-filled))
		}
		last = filled
	}
}
