package dev_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// second is a request that other bytes hide, or do not.
const second = "GET /api/health HTTP/1.1\r\nHost: smuggled\r\nConnection: close\r\n\r\n"

func chunked(head, body string) string {
	return "POST /api/none HTTP/1.1\r\nHost: x\r\n" + head + "\r\n" + body
}

// smuggling is what readers have read differently, by what is odd in it.
var smuggling = map[string]string{
	"length and chunks":         chunked("Content-Length: 4\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"+second),
	"chunks and length":         chunked("Transfer-Encoding: chunked\r\nContent-Length: 4\r\n", "0\r\n\r\n"+second),
	"two lengths":               chunked("Content-Length: 0\r\nContent-Length: 50\r\n", second),
	"a list of lengths":         chunked("Content-Length: 0, 50\r\n", second),
	"a length with a sign":      chunked("Content-Length: +0\r\n", second),
	"a negative length":         chunked("Content-Length: -1\r\n", second),
	"a length in hex":           chunked("Content-Length: 0x0\r\n", second),
	"a length and a letter":     chunked("Content-Length: 0a\r\n", second),
	"a huge length":             chunked("Content-Length: 18446744073709551616\r\n", second),
	"unknown encoding":          chunked("Transfer-Encoding: xchunked\r\n", "0\r\n\r\n"+second),
	"two encodings":             chunked("Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n"+second),
	"chunked twice":             chunked("Transfer-Encoding: chunked, chunked\r\n", "0\r\n\r\n"+second),
	"two encoding lines":        chunked("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", "0\r\n\r\n"+second),
	"identity":                  chunked("Transfer-Encoding: identity\r\nContent-Length: 0\r\n", second),
	"quoted encoding":           chunked("Transfer-Encoding: \"chunked\"\r\n", "0\r\n\r\n"+second),
	"a vertical tab":            chunked("Transfer-Encoding: \x0bchunked\r\n", "0\r\n\r\n"+second),
	"a space before the colon":  chunked("Transfer-Encoding : chunked\r\n", "0\r\n\r\n"+second),
	"a tab before the colon":    chunked("Content-Length\t: 0\r\n", second),
	"a folded line":             chunked("Transfer-Encoding:\r\n chunked\r\n", "0\r\n\r\n"+second),
	"a folded first line":       "POST /api/none HTTP/1.1\r\n Content-Length: 50\r\nHost: x\r\n\r\n" + second,
	"a bare CR":                 chunked("X: a\rContent-Length: 50\r\n", second),
	"NUL in a value":            chunked("X: a\x00b\r\n", second),
	"NUL in a name":             chunked("X\x00: a\r\n", second),
	"no name":                   chunked(": a\r\n", second),
	"no colon":                  chunked("Content-Length 0\r\n", second),
	"no host":                   "GET /api/none HTTP/1.1\r\n\r\n" + second,
	"two hosts":                 "GET /api/none HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n" + second,
	"host with a path":          "GET /api/none HTTP/1.1\r\nHost: x/api\r\n\r\n" + second,
	"host with a space":         "GET /api/none HTTP/1.1\r\nHost: x y\r\n\r\n" + second,
	"a space in the target":     "GET /api/none x HTTP/1.1\r\nHost: x\r\n\r\n" + second,
	"version 1.2":               "GET /api/none HTTP/1.2x\r\nHost: x\r\n\r\n" + second,
	"version 0.9":               "GET /api/none\r\n\r\n" + second,
	"a method of controls":      "G\x01ET /api/none HTTP/1.1\r\nHost: x\r\n\r\n" + second,
	"a chunk with a sign":       chunked("Transfer-Encoding: chunked\r\n", "+0\r\n\r\n"+second),
	"a chunk in 0x":             chunked("Transfer-Encoding: chunked\r\n", "0x0\r\n\r\n"+second),
	"a huge chunk":              chunked("Transfer-Encoding: chunked\r\n", "10000000000000000\r\n\r\n"+second),
	"no line end behind a body": chunked("Transfer-Encoding: chunked\r\n", "1\r\nXX0\r\n\r\n"+second),
	"a chunk size with a LF":    chunked("Transfer-Encoding: chunked\r\n", "1;x\n\r\nX\r\n0\r\n\r\n"+second),
	"HTTP/1.0 and chunks":       strings.Replace(chunked("Transfer-Encoding: chunked\r\n", "0\r\n\r\n"+second), "HTTP/1.1", "HTTP/1.0", 1),
}

// TestSmugglingCorpus: what one reader takes for one request and the next one
// for two is refused, by the gateway and by the edge, and ends the connection:
// nothing behind it is ever answered (S44).
func TestSmugglingCorpus(t *testing.T) {
	s := start(t, t.TempDir())
	for _, part := range []string{"gateway", "edge"} {
		for name, bytes := range smuggling {
			t.Run(part+", "+name, func(t *testing.T) {
				t.Parallel()
				answers := exchange(t, s.addrOf(part), bytes)
				if why := oneWay[name]; why != "" {
					if fmt.Sprint(answers) != "[404 200]" {
						t.Errorf("got %v, want it read as %s", answers, why)
					}
					return
				}
				if len(answers) > 1 {
					t.Errorf("%d answers: %v", len(answers), answers)
				}
				for _, status := range answers {
					if status < 400 {
						t.Errorf("answered with %d", status)
					}
				}
			})
		}
		// The search for a second answer finds one where there is one.
		if got := exchange(t, s.addrOf(part), strings.Replace(second, "Connection: close\r\n", "", 1)+second); fmt.Sprint(got) != "[200 200]" {
			t.Errorf("%s: two good requests got %v", part, got)
		}
	}
}

// oneWay are requests that net/http takes, each in the one way that RFC 9112
// has for it. What the edge sends on is written anew, without what was odd.
var oneWay = map[string]string{
	"length and chunks": "chunks, the length forgotten",
	"chunks and length": "chunks, the length forgotten",
	"a folded line":     "one line",
}

// exchange sends bytes and returns the statuses of all answers until the other
// side ends the connection, or waits for more.
func exchange(t *testing.T, addr, request string) (statuses []int) {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	in := bufio.NewReader(conn)
	for {
		resp, err := http.ReadResponse(in, nil)
		if err != nil {
			return statuses
		}
		statuses = append(statuses, resp.StatusCode)
		if _, err := io.Copy(io.Discard, resp.Body); err != nil {
			return statuses
		}
	}
}
