package edge_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/ebb-events/ebb/edge"
	"github.com/ebb-events/ebb/internal/broker"
	"github.com/ebb-events/ebb/kafka"
)

// live is an edge as users have it: real connections, and a broker's log.
type live struct {
	front   string // for browsers
	control string // for publishers
}

// goLive serves an edge with that origin on ln, which publishers use.
func goLive(t *testing.T, origin string, control net.Listener) live {
	b := must(broker.Start(broker.Config{Addr: "127.0.0.1:0"}))
	t.Cleanup(func() { b.Close() })
	client := must(kafka.Open(kafka.Config{Seeds: []string{b.Addr()}, Embedded: true}))
	t.Cleanup(client.Close)
	box := must(edge.New(edge.Config{
		Log: client.Channels(), Publisher: client.Channels(), Origin: must(url.Parse(origin)), GripKey: key, PublishKey: key,
	}))
	t.Cleanup(running(t, box))
	front := facing(box)
	t.Cleanup(front.Close)
	t.Cleanup(front.CloseClientConnections)
	publishers := &http.Server{Handler: box.Control()}
	go publishers.Serve(control)
	t.Cleanup(func() { publishers.Close() })
	within(t, "the edge is ready", func() bool { return box.Ready() == nil })
	return live{front.URL, "http://" + control.Addr().String()}
}

// within waits until something holds.
func within(t *testing.T, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for end := time.After(20 * time.Second); !holds(); {
		select {
		case <-tick.C:
		case <-end:
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

// child starts a program that ends when its input does or the test is over, and
// returns what it prints first.
func child(t *testing.T, cmd *exec.Cmd) (line string) {
	t.Helper()
	in := must(cmd.StdinPipe())
	out := must(cmd.StdoutPipe())
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatalf("%v (make deps installs it)", err)
	}
	t.Cleanup(func() {
		in.Close()
		late := time.AfterFunc(5*time.Second, func() { cmd.Process.Kill() })
		defer late.Stop()
		_ = cmd.Wait()
	})
	r := bufio.NewReader(out)
	line, err := r.ReadString('\n')
	if err != nil {
		t.Fatalf("%s printed nothing: %v (make deps installs what it needs)", cmd.Path, err)
	}
	go io.Copy(io.Discard, r)
	return strings.TrimSpace(line)
}
