// Package logtest keeps what programs say in tests.
package logtest

import (
	"bytes"
	"sync"
)

// Text grows while others read it. The zero value is empty.
type Text struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (t *Text) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.b.Write(b)
}

// String returns what there is so far.
func (t *Text) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.b.String()
}
