package edge

import (
	"bytes"
	"io"
	"net/http"
	"sync"
)

// maxKept is the largest body of a request that can be made again, in bytes.
const maxKept = 100_000

// keptBody keeps the body of a request while it goes to the origin, so that a
// hint can have the whole request made again.
type keptBody struct {
	in io.ReadCloser

	mu    sync.Mutex // the transport may still read when the origin has answered
	kept  []byte
	whole bool // it was read to its end
	large bool
}

// keepBody puts a keptBody into r. It returns nil if r has no body.
func keepBody(r *http.Request) *keptBody {
	if r.Body == nil || r.Body == http.NoBody {
		return nil
	}
	k := &keptBody{in: r.Body}
	r.Body = k
	return k
}

func (k *keptBody) Read(b []byte) (int, error) {
	n, err := k.in.Read(b)
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.large = k.large || len(k.kept)+n > maxKept; k.large {
		k.kept = nil
	} else {
		k.kept = append(k.kept, b[:n]...)
	}
	k.whole = k.whole || err == io.EOF
	return n, err
}

func (k *keptBody) Close() error { return k.in.Close() }

// complete tells whether all of the body can be sent again.
func (k *keptBody) complete() bool {
	if k == nil {
		return true
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.whole && !k.large
}

// rewind gives r its body again. The body must be complete.
func (k *keptBody) rewind(r *http.Request) {
	if k == nil {
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(k.kept))
	r.ContentLength = int64(len(k.kept))
	r.TransferEncoding = nil
}
