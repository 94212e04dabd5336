package serve

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"
)

// TestConnectionsOfAnAddressAreBounded (S51): more are hung up on, those of
// others and of proxies are not, streams that the server let go of do not count,
// and there is room again for each that has gone.
func TestConnectionsOfAnAddressAreBounded(t *testing.T) {
	var refused atomic.Int64
	serve := func(proxies ...netip.Prefix) (addr string) {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/taken" {
				c, _, err := http.NewResponseController(w).Hijack()
				if err != nil {
					t.Error(err)
					return
				}
				fmt.Fprint(c, "HTTP/1.1 204 No Content\r\n\r\n")
				t.Cleanup(func() { c.Close() })
			}
		})
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error)
		go func() {
			ended <- Server{Handler: handler, AddressConns: 3, Crowded: func() { refused.Add(1) }, Proxies: proxies, Grace: time.Millisecond}.Run(ctx, ln)
		}()
		t.Cleanup(func() { cancel(); <-ended })
		return ln.Addr().String()
	}
	dial := func(from, to, path string) (c net.Conn, ok bool) {
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
		c, err := d.Dial("tcp", to)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path)
		_, err = bufio.NewReader(c).ReadString('\n')
		return c, err == nil
	}

	addr := serve()
	var last net.Conn
	for i := range 3 {
		c, ok := dial("127.0.0.1", addr, "/")
		if last = c; !ok {
			t.Errorf("connection %d was refused", i+1)
		}
	}
	if _, ok := dial("127.0.0.1", addr, "/"); ok || refused.Load() != 1 {
		t.Errorf("the fourth was answered %v, %d refused", ok, refused.Load())
	}
	if _, ok := dial("127.0.0.2", addr, "/"); !ok {
		t.Error("another address was refused")
	}
	last.Close()
	comesBack := func(path string) {
		t.Helper()
		for end := time.Now().Add(5 * time.Second); ; {
			if _, ok := dial("127.0.0.1", addr, path); ok {
				return
			}
			if time.Now().After(end) {
				t.Fatal("no room after one has gone")
			}
		}
	}
	comesBack("/taken")
	comesBack("/") // what was taken over is a connection no more

	addr = serve(netip.MustParsePrefix("127.0.0.1/32"))
	for range 10 {
		if _, ok := dial("127.0.0.1", addr, "/"); !ok {
			t.Error("a proxy was refused")
		}
	}
}
