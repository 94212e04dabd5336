package serve

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func get(h http.Handler, path string) (int, string) {
	w := httptest.NewRecorder()
	r := httptest.NewRequest("GET", path, nil)
	r.RemoteAddr = "127.0.0.1:1"
	h.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

func TestAdmin(t *testing.T) {
	a := NewAdmin()
	for path, want := range map[string]string{
		"/healthz":             "ok\n",
		"/readyz":              "ready\n",
		"/metrics":             "go_goroutines",
		"/debug/pprof/":        "goroutine",
		"/debug/pprof/heap":    "",
		"/debug/pprof/cmdline": "serve.test",
	} {
		if code, body := get(a, path); code != 200 || !strings.Contains(body, want) {
			t.Errorf("%s: got %d, %.200q, want %q", path, code, body, want)
		}
	}
	if code, _ := get(a, "/"); code != 404 {
		t.Errorf("/: got %d", code)
	}
}

// TestPprofIsForThisMachine: metrics may be asked for from elsewhere, memory not.
func TestPprofIsForThisMachine(t *testing.T) {
	a := NewAdmin()
	for from, want := range map[string]int{"127.0.0.1:9": 200, "[::1]:9": 200, "[::ffff:127.0.0.1]:9": 200, "10.0.0.7:9": 403, "[fe80::1%eth0]:9": 403, "": 403} {
		for _, path := range []string{"/debug/pprof/", "/debug/pprof/heap", "/debug/pprof/cmdline", "/debug/pprof/symbol"} {
			w, r := httptest.NewRecorder(), httptest.NewRequest("GET", path, nil)
			r.RemoteAddr = from
			if a.ServeHTTP(w, r); w.Code != want {
				t.Errorf("%s from %q: got %d, want %d", path, from, w.Code, want)
			}
		}
		w, r := httptest.NewRecorder(), httptest.NewRequest("GET", "/metrics", nil)
		r.RemoteAddr = from
		if a.ServeHTTP(w, r); w.Code != 200 {
			t.Errorf("/metrics from %q: got %d", from, w.Code)
		}
	}
}

func TestReadyzSaysWhyNot(t *testing.T) {
	a := NewAdmin()
	why := map[string]error{"edge": errors.New("reading the channel log"), "kafka": errors.New("broker away")}
	for _, name := range []string{"edge", "view", "kafka"} {
		a.Check(name, func() error { return why[name] })
	}
	if code, body := get(a, "/readyz"); code != 503 || body != "edge: reading the channel log\nkafka: broker away\n" {
		t.Errorf("got %d, %q", code, body)
	}
	if code, _ := get(a, "/healthz"); code != 200 {
		t.Errorf("healthz: got %d", code)
	}
	clear(why)
	if code, body := get(a, "/readyz"); code != 200 || body != "ready\n" {
		t.Errorf("got %d, %q", code, body)
	}
}

func TestMetrics(t *testing.T) {
	a := NewAdmin()
	a.Counter("connector_failures_total", "Attempts that failed.")
	dead := a.Counter("connector_dead_total", "Replies put aside.", "reason")
	dead(1, "no-json")
	dead(2, "no-json")
	a.Gauge("edge_streams", "Streams held.", func() float64 { return 7 })
	a.GaugeOf("edge_lag_records", "Records not yet seen.", "partition")(3, "11")
	a.Seconds("edge_age", "Age of events.")(3 * time.Millisecond)
	_, body := get(a, "/metrics")
	for _, want := range []string{
		"\nebb_connector_failures_total 0\n",
		"\nebb_connector_dead_total{reason=\"no-json\"} 3\n",
		"\nebb_edge_streams 7\n",
		"\nebb_edge_lag_records{partition=\"11\"} 3\n",
		"\nebb_edge_age_seconds_bucket{le=\"0.002\"} 0\n",
		"\nebb_edge_age_seconds_bucket{le=\"0.004\"} 1\n",
		"\nebb_edge_age_seconds_bucket{le=\"32.768\"} 1\n",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("no %q in\n%s", want, body)
		}
	}
}
