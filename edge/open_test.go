package edge_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/ebb-events/ebb/edge"
	"github.com/ebb-events/ebb/gateway"
	"github.com/ebb-events/ebb/grip"
	"github.com/ebb-events/ebb/sse"
)

// BenchmarkOpen is a stream from the connection to ebb.hello, with a gateway
// behind that opens its ticket, all in one process and over TCP.
func BenchmarkOpen(b *testing.B) {
	front := must(net.Listen("tcp", "127.0.0.1:0"))
	back := must(net.Listen("tcp", "127.0.0.1:0"))
	base := "http://" + front.Addr().String()
	path, origin := ticketed(b, base)
	quiet := log.New(io.Discard, "", 0)
	behind := &http.Server{Handler: origin, ErrorLog: quiet}
	go behind.Serve(back)
	defer behind.Close()
	e := must(edge.New(edge.Config{Log: newLog(), Publisher: newLog(), Origin: must(url.Parse("http://" + back.Addr().String())), GripKey: key}))
	stop := running(b, e)
	before := &http.Server{Handler: e, ErrorLog: quiet}
	go before.Serve(front)
	defer func() { before.Close(); stop() }()

	request := []byte("GET " + path + " HTTP/1.1\r\nHost: edge.example\r\nAccept: " + sse.ContentType + "\r\nUser-Agent: bench\r\n\r\n")
	b.ReportAllocs()
	b.SetParallelism(32)
	var failed atomic.Pointer[error]
	b.RunParallel(func(pb *testing.PB) {
		buf := make([]byte, 4<<10)
		for pb.Next() {
			if err := openOne(front.Addr().String(), request, buf); err != nil {
				failed.Store(&err)
				return
			}
		}
	})
	if err := failed.Load(); err != nil {
		b.Fatal(*err)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "opens/s")
}

// openOne opens a stream, reads to its ebb.hello, and hangs up.
func openOne(addr string, request, buf []byte) error {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.(*net.TCPConn).SetLinger(0); err != nil { // leaves no port behind
		return err
	}
	if _, err := conn.Write(request); err != nil {
		return err
	}
	for n := 0; ; {
		got, err := conn.Read(buf[n:])
		n += got
		if bytes.Contains(buf[:n], []byte("ebb.hello")) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%w after %q", err, buf[:n])
		}
	}
}

// ticketed is a gateway for an edge at base, and the path of a stream at that
// edge with a ticket.
func ticketed(b *testing.B, base string) (path string, origin http.Handler) {
	tokens := must(grip.SecretKey(bytes.Repeat([]byte("t"), 32)))
	g := must(gateway.New(gateway.Config{
		EdgeURL:    base,
		TicketKeys: []grip.Key{must(grip.SecretKey(bytes.Repeat([]byte("s"), 32)))},
		GripKeys:   []grip.Key{key}, GripIssuer: "ebb",
		Issuers: []gateway.Issuer{{Key: tokens}},
	}))
	r := must(http.NewRequest("GET", "http://api.example/api/sse", nil))
	r.Header.Set("Authorization", "Bearer "+token(tokens))
	w := &recorded{header: http.Header{}}
	g.ServeHTTP(w, r)
	to, err := url.Parse(w.header.Get("Location"))
	if err != nil || to.RawQuery == "" {
		b.Fatal(errors.Join(err, fmt.Errorf("no redirect but %d %s", w.status, &w.Buffer)))
	}
	return to.RequestURI(), g
}

// recorded is an answer of the gateway.
type recorded struct {
	bytes.Buffer
	header http.Header
	status int
}

func (r *recorded) Header() http.Header    { return r.header }
func (r *recorded) WriteHeader(status int) { r.status = status }

// token is ann's, good for an hour.
func token(k grip.Key) string {
	signer := must(jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: k.Secret()}, nil))
	return must(jwt.Signed(signer).Claims(jwt.Claims{Subject: "ann", Expiry: jwt.NewNumericDate(time.Now().Add(time.Hour))}).Serialize())
}
