package main

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ebb-events/ebb/grip"
	"github.com/ebb-events/ebb/sse"
)

const (
	testGripKey    = "grip-9Kq2vX7mB4tZ8wLc6yRd1sHj5pNa0eF"
	testPublishKey = "publish-4nT8bW2kX6rM9vC3zL7jH5qS1dG"
)

// edgeRun is a running ebb edge, in front of a back end that speaks GRIP.
type edgeRun struct {
	*program
	t    *testing.T
	http *http.Client
}

// backEnd holds a stream on ?channel for whom ebb edge sends.
func backEnd(t *testing.T) *httptest.Server {
	key, err := grip.ParseKey(testGripKey)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := key.Verify(r.Header.Get(grip.SigHeader), "ebb", time.Now()); err != nil {
			t.Errorf("Grip-Sig: %v", err)
		}
		w.Header().Set("Content-Type", sse.ContentType)
		w.Header().Set("Grip-Hold", grip.ModeStream)
		w.Header().Set("Grip-Channel", r.URL.Query().Get("channel"))
	}))
	t.Cleanup(s.Close)
	return s
}

// runEdge starts ebb edge, without Kafka unless flags say so.
func runEdge(t *testing.T, dir string, flags ...string) edgeRun {
	t.Helper()
	env := append(clean(), "EBB_GRIP_KEY="+testGripKey, "EBB_PUBLISH_KEY=base64:"+base64.StdEncoding.EncodeToString([]byte(testPublishKey)))
	p, err := startEdge(dir, env, flags...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.kill)
	return edgeRun{p, t, &http.Client{Transport: &http.Transport{}}}
}

// stream opens a stream of the channel and reads its ebb.hello.
func (e edgeRun) stream(channel, lastID string) (*stream, sse.Event) {
	e.t.Helper()
	s := e.connect(channel, lastID)
	first, err := s.Next()
	if err != nil || first.Name != "ebb.hello" {
		e.t.Fatalf("got %q %s, %v, want ebb.hello", first.Name, first.Data, err)
	}
	return s, first
}

func (e edgeRun) connect(channel, lastID string) *stream {
	e.t.Helper()
	r, err := http.NewRequestWithContext(e.t.Context(), "GET", e.base()+"/?channel="+channel, nil)
	if err != nil {
		e.t.Fatal(err)
	}
	r.Header.Set("Accept", sse.ContentType)
	if lastID != "" {
		r.Header.Set("Last-Event-ID", lastID)
	}
	resp, err := e.http.Do(r)
	if err != nil {
		e.t.Fatal(err)
	}
	e.t.Cleanup(func() { resp.Body.Close() })
	if resp.StatusCode != 200 {
		e.t.Fatalf("got %s", resp.Status)
	}
	return &stream{sse.NewReader(bufio.NewReader(resp.Body)), resp.Body, resp.Header}
}

// publish publishes data with the key's decoded bytes as a bearer token.
func (e edgeRun) publish(channel, data string) {
	e.t.Helper()
	body := fmt.Sprintf(`{"items":[{"channel":%q,"formats":{"http-stream":{"content":"data: %s\n\n"}}}]}`, channel, data)
	r, err := http.NewRequestWithContext(e.t.Context(), "POST", "http://"+e.addr["control"]+"/publish/", strings.NewReader(body))
	if err != nil {
		e.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+testPublishKey)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		e.t.Fatal(err)
	}
	defer resp.Body.Close()
	if text, _ := io.ReadAll(resp.Body); resp.StatusCode != 200 {
		e.t.Fatalf("publishing: %s %s", resp.Status, text)
	}
}

func (s *stream) want(t *testing.T, data string) sse.Event {
	t.Helper()
	for {
		e, err := s.Next()
		if err != nil {
			t.Fatalf("%v, want %q", err, data)
		}
		if e.Name == "ebb.mark" {
			continue
		}
		if string(e.Data) != data {
			t.Fatalf("got %q %q, want %q", e.Name, e.Data, data)
		}
		return e
	}
}

// TestEdgeWithoutKafka is what somebody sees who puts ebb edge where Pushpin
// was. What was published while nobody was connected, and before a kill -9,
// comes with the old cursor.
func TestEdgeWithoutKafka(t *testing.T) {
	dir, origin := t.TempDir(), backEnd(t)
	e := runEdge(t, dir, "--origin", origin.URL)
	s, _ := e.stream("room", "")
	e.publish("room", "one")
	cursor := s.want(t, "one").ID
	if cursor == "" {
		t.Error("what was published over HTTP has no cursor")
	}
	s.body.Close()
	e.publish("room", "two")
	e.publish("other", "not for us")
	e.kill()

	e = runEdge(t, dir, "--origin", origin.URL, "--sync")
	e.publish("room", "three")
	s = e.connect("room", cursor)
	for _, want := range []string{"ebb.hello", "two", "three"} {
		got, err := s.Next()
		if text := got.Name + string(got.Data); err != nil || text != want {
			t.Fatalf("got %q, %v, want %q", text, err, want)
		}
	}
	if err := e.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	s.want(t, `{"reason":"draining"}`)
	<-e.ended
	if code := e.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("ended with %d", code)
	}
}

// TestFullEdge: more than --streams come back later.
func TestFullEdge(t *testing.T) {
	e := runEdge(t, t.TempDir(), "--origin", backEnd(t).URL, "--streams", "2")
	first, _ := e.stream("room", "")
	e.stream("room", "")
	third := e.connect("room", "")
	if bye := third.want(t, `{"reason":"full"}`); bye.Name != "ebb.bye" || bye.Retry < 5*time.Second {
		t.Errorf("got %q, comes back after %v", bye.Name, bye.Retry)
	}
	e.publish("room", "one")
	first.want(t, "one")
	if got := e.metric(`ebb_edge_streams_sent_away_total{reason="full"}`); got != 1 {
		t.Errorf("counted %v", got)
	}
}

func TestEdgeOverTLS(t *testing.T) {
	dir := t.TempDir()
	writeTestCert(t, dir)
	e := runEdge(t, dir, "--origin", backEnd(t).URL, "--tls-cert", "cert.pem", "--tls-key", "key.pem")
	if !strings.HasPrefix(e.base(), "https://") {
		t.Errorf("ready at %s", e.base())
	}
	pool := x509.NewCertPool()
	b, err := os.ReadFile(filepath.Join(dir, "cert.pem"))
	if err != nil || !pool.AppendCertsFromPEM(b) {
		t.Fatal(err)
	}
	for _, h2 := range []bool{true, false} {
		protocols := new(http.Protocols)
		protocols.SetHTTP1(!h2)
		protocols.SetHTTP2(h2)
		e.http.Transport = &http.Transport{Protocols: protocols, TLSClientConfig: &tls.Config{RootCAs: pool}}
		s, _ := e.stream("room", "")
		e.publish("room", "one")
		s.want(t, "one")
		s.body.Close()
		if got := s.header.Get("Strict-Transport-Security"); got != "max-age=31536000" {
			t.Errorf("HTTP/2 %v: HSTS is %q", h2, got)
		}
	}
	if left := time.Unix(int64(e.metric("ebb_edge_certificate_expiry_timestamp_seconds")), 0); time.Until(left) < time.Minute {
		t.Errorf("expires at %v", left)
	}
	_, err = tls.Dial("tcp", e.addr["edge"], &tls.Config{RootCAs: pool, MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10})
	if err == nil {
		t.Error("it speaks TLS 1.1")
	}
}

func writeTestCert(t *testing.T, dir string) {
	t.Helper()
	key, err1 := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err2 := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	private, err3 := x509.MarshalPKCS8PrivateKey(key)
	err4 := os.WriteFile(filepath.Join(dir, "cert.pem"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600)
	err5 := os.WriteFile(filepath.Join(dir, "key.pem"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600)
	if err := errors.Join(err1, err2, err3, err4, err5); err != nil {
		t.Fatal(err)
	}
}

// metric returns the value of a series, 0 if there is none.
func (e edgeRun) metric(series string) float64 {
	e.t.Helper()
	resp, err := http.Get("http://" + e.addr["admin"] + "/metrics")
	if err != nil {
		e.t.Fatal(err)
	}
	defer resp.Body.Close()
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		if value, ok := strings.CutPrefix(lines.Text(), series+" "); ok {
			f, err := strconv.ParseFloat(value, 64)
			if err != nil {
				e.t.Fatal(err)
			}
			return f
		}
	}
	return 0
}

// moves waits until a series has more than before.
func (e edgeRun) moves(series string, before float64) {
	e.t.Helper()
	for began := time.Now(); e.metric(series) <= before; {
		if time.Since(began) > patience {
			e.t.Errorf("%s does not move", series)
			return
		}
	}
}

// TestEdgeMetrics: what an operator watches is there, and moves.
func TestEdgeMetrics(t *testing.T) {
	e := runEdge(t, t.TempDir(), "--origin", backEnd(t).URL)
	s, _ := e.stream("room", "")
	e.publish("room", "one")
	s.want(t, "one")
	for _, series := range []string{
		"ebb_edge_streams", "ebb_edge_streams_limit", "ebb_edge_streams_opened_total",
		"ebb_edge_deliveries_total", "ebb_edge_delivered_bytes_total", "ebb_edge_event_age_seconds_count",
		"ebb_edge_published_items_total", "ebb_edge_window_bytes", "ebb_edge_window_span_seconds",
		`ebb_edge_origin_seconds_count{status="200"}`,
	} {
		e.moves(series, 0)
	}
	lagging := 0
	for p := range 12 {
		if e.metric(fmt.Sprintf(`ebb_edge_lag_records{partition="%d"}`, p)) != 0 {
			lagging++
		}
	}
	if lagging > 0 {
		t.Errorf("%d partitions lag", lagging)
	}
	span := e.metric("ebb_edge_window_span_seconds")
	e.moves("ebb_edge_window_span_seconds", span)
	old := e.connect("room", "1.AAAAAAAA.0.7.0..")
	if reset, err := old.Next(); err != nil || reset.Name != "ebb.reset" {
		t.Fatalf("got %q, %v", reset.Name, err)
	}
	e.moves(`ebb_edge_resets_total{reason="generation"}`, 0)
	s.body.Close()
	e.moves(`ebb_edge_streams_closed_total{reason="gone"}`, 0)
	resp, err := http.Post("http://"+e.addr["control"]+"/publish/", "application/json", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	e.moves(`ebb_edge_publish_refused_total{status="401"}`, 0)

	// All of them have names as Prometheus wants them, and are in the manual.
	manual, err := os.ReadFile("../../docs/operating.md")
	if err != nil {
		t.Fatal(err)
	}
	resp, err = http.Get("http://" + e.addr["admin"] + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	wellNamed := regexp.MustCompile(`^ebb_[a-z0-9_]+$`)
	units := regexp.MustCompile(`_(seconds|bytes|records|streams|limit|setups)$`)
	seen := 0
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		f := strings.Fields(lines.Text())
		if len(f) != 4 || f[1] != "TYPE" || !strings.HasPrefix(f[2], "ebb_") {
			continue
		}
		seen++
		name, kind := f[2], f[3]
		if !wellNamed.MatchString(name) || (kind == "counter") != strings.HasSuffix(name, "_total") || kind != "counter" && !units.MatchString(name) {
			t.Errorf("%s is no name for a %s", name, kind)
		}
		if !strings.Contains(string(manual), "`"+name) {
			t.Errorf("%s is not in docs/operating.md", name)
		}
	}
	if seen < 15 {
		t.Errorf("only %d metrics", seen)
	}
}

// TestEdgeWithFewDescriptors: with 200, streams that are there live, others are
// told to come back, and find room again; both where the edge stops in time and
// where it really has none left.
func TestEdgeWithFewDescriptors(t *testing.T) {
	t.Setenv("FEW", "1")
	for _, streams := range []string{"0", "100000"} {
		t.Run("streams "+streams, func(t *testing.T) {
			e := runEdge(t, t.TempDir(), "--origin", backEnd(t).URL, "--streams", streams)
			e.publish("room", "so that the way to the broker is open")
			held := e.crowd()
			e.publish("room", "alive")
			for _, s := range held {
				s.want(t, "alive")
			}
			if got := e.metric("ebb_edge_streams"); int(got) != len(held) {
				t.Errorf("%v streams are counted, want %d", got, len(held))
			}
			for _, s := range held[:len(held)/2] {
				s.body.Close()
			}
			for began := time.Now(); ; {
				if first, err := e.connect("room", "").Next(); err == nil && first.Name == "ebb.hello" {
					break
				}
				if time.Since(began) > patience {
					t.Fatal("there is no room")
				}
			}
		})
	}
}

// crowd opens streams until twenty have been sent away.
func (e edgeRun) crowd() (held []*stream) {
	e.t.Helper()
	for away := 0; away < 20; {
		s := e.connect("room", "")
		first, err := s.Next()
		switch {
		case err == nil && first.Name == "ebb.hello":
			held = append(held, s)
		case err == nil && first.Name == "ebb.bye" && first.Retry >= time.Second:
			away++
			s.body.Close()
		default:
			e.t.Fatalf("with %d streams: got %q %q, %v", len(held), first.Name, first.Data, err)
		}
	}
	if len(held) < 50 || len(held) > 200 {
		e.t.Fatalf("%d streams were held", len(held))
	}
	return held
}

// TestRoutesFileIsFollowed: without a restart, and what is wrong changes
// nothing.
func TestRoutesFileIsFollowed(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "routes.yaml")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file+".new", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(file+".new", file); err != nil {
			t.Fatal(err)
		}
	}
	first, second := backEnd(t), backEnd(t)
	write(fmt.Sprintf("- {path: /a, origin: %q, prefix: a}\n", first.URL))
	e := runEdge(t, dir, "--routes", file)
	status := func(path string) int {
		t.Helper()
		resp, err := http.Get(e.base() + path)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp.StatusCode
	}
	want := func(path string, want int) {
		t.Helper()
		if got := status(path); got != want {
			t.Errorf("%s: got %d, want %d", path, got, want)
		}
	}
	told := func(line string) {
		t.Helper()
		if err := e.await(func() bool { return strings.Contains(strings.Join(e.stderr, "\n"), line) }); err != nil {
			t.Fatal(err)
		}
	}
	want("/a?channel=x", 200)
	want("/b?channel=x", 404)
	write("- {path: /a, origin: http://127.0.0.1:1}\n")
	told("the former stay in use")
	want("/a?channel=x", 200)
	write(fmt.Sprintf("- {path: /b, origin: %q, prefix: b}\n", second.URL))
	told("the routes have changed")
	want("/b?channel=x", 200)
	want("/a?channel=x", 404)
}
