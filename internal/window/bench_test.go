package window_test

import (
	"fmt"
	"testing"

	"github.com/ebb-events/ebb/internal/window"
)

func BenchmarkAppend(b *testing.B) {
	frame := make([]byte, 300)
	for _, readers := range []int{0, 1, 1000} {
		b.Run(fmt.Sprintf("readers=%d", readers), func(b *testing.B) {
			w := window.New(1, 16<<20)
			for range readers {
				attach(w, 0, "ann")
			}
			b.ReportAllocs()
			offset := int64(0)
			for b.Loop() {
				w.Append(0, window.Entry{Offset: offset, Channel: "ann", Frame: frame})
				offset++
			}
		})
	}
}
