package dev_test

import (
	"fmt"
	"testing"
)

// FuzzHTTPDifferential: raw bytes go to the front of gateways and edges, at once
// and through HAProxy. Both must read the same requests with the same bodies,
// one after the other, and HAProxy must have read each that comes through it;
// only where one of them refuses may the other have read on (S44).
func FuzzHTTPDifferential(f *testing.F) {
	for _, requests := range []map[string]string{smuggling, hiding, moreRaw} {
		for _, raw := range requests {
			if len(raw) < most {
				f.Add([]byte(raw))
			}
		}
	}
	w := witnessed(f)
	addr := share(f, "haproxy", sharing[0].buffer, w.addr)
	f.Fuzz(func(t *testing.T, raw []byte) {
		if len(raw) > most {
			return
		}
		raw = append(raw[:len(raw):len(raw)], end...)
		port, replies, impatient := tell(t, w.addr, raw, brief)
		ours := reading{replies: replies, impatient: impatient}
		for _, s := range w.take() {
			if s.from == "127.0.0.1:"+port {
				ours.add(s)
			} else if s.whole {
				t.Errorf("%s %s came late through HAProxy", s.method, s.target)
			}
		}

		port, replies, impatient = tell(t, addr, raw, brief)
		theirs, saw := reading{replies: replies, impatient: impatient}, w.take()
		for _, wrong := range disagree(port, saw, replies) {
			t.Error(wrong)
		}
		for _, s := range saw {
			theirs.add(s)
		}
		if wrong := ours.differs(theirs); wrong != "" {
			t.Errorf("%s\nours:     %+v\nHAProxy's: %+v", wrong, ours, theirs)
		}
		next(t, w, addr, "the input")
	})
}

// most is the longest input: what HAProxy says of it has to fit into a header.
const most = 4 << 10

// moreRaw are further seeds: what readers have to get right.
var moreRaw = map[string]string{
	"pipelined":          "GET /a HTTP/1.1\r\nHost: x\r\n\r\nPOST /b HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabcHEAD /c HTTP/1.1\r\nHost: x\r\n\r\n",
	"HTTP/1.0":           "GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
	"an absolute target": "GET http://x/a?b#c HTTP/1.1\r\nHost: x\r\n\r\n",
	"of the server":      "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
	"line feeds":         "POST /a HTTP/1.1\nHost: x\nContent-Length: 3\n\nabc",
	"chunks, line feeds": chunked("Transfer-Encoding: chunked\r\n", "1;x=y\nX\n0\n\n"),
	"empty lines first":  "\r\n\r\nGET /a HTTP/1.1\r\nHost: x\r\n\r\n",
	"HTTP/2":             "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00",
	"a tunnel":           tunnel + marked,
	"a web socket":       "GET /a HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n" + marked,
	"what we say of it":  "GET /a HTTP/1.1\r\nHost: x\r\nX-Saw: " + secret + " 1 1\r\nX-Saw-Method: PUT\r\nConnection: X-Saw, X-Saw-Method\r\n\r\n",
}

// reading is what became of one connection's bytes.
type reading struct {
	requests  []string // whose bodies were read to their end
	cut       bool     // or there was one more
	replies   []reply
	impatient bool
}

func (r *reading) add(s sight) {
	if s.whole {
		r.requests = append(r.requests, fmt.Sprintf("%s %s %q", s.method, s.target, s.body))
	} else {
		r.cut = true
	}
}

// differs says where two readings of the same bytes do, "" if nowhere.
func (r reading) differs(o reading) string {
	for i := range min(len(r.requests), len(o.requests)) {
		if r.requests[i] != o.requests[i] {
			return fmt.Sprintf("request %d was read as %s and %s", i+1, r.requests[i], o.requests[i])
		}
	}
	if len(r.requests) > len(o.requests) && !o.stopped() || len(o.requests) > len(r.requests) && !r.stopped() {
		return "one has read more requests, and the other has not refused them"
	}
	return ""
}

// stopped tells whether whoever read the bytes did not want to read on.
func (r reading) stopped() bool {
	if len(r.replies) == 0 {
		return r.impatient || r.cut
	}
	last := r.replies[len(r.replies)-1]
	return r.impatient || r.cut || last.last || last.to == "" && last.status >= 400
}
