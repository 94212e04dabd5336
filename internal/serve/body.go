package serve

import (
	"io"
	"net/http"
	"time"
)

// bodyTimeout is how long a body may bring nothing. There is no limit on a
// whole request, since its answer may be a stream.
const bodyTimeout = 30 * time.Second

// limitBody has a request's body fail once it brings nothing for too long. One
// that nobody reads has as long.
func limitBody(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength != 0 {
			b := &timedBody{r.Body, http.NewResponseController(w)}
			b.limit()
			r.Body = b
		}
		h.ServeHTTP(w, r)
	})
}

type timedBody struct {
	io.ReadCloser
	conn *http.ResponseController
}

// limit begins the time anew. Writers of tests have none.
func (b *timedBody) limit() { _ = b.conn.SetReadDeadline(time.Now().Add(bodyTimeout)) }

func (b *timedBody) Read(p []byte) (int, error) {
	b.limit()
	n, err := b.ReadCloser.Read(p)
	if err == io.EOF { // from here on net/http reads, to notice when the client goes
		_ = b.conn.SetReadDeadline(time.Time{})
	}
	return n, err
}
