package edge_test

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/http/httptest"
	"net/url"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/ebb-events/ebb/edge"
)

// TestIdleStreamTakesLittleMemory: what is on the heap for a stream over HTTP/1.1
// with a channel and a session of its own, when its connection was taken over.
func TestIdleStreamTakesLittleMemory(t *testing.T) {
	tests := []struct {
		name    string
		most    float64 // bytes a stream
		streams int
		start   func(*httptest.Server)
		open    func(t testing.TB, addr, path string) (fd int)
	}{
		{"plain", 512, 2000, (*httptest.Server).Start, openPlain},
		{"TLS", 16 << 10, 300, (*httptest.Server).StartTLS, openTLS},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := &world{t: t, log: newLog(), origin: setUp}
			e := must(edge.New(edge.Config{
				Log: w.log, Publisher: w.log, Origin: must(url.Parse("http://origin")), GripKey: key, Transport: w,
			}))
			stop := running(t, e)
			srv := unstarted(e)
			tt.start(srv)
			addr := srv.Listener.Addr().String()
			open := func(i int) int { return tt.open(t, addr, fmt.Sprintf("/?u=some-user-%06d", i)) }

			fds := []int{open(0)} // with what comes into being for all
			await(t, func() bool { return e.Streams() == 1 })
			before := heap()
			for i := range tt.streams {
				fds = append(fds, open(i))
			}
			await(t, func() bool { return e.Streams() == len(fds) && runtime.NumGoroutine() < 100 })
			each := float64(heap()-before) / float64(tt.streams)
			t.Logf("%.0f bytes a stream", each)
			if each > tt.most {
				t.Errorf("a stream takes %.0f bytes, want %.0f at most", each, tt.most)
			}
			for _, fd := range fds {
				syscall.Close(fd)
			}
			await(t, func() bool { return e.Streams() == 0 })
			srv.Close()
			stop()
		})
	}
}

// heap is what is reachable, in bytes.
func heap() int64 {
	var m runtime.MemStats
	for range 3 {
		runtime.GC()
	}
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// openPlain asks for a stream and returns, when it has begun, a socket that
// costs this process no memory.
func openPlain(t testing.TB, addr, path string) (fd int) {
	t.Helper()
	conn := must(net.Dial("tcp", addr))
	return begin(t, conn.(*net.TCPConn), conn, path)
}

func openTLS(t testing.TB, addr, path string) (fd int) {
	t.Helper()
	conn := must(net.Dial("tcp", addr))
	return begin(t, conn.(*net.TCPConn), tls.Client(conn, &tls.Config{InsecureSkipVerify: true}), path)
}

func begin(t testing.TB, socket *net.TCPConn, conn net.Conn, path string) (fd int) {
	t.Helper()
	fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: edge\r\nAccept: text/event-stream\r\n\r\n", path)
	for text := ""; !strings.Contains(text, "ebb.hello"); {
		var b [2048]byte
		n, err := conn.Read(b[:])
		if err != nil {
			t.Fatalf("got %q, %v", text, err)
		}
		text += string(b[:n])
	}
	err := must(socket.SyscallConn()).Control(func(own uintptr) { fd = must(syscall.Dup(int(own))) })
	if err != nil {
		t.Fatal(err)
	}
	socket.Close()
	return fd
}
