package edge_test

import (
	"fmt"
	"net/url"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/ebb-events/ebb/channel"
	"github.com/ebb-events/ebb/edge"
)

// BenchmarkBroadcast is one event to each of 2,000 streams on one channel: all
// of the edge's work, with the sockets, and a client's that reads and counts.
func BenchmarkBroadcast(b *testing.B) { benchmarkEvents(b, 2000, func(int) string { return "all" }, 1) }

// BenchmarkUnicast is one event to each of 2,000 streams on channels of their own.
func BenchmarkUnicast(b *testing.B) {
	benchmarkEvents(b, 2000, func(i int) string { return fmt.Sprintf("user-%d", i) }, 2000)
}

func benchmarkEvents(b *testing.B, streams int, user func(i int) string, channels int) {
	w := &world{log: newLog(), origin: setUp}
	e := must(edge.New(edge.Config{
		Log: w.log, Publisher: w.log, Origin: must(url.Parse("http://origin")), GripKey: key, Transport: w,
	}))
	stop, srv := running(b, e), facing(e)
	defer func() { stop(); srv.Close() }()

	poll := must(syscall.EpollCreate1(0))
	for i := range streams {
		fd := openPlain(b, srv.Listener.Addr().String(), "/?u="+user(i))
		defer syscall.Close(fd)
		if err := syscall.EpollCtl(poll, syscall.EPOLL_CTL_ADD, fd, &syscall.EpollEvent{Events: syscall.EPOLLIN, Fd: int32(fd)}); err != nil {
			b.Fatal(err)
		}
	}
	var read, want atomic.Int64
	all := make(chan struct{}, 1)
	go func() {
		events, buf := make([]syscall.EpollEvent, 256), make([]byte, 64<<10)
		for {
			n, err := syscall.EpollWait(poll, events, -1)
			if err == syscall.EBADF {
				return
			}
			for _, e := range events[:max(n, 0)] {
				if m, _ := syscall.Read(int(e.Fd), buf); m > 0 && read.Add(1) == want.Load() {
					all <- struct{}{}
				}
			}
		}
	}()
	records := make([]channel.Record, channels)
	for i := range records {
		records[i] = event(user(i), 0, fmt.Sprintf(`{"x":"%0200d"}`, i))
	}
	b.ReportAllocs()
	b.ResetTimer()
	offset := int64(0)
	for b.Loop() {
		for i := range records {
			records[i].Src.Offset = offset
			offset++
		}
		want.Add(int64(streams))
		_ = w.log.Append(b.Context(), records)
		<-all
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(streams), "ns/delivery")
}
