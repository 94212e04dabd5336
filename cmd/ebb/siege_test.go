package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ebb-events/ebb/grip"
	"github.com/ebb-events/ebb/sse"
)

var wholeSiege = flag.Bool("siege", false, "have TestSlowHTTP open 5,000 slow connections, and compare times; takes minutes")

// noise is what a busy machine of two processors, which attacks itself, adds to a
// p99 of a few milliseconds.
const noise = 25 * time.Millisecond

// modes are what slowhttptest can do.
var modes = []struct {
	name string
	args []string
}{
	{"slow headers", []string{"-H", "-i", "5"}},
	{"slow bodies", []string{"-B", "-i", "5", "-s", "65536", "-f", "application/json"}},
	{"many ranges", []string{"-R"}},
	{"slow reading", []string{"-X", "-n", "1", "-z", "5", "-w", "1", "-y", "64", "-k", "3"}},
}

// TestSlowHTTP: thousands of connections that say or take next to nothing leave
// those of others alone: all requests are answered, and memory has a bound (S50).
// The address of the attackers is a proxy's here, so only time-outs are against
// them, and no limit of addresses.
func TestSlowHTTP(t *testing.T) {
	program, err := exec.LookPath("slowhttptest")
	if err != nil {
		t.Fatal("no slowhttptest: run `make deps`")
	}
	connections, arriving, length := 300, time.Second, 2*time.Second
	garbage := int64(256 << 20) // beside other tests it is collected late
	if *wholeSiege {
		connections, arriving, length, garbage = 5000, 5*time.Second, 12*time.Second, 64<<20
	} else {
		t.Parallel()
	}
	for _, target := range []struct {
		name  string
		start func(*testing.T) besieged
	}{{"edge", besiegedEdge}, {"gateway", besiegedGateway}} {
		t.Run(target.name, func(t *testing.T) {
			if !*wholeSiege {
				t.Parallel()
			}
			b := target.start(t)
			b.ask(t, time.Second) // what is made once is there
			for _, mode := range modes {
				t.Run(mode.name, func(t *testing.T) {
					b.ask(t, arriving) // while those of the mode before go
					before := b.memory(t)
					calm := b.ask(t, length)
					args := append([]string{"-c", fmt.Sprint(connections), "-r", fmt.Sprint(connections / int(arriving.Seconds())), "-l", fmt.Sprint(int((arriving + length).Seconds()) + 5), "-p", "3", "-v", "1",
						"-u", "http://" + b.addr + b.victims[mode.name]}, mode.args...)
					end := besiege(t, program, args)
					b.ask(t, arriving)
					stormy := b.ask(t, length)
					end()
					after := stormy.memory
					t.Logf("%d descriptors, without %d; p50 %v and p99 %v, without %v and %v; %d MiB, without %d", stormy.descriptors, calm.descriptors,
						stormy.at(50), stormy.at(99), calm.at(50), calm.at(99), after>>20, before>>20)
					if len(stormy.took) < 10 || stormy.failed > 0 || calm.failed > 0 {
						t.Errorf("of %d requests %d failed, %d without the siege: %v", len(stormy.took), stormy.failed, calm.failed, stormy.err)
					}
					if b.holds[mode.name] && stormy.descriptors < calm.descriptors+connections/2 {
						t.Errorf("%d descriptors, without the siege %d: it was none", stormy.descriptors, calm.descriptors)
					}
					if most := before + int64(connections)*(64<<10) + garbage; after > most {
						t.Errorf("memory grew from %d to %d MiB", before>>20, after>>20)
					}
					if *wholeSiege && stormy.at(99) > max(2*calm.at(99), noise) {
						t.Errorf("p99 is %v, without the siege %v", stormy.at(99), calm.at(99))
					}
				})
			}
		})
	}
}

// besiege has slowhttptest attack, and begin anew when what it had has been cut
// off, until end is called.
func besiege(t *testing.T, program string, args []string) (end func()) {
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	over := make(chan struct{})
	go func() {
		defer close(over)
		for ctx.Err() == nil {
			out, err := exec.CommandContext(ctx, program, args...).CombinedOutput()
			if err != nil && ctx.Err() == nil {
				t.Errorf("slowhttptest: %v: %s", err, out)
				return
			}
		}
	}()
	return func() {
		cancel()
		<-over
	}
}

// besieged is what is attacked at addr, and used by others meanwhile.
type besieged struct {
	*program
	addr    string
	use     func(ctx context.Context, n int) error // one request of others
	victims map[string]string                      // paths that attackers ask for, by mode
	holds   map[string]bool                        // modes in which it waits for attackers, and does not answer at once
}

// times are how long requests took.
type times struct {
	took   []time.Duration
	failed int
	err    error // one of them

	memory      int64 // most that the process had meanwhile
	descriptors int   // likewise
}

func (ts times) at(percent int) time.Duration {
	slices.Sort(ts.took)
	return ts.took[min(len(ts.took)-1, len(ts.took)*percent/100)].Round(10 * time.Microsecond)
}

// ask sends 50 requests a second, however long they take.
func (b besieged) ask(t *testing.T, length time.Duration) (ts times) {
	var mu sync.Mutex
	var asking sync.WaitGroup
	ctx, cancel := context.WithTimeout(t.Context(), length+20*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	over := time.After(length)
	for n := 0; ; n++ {
		select {
		case <-over:
			asking.Wait()
			return ts
		case <-tick.C:
		}
		if n%25 == 0 {
			ts.memory = max(ts.memory, b.memory(t))
			ts.descriptors = max(ts.descriptors, b.descriptors(t))
		}
		asking.Go(func() {
			began := time.Now()
			err := b.use(ctx, n)
			mu.Lock()
			defer mu.Unlock()
			ts.took = append(ts.took, time.Since(began))
			if err != nil {
				ts.failed++
				ts.err = err
			}
		})
	}
}

// memory is what the process has in memory, in bytes.
func (b besieged) memory(t *testing.T) int64 {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", b.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	pages, err := strconv.ParseInt(strings.Fields(string(status))[1], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return pages * int64(os.Getpagesize())
}

func (b besieged) descriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", b.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// alone is a client that makes a connection for each request.
func alone(t *testing.T) *http.Client {
	c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	t.Cleanup(c.CloseIdleConnections)
	return c
}

// besiegedEdge has others open streams.
func besiegedEdge(t *testing.T) besieged {
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/large":
			_, _ = w.Write(make([]byte, 1<<20))
			return
		case "/small":
			_, _ = io.WriteString(w, "an answer")
			return
		}
		w.Header().Set("Content-Type", grip.InstructType)
		_ = json.NewEncoder(w).Encode(grip.Instruct{
			Hold: &grip.Hold{Mode: grip.ModeStream, Channels: []grip.Channel{{Name: r.URL.Query().Get("u")}}, Meta: map[string]string{
				grip.MetaSession: "s", grip.MetaProof: strings.Repeat("p", 22), grip.MetaTTL: "3600",
			}},
			Response: grip.Response{Header: http.Header{"Content-Type": {sse.ContentType}}},
		})
	}))
	t.Cleanup(origin.Close)
	p := runEdge(t, t.TempDir(), "--origin", origin.URL, "--log-level", "info")
	client := alone(t)
	use := func(ctx context.Context, n int) error {
		r, err := http.NewRequestWithContext(ctx, "GET", fmt.Sprintf("http://%s/?u=%d", p.addr["edge"], n%100), nil)
		if err != nil {
			return err
		}
		r.Header.Set("Accept", sse.ContentType)
		resp, err := client.Do(r)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		for in := sse.NewReader(resp.Body); ; {
			if e, err := in.Next(); err != nil || e.Name == "ebb.hello" {
				return err
			} else if e.Name == "ebb.bye" {
				return fmt.Errorf("sent away: %s", e.Data)
			}
		}
	}
	return besieged{p.program, p.addr["edge"], use,
		map[string]string{"slow headers": "/", "slow bodies": "/", "many ranges": "/small", "slow reading": "/large"},
		map[string]bool{"slow headers": true, "slow bodies": true, "slow reading": true}}
}

// besiegedGateway has others send commands.
func besiegedGateway(t *testing.T) besieged {
	d, err := startDev(t.TempDir(), clean())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.kill)
	env := append(clean(), "EBB_GRIP_KEY="+testGripKey, "EBB_TICKET_KEY=ticket-Wn3bQ8xY5rJ7kLp2Vd9sTf6hGm1c", "EBB_JWT_KEY="+testTokenKey)
	p, err := startEbb(t.TempDir(), env, "gateway", "--addr", "127.0.0.1:0", "--admin-addr", "127.0.0.1:0", "--kafka", d.addr["kafka"], "--edge-url", "https://edge.example")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.kill)
	client := alone(t)
	var tokens []string
	for i := range 10 {
		tokens = append(tokens, bearer(t, fmt.Sprint("user", i)))
	}
	use := func(ctx context.Context, n int) error {
		target := fmt.Sprintf("http://%s/api/board/task/0d9c1c5a-7d5a-4f6e-9a57-%012d", p.addr["gateway"], n)
		r, err := http.NewRequestWithContext(ctx, "POST", target, strings.NewReader(`{"_command":"create","title":"under siege"}`))
		if err != nil {
			return err
		}
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Authorization", "Bearer "+tokens[n%len(tokens)])
		resp, err := client.Do(r)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusAccepted {
			text, _ := io.ReadAll(io.LimitReader(resp.Body, 500))
			return fmt.Errorf("%s: %s", resp.Status, text)
		}
		return nil
	}
	const task = "/api/board/task/0d9c1c5a-7d5a-4f6e-9a57-0123456789ab"
	return besieged{p, p.addr["gateway"], use,
		map[string]string{"slow headers": task, "slow bodies": task, "many ranges": task, "slow reading": task},
		map[string]bool{"slow headers": true}}
}
