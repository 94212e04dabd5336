package aws

import (
	"encoding/json"
	"net/http"
	"sync"
)

// Failures is a failure destination: it keeps the latest records. As a handler
// it lists them.
type Failures struct {
	mu   sync.Mutex
	list []json.RawMessage
}

const keepFailures = 1000

// Add is what [Async.Failed] can be.
func (f *Failures) Add(record []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.list = append(f.list, record); len(f.list) > keepFailures {
		f.list = f.list[1:]
	}
}

// List returns the records, the oldest first.
func (f *Failures) List() []json.RawMessage {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]json.RawMessage{}, f.list...)
}

func (f *Failures) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(f.List())
}
