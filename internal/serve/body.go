package serve

import (
	"io"
	"net/http"
	"time"
)

const (
	// bodyTimeout is how long a body may bring nothing, and how long one that
	// brings next to nothing may take in all. There is no limit on a whole
	// request, since its answer may be a stream.
	bodyTimeout = 30 * time.Second

	// slowestBody is what a body has to bring, in bytes a second, to have longer.
	slowestBody = 1 << 10
)

// limitBody has a request's body fail once it brings nothing for too long, or
// too little. One that nobody reads has as long.
func limitBody(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength != 0 {
			b := &timedBody{ReadCloser: r.Body, conn: http.NewResponseController(w), begun: time.Now()}
			b.limit()
			r.Body = b
		}
		h.ServeHTTP(w, r)
	})
}

type timedBody struct {
	io.ReadCloser
	conn  *http.ResponseController
	begun time.Time
	bytes int64 // that have come
}

// limit says how long it may take until more has come. Writers of tests have no
// deadlines.
func (b *timedBody) limit() {
	idle := time.Now().Add(bodyTimeout)
	all := b.begun.Add(bodyTimeout + time.Duration(b.bytes)*time.Second/slowestBody)
	if all.Before(idle) {
		idle = all
	}
	_ = b.conn.SetReadDeadline(idle)
}

func (b *timedBody) Read(p []byte) (int, error) {
	b.limit()
	n, err := b.ReadCloser.Read(p)
	b.bytes += int64(n)
	if err == io.EOF { // from here on net/http reads, to notice when the client goes
		_ = b.conn.SetReadDeadline(time.Time{})
	}
	return n, err
}
