package edge_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ebb-events/ebb/edge"
)

// TestIdleStreamTakesHalfAKibibyte is the promise for plain connections: what is
// on the heap for a stream with a channel and a session of its own, when its
// connection was taken over.
func TestIdleStreamTakesHalfAKibibyte(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("there is no loop")
	}
	const n = 2000
	w := &world{t: t, log: newLog(), origin: setUp}
	e := must(edge.New(edge.Config{
		Log: w.log, Publisher: w.log, Origin: must(url.Parse("http://origin")), GripKey: key, Transport: w,
	}))
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- e.Run(ctx) }()
	ln := must(net.Listen("tcp", "127.0.0.1:0"))
	srv := &http.Server{Handler: e, ConnContext: edge.ConnContext}
	go srv.Serve(ln)
	open := func(i int) int {
		return openRaw(t, ln.Addr().(*net.TCPAddr).Port, fmt.Sprintf("/?u=some-user-%06d", i))
	}
	fds := []int{open(0)} // what comes into being with the first
	await(t, func() bool { return e.Streams() == 1 })
	before := heap()
	for i := 1; i <= n; i++ {
		fds = append(fds, open(i))
	}
	await(t, func() bool { return e.Streams() == n+1 })
	await(t, func() bool { return runtime.NumGoroutine() < 100 })
	each := float64(heap()-before) / n
	t.Logf("%.0f bytes a stream", each)
	if each > 512 {
		t.Errorf("a stream takes %.0f bytes, want 512 at most", each)
	}
	for _, fd := range fds {
		syscall.Close(fd)
	}
	await(t, func() bool { return e.Streams() == 0 })
	srv.Close()
	stop()
	<-ended
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

// openRaw asks for a stream on a socket that costs this process nothing, and
// returns when it has begun.
func openRaw(t *testing.T, port int, path string) (fd int) {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err == nil {
		err = syscall.Connect(fd, &syscall.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}})
	}
	if err == nil {
		_, err = syscall.Write(fd, []byte("GET "+path+" HTTP/1.1\r\nHost: edge\r\nAccept: text/event-stream\r\n\r\n"))
	}
	if err != nil {
		t.Fatal(os.NewSyscallError("opening a stream", err))
	}
	for text := ""; !strings.Contains(text, "ebb.hello"); {
		var b [2048]byte
		n, err := syscall.Read(fd, b[:])
		if err != nil || n == 0 {
			t.Fatalf("got %q, %v", text, err)
		}
		text += string(b[:n])
	}
	return fd
}

// await waits for something that comes by itself.
func await(t *testing.T, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); runtime.Gosched() {
		if time.Now().After(end) {
			t.Fatal("waited too long")
		}
	}
}
