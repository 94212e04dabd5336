package bench

import (
	"strings"
	"testing"
	"time"
)

func TestResultsSayWhatWentWrong(t *testing.T) {
	good := func() *Report {
		return &Report{
			Ebb: &Server{
				Blocks: []Fanout{{Deliveries: 10}}, Burst: &Fanout{Deliveries: 10}, Personal: &Personal{Events: 10},
			},
			Slow:   &Slow{Events: 8, Received: 8},
			Secure: []Secure{{Name: "HTTP/2", Streams: 3, Heard: 3}},
		}
	}
	if err := good().Wrong(); err != nil {
		t.Errorf("got %v, though all is well", err)
	}
	for want, spoil := range map[string]func(*Report){
		"one at a time: 1 lost":                func(r *Report) { r.Ebb.Blocks[0].Lost = 1 },
		"as fast as accepted: 2 twice":         func(r *Report) { r.Ebb.Burst.Wrong.Repeats = 2 },
		"single users: 1,234 of others":        func(r *Report) { r.Ebb.Personal.Wrong.Foreign = 1234 },
		"beside a slow reader: 1 out of order": func(r *Report) { r.Slow.With.Wrong.Missing = 1 },
		"to a slow reader: 1 lost":             func(r *Report) { r.Slow.Received = 7 },
		"over TLS, HTTP/2: 3 lost":             func(r *Report) { r.Secure[0].Heard = 0 },
	} {
		r := good()
		spoil(r)
		if err := r.Wrong(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

func TestTableOfServers(t *testing.T) {
	floor := &Server{Name: "floor (C)", Blocks: []Fanout{{Deliveries: 100, CPU: 200 * time.Microsecond, Took: time.Millisecond}}}
	ours := &Server{
		Name: "Ebb", Memory: []Point{{10, 900}, {100, 512}},
		Blocks: []Fanout{
			{Deliveries: 50, CPU: 100 * time.Microsecond, Took: time.Millisecond, P50: time.Millisecond, P99: 2 * time.Millisecond},
			{Deliveries: 50, CPU: 130 * time.Microsecond, Took: time.Millisecond, P99: time.Millisecond},
		},
	}
	r := &Report{Edge: Edge{Streams: 15_000}, Ebb: ours, Floor: floor, Peers: []*Server{{Name: "nchan", Memory: []Point{{100, 10240}}}}}
	got := r.Table()
	for _, want := range []string{
		"|  | target | Ebb | floor (C) | nchan |\n|---|---:|---:|---:|---:|\n",
		"| memory per idle stream, one channel for all, KiB (15,000 streams) | 0.5 | 0.50 |  | 10.00 |\n",
		"| one broadcast at a time: CPU per delivery, us | 1.15 x floor | 2.3 (1.15 x) | 2.0 |  |\n",
		"| - deliveries/s |  | 50,000 | 100,000 |  |\n",
		"| - latency p50, p99, ms |  | 1.0, 2.0 | 0.0, 0.0 |  |\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is missing in\n%s", want, got)
		}
	}
	if strings.Contains(got, "opening") {
		t.Errorf("there is a row of what was not measured:\n%s", got)
	}
}

func TestThousands(t *testing.T) {
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", 15_000: "15,000", 1_234_567: "1,234,567", -1000: "-1,000"} {
		if got := thousands(n); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
