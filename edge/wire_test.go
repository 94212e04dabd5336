package edge_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ebb-events/ebb/channel"
	"github.com/ebb-events/ebb/edge"
	"github.com/ebb-events/ebb/sse"
)

// TestCutConnectionAtEveryByte cuts real connections, so that also the header
// of the response and the frames of a chunked body end anywhere.
func TestCutConnectionAtEveryByte(t *testing.T) {
	log := newLog()
	box := must(edge.New(edge.Config{
		Log: log, Publisher: log, Origin: must(url.Parse("http://origin")), GripKey: key, Transport: &world{t: t, log: log, origin: setUp},
	}))
	defer running(t, box)()
	fronts := map[string]*httptest.Server{"taken over": facing(box), "by net/http": httptest.NewServer(box)}
	for _, front := range fronts {
		defer front.Close()
		defer front.CloseClientConnections()
	}

	var want []string
	for _, what := range append(story(0), told{event("ann", 1000, "the end"), []string{"the end"}}) {
		if err := log.Append(t.Context(), []channel.Record{what.record}); err != nil {
			t.Fatal(err)
		}
		want = append(want, what.heard...)
	}
	begin := channel.Cursor{Generation: channel.Generation{1}, Partition: annIn, Offset: -1, Epoch: -1}.String()
	for name, front := range fronts {
		for _, version := range []string{"HTTP/1.1", "HTTP/1.0"} {
			t.Run(name+" "+version, func(t *testing.T) {
				dial := func(lastID string) net.Conn {
					conn := must(net.Dial("tcp", front.Listener.Addr().String()))
					_ = conn.(*net.TCPConn).SetLinger(0) // cutting is a reset
					_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
					must(fmt.Fprintf(conn, "GET /?u=ann %s\r\nHost: edge\r\nAccept: text/event-stream\r\nLast-Event-ID: %s\r\n\r\n", version, lastID))
					return conn
				}
				// heard reads up to the end of in, or of the story, as a browser does.
				heard := func(in io.Reader) (all []string, lastID string) {
					resp, err := http.ReadResponse(bufio.NewReader(in), nil)
					if err != nil {
						return nil, ""
					}
					if resp.StatusCode != http.StatusOK || chunked(resp) != (version == "HTTP/1.1") {
						t.Fatalf("%s: %s %v", version, resp.Status, resp.TransferEncoding)
					}
					if taken := name == "taken over" && runtime.GOOS == "linux"; version == "HTTP/1.1" && resp.Close != taken {
						t.Fatalf("taken over: %v, want %v", resp.Close, taken) // such a connection has no second request
					}
					for r := sse.NewReader(resp.Body); ; {
						e, err := r.Next()
						if err != nil {
							return all, lastID
						}
						lastID = e.ID
						if e.Name == "ebb.hello" || e.Name == "ebb.mark" {
							continue
						}
						all = append(all, strings.Trim(e.Name+" "+string(e.Data), " "))
						if string(e.Data) == "the end" {
							return all, lastID
						}
					}
				}
				whole := func(lastID string) (all []string, length int) {
					conn := dial(lastID)
					defer conn.Close()
					var raw bytes.Buffer
					all, _ = heard(io.TeeReader(conn, &raw))
					return all, raw.Len()
				}
				all, length := whole(begin)
				if !slices.Equal(all, want) || length < 4096 {
					t.Fatalf("heard %.60q in %d bytes, want %.60q in over 4 KiB", all, length, want)
				}
				part := make([]byte, length-30) // how a body is framed differs a little from time to time
				for n := range part {
					conn := dial(begin)
					if _, err := io.ReadFull(conn, part[:n]); err != nil {
						t.Fatalf("reading %d bytes: %v", n, err)
					}
					conn.Close()
					before, lastID := heard(bytes.NewReader(part[:n]))
					if lastID == "" {
						lastID = begin
					}
					after, _ := whole(lastID)
					if all := append(before, after...); !slices.Equal(all, want) {
						t.Fatalf("cut behind byte %d: heard %.60q, want %.60q", n, all, want)
					}
				}
			})
		}
	}
}

func chunked(resp *http.Response) bool {
	return slices.Equal(resp.TransferEncoding, []string{"chunked"})
}
