package dev_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/ebb-events/ebb/internal/logtest"
)

// TestNoSecretsInLogs runs a whole system, does right and wrong with everything
// that opens something, and then looks for it: in the log with all levels, on
// every topic, on the streams, in what operators see and in what refusals say
// (S11, S33). Then it plants what it looked for, and must find that.
func TestNoSecretsInLogs(t *testing.T) {
	c := canaries{}
	for _, name := range []string{"GRIP", "PUBLISH"} {
		secret := make([]byte, 32)
		rand.Read(secret)
		t.Setenv("EBB_"+name+"_KEY", hex.EncodeToString(secret))
		c.add(strings.ToLower(name)+" key", hex.EncodeToString(secret))
		c.add(strings.ToLower(name)+" key, bytes", string(secret))
	}
	s := start(t, t.TempDir(), "--log-level", "debug", "--first-use", "2s")
	m := &mission{system: s, secret: c, said: &logtest.Text{}}
	anns := m.play(t)

	sinks := m.look(t, anns)
	if len(sinks) < 10 || len(sinks["log"]) == 0 || len(sinks["topic board-task-reply"]) == 0 || len(sinks["topic ebb-channels"]) == 0 || len(sinks["stream of bob"]) == 0 {
		t.Fatalf("there is little to look at: %v", slices.Collect(maps.Keys(sinks)))
	}
	bytesSeen := 0
	for _, sink := range slices.Sorted(maps.Keys(sinks)) {
		bytesSeen += len(sinks[sink])
		for _, found := range c.in(sinks[sink]) {
			if !(sink == "stream of ann" && strings.HasPrefix(found, "her proof")) { // which is in her ids
				t.Errorf("%s: there is %s", sink, found)
			}
		}
	}
	t.Logf("looked for %d secrets in %d places, %d bytes", len(c), len(sinks), bytesSeen)

	m.plant(t, anns)
	c.add("an address, which is logged", s.addrOf("edge"))
	sinks = m.look(t, anns)
	for sink, want := range map[string]string{
		"log": "an address, which is logged", "stream of ann": "ann's token", "topic ebb-channels": "ann's token",
		"topic planted": "her ticket", "topic planted-64": "her ticket", "topic planted-gzip": "publish key", "topic planted-header": "grip key", "topic planted-key": "her proof",
	} {
		if !slices.ContainsFunc(c.in(sinks[sink]), func(found string) bool { return strings.HasPrefix(found, want) }) {
			t.Errorf("%s has %s, which is not found", sink, want)
		}
	}
	if err := s.end(syscall.SIGTERM); err != nil {
		t.Errorf("ended with %v", err)
	}
	for _, found := range c.in([]byte(s.log.String())) {
		if !strings.HasPrefix(found, "an address") {
			t.Errorf("the log has %s at its end", found)
		}
	}
}

// canaries are secrets by what they are, each as whoever writes them down may
// write them.
type canaries map[string][]string

func (c canaries) add(name, secret string) {
	// Half of it in another guise would be bad enough.
	half := secret[:min(len(secret), 24)]
	c[name] = []string{half, url.QueryEscape(half), hex.EncodeToString([]byte(half)), strings.ToUpper(hex.EncodeToString([]byte(half))), fmt.Sprint([]byte(half))}
	for shift := range 3 { // base64 of something that it stands in
		for _, enc := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
			text := enc.EncodeToString([]byte(strings.Repeat("x", shift) + half))
			c[name] = append(c[name], text[2*shift:len(text)-len(text)%4-1])
		}
	}
}

// in returns which of them are in text.
func (c canaries) in(text []byte) (found []string) {
	for name, forms := range c {
		for i, form := range forms {
			if bytes.Contains(text, []byte(form)) {
				found = append(found, fmt.Sprintf("%s (form %d)", name, i))
			}
		}
	}
	return found
}

// mission is what is done to the system, and what it says.
type mission struct {
	*system
	secret canaries
	said   *logtest.Text // refusals, whole
}

// play does what users, strangers and publishers do. The streams of ann and bob
// are the notes that it returns.
func (m *mission) play(t *testing.T) map[string]*logtest.Text {
	ann, bob := m.login("ann"), m.login("bob")
	for _, u := range []user{ann, bob} {
		m.secret.add(u.name+"'s token", u.token)
		parts := strings.Split(u.token, ".")
		m.secret.add(u.name+"'s token, claims", parts[1])
		m.secret.add(u.name+"'s token, signature", parts[2])
	}
	at := ann.redirect()
	ticket := at.Query().Get("u")
	_, sealed, _ := strings.Cut(ticket, ".") // before it is the name of its key
	m.secret.add("her ticket", sealed)
	opened := time.Now()
	streams := map[string]*logtest.Text{"stream of ann": m.record(at.String(), ""), "stream of bob": m.record(bob.redirect().String(), "")}
	anns := streams["stream of ann"]
	m.heard(anns, "event: ebb.hello")
	id := m.lastID(anns)
	proof := id[strings.LastIndex(id, ".")+1:]
	m.secret.add("her proof", proof)
	const foreign = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhLWNhbmFyeS1pbi1hLXJlcGx5In0.c2lnbmVkLWJ5LW5vYm9keQ"

	// Right.
	task := uuid.NewString()
	created := ann.send(task, map[string]any{"_command": "create", "title": "to be seen"})
	m.heard(anns, created.Corr)
	shared := ann.send(task, map[string]any{"_command": "share", "user": "bob"})
	m.heard(streams["stream of bob"], shared.Corr)
	ann.list()
	m.refuse("GET", m.api("/api/board/task?fresh"), "", ann.header())
	m.refuse("POST", m.api("/api/board/task/"+task), `{"_command":"rename","title":"waited for"}`, with(ann.header(), "Content-Type", "application/json", "Prefer", "wait=5"))
	content := `{"items":[{"channel":"ann","formats":{"http-stream":{"content":"data: published\n\n"}}}]}`
	publish := "http://" + m.addrOf("control") + "/publish/"
	key := os.Getenv("EBB_PUBLISH_KEY")
	m.refuse("POST", publish, content, http.Header{"Authorization": {"Bearer " + key}})
	m.refuse("POST", publish, content, http.Header{"Fastly-Key": {key}})
	m.refuse("POST", publish, content, http.Header{"Authorization": {"Basic " + base64.StdEncoding.EncodeToString([]byte("realm:"+key))}})
	m.heard(anns, "published")

	// Wrong: a token, a ticket, a key where it has no place, or nearly right.
	bearer := func(token string) http.Header { return http.Header{"Authorization": {"Bearer " + token}} }
	json := func(h http.Header) http.Header { return with(h, "Content-Type", "application/json") }
	edge := "http://" + m.addrOf("edge")
	for _, wrong := range []struct {
		method, url, body string
		header            http.Header
	}{
		{"GET", m.api("/api/sse?access_token=" + ann.token), "", nil},
		{"GET", m.api("/api/sse"), "", bearer(ann.token[:len(ann.token)-6] + "AAAAAA")},
		{"GET", m.api("/api/sse"), "", bearer(ann.token + ann.token)},
		{"GET", m.api("/api/sse"), "", http.Header{"Authorization": {"Basic " + ann.token}}},
		{"GET", m.api("/api/sse"), "", with(nil, "Cookie", "access_token="+ann.token, "Origin", "https://evil.test")},
		{"GET", m.api("/api/sse?cursor=" + id), "", with(ann.header(), "Sec-Fetch-Mode", "navigate")},
		{"GET", m.api("/api/sse-setup?u=" + ticket), "", nil},
		{"GET", m.api("/api/sse-setup?u=" + ticket), "", http.Header{"Grip-Sig": {ann.token}}},
		{"GET", m.api("/api/none?u=" + ticket + "&access_token=" + ann.token), "", ann.header()},
		{"GET", m.api("/api/" + ann.token + "/" + ticket), "", ann.header()},
		{"POST", m.api("/api/board/task/" + task + "?access_token=" + ann.token), `{"_command":"rename","title":"x"}`, json(nil)},
		{"POST", m.api("/api/board/task/" + task), `{"_command":"` + ann.token + `","_jwt":"` + ann.token + `"}`, json(ann.header())},
		{"POST", m.api("/api/board/task/" + ticket), `{}`, json(ann.header())},
		{"POST", m.api("/dev/login"), `{"user":` + `"` + strings.Repeat("x", 300) + ann.token + `"}`, json(nil)},
		{"GET", edge + "/api/sse-setup?u=" + ticket + "x", "", http.Header{"Accept": {"text/event-stream"}}},
		{"GET", edge + "/api/sse-setup?u=" + ticket[:len(ticket)-1] + "&cursor=" + id, "", http.Header{"Accept": {"text/event-stream"}}},
		{"GET", edge + "/" + ticket, "", http.Header{"Authorization": {"Bearer " + ann.token}, "Cookie": {"access_token=" + ann.token}}},
		{"POST", edge + "/api/sse-setup?u=" + ticket, ann.token, nil},
		{"POST", publish, content, bearer(ann.token)},
		{"POST", publish + "?key=" + key, content, nil},
		{"POST", publish, `{"items":[{"channel":"` + key, bearer(key)},
		{"POST", publish, `{"items":[{"channel":"ann","formats":{"http-stream":{"action":"` + ann.token + `"}}}]}`, http.Header{}},
		{"POST", publish, content, http.Header{"Authorization": {"Basic b'" + base64.StdEncoding.EncodeToString([]byte("realm:"+key)) + "'"}}},
		{"GET", m.api("/%00" + ticket), "", nil},
	} {
		m.refuse(wrong.method, wrong.url, wrong.body, wrong.header)
	}
	m.produce(t, "board-task-reply", fmt.Sprintf(`{"_id":%q,"_outcome":"applied","_jwt":{"sub":"ann","token":%q},"_subscriptions":["bob"],"deep":[{"er":%q,"said":"Bearer %s"}],"_corr":"with a token in it"}`, task, foreign, foreign, foreign))
	m.produce(t, "board-task-reply", "no JSON, but "+foreign)
	m.produce(t, "board-task-command", `{"_command":"x","no":"`+foreign)
	m.heard(anns, "with a token in it")
	m.heard(streams["stream of bob"], "with a token in it")
	for name, stream := range streams {
		if strings.Contains(stream.String(), foreign[:30]) {
			t.Errorf("%s has a token that a reply carried", name)
		}
	}
	if log := m.log.String(); strings.Contains(log, foreign[:30]) {
		t.Error("the log has what could not be read")
	}

	// Late: the URL alone, with a cursor in the URL, with a proof; each to the edge.
	for time.Since(opened) < 2500*time.Millisecond {
		pause(t.Context(), 20*time.Millisecond)
	}
	stream := http.Header{"Accept": {"text/event-stream"}}
	for _, late := range []string{at.String(), at.String() + "&cursor=" + id} {
		if resp := m.refuse("GET", late, "", stream); resp.StatusCode != http.StatusForbidden {
			t.Errorf("the URL alone after its time: %s", resp.Status)
		}
	}
	if resp := m.refuse("GET", at.String(), "", with(stream, "Last-Event-ID", strings.Replace(id, proof, strings.Repeat("A", 22), 1))); resp.StatusCode != http.StatusForbidden {
		t.Errorf("with another proof: %s", resp.Status)
	}
	m.heard(m.record(at.String(), id), "event: ebb.hello")
	return streams
}

// with adds headers in pairs.
func with(h http.Header, pairs ...string) http.Header {
	h = maps.Clone(h)
	if h == nil {
		h = http.Header{}
	}
	for i := 0; i < len(pairs); i += 2 {
		h.Set(pairs[i], pairs[i+1])
	}
	return h
}

// refuse sends a request and keeps what is said to it, whatever that is.
func (m *mission) refuse(method, url, body string, header http.Header) *http.Response {
	m.t.Helper()
	req, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		m.t.Fatal(err)
	}
	maps.Copy(req.Header, header)
	resp, err := client.Do(req)
	if err != nil {
		m.t.Fatal(err)
	}
	defer resp.Body.Close()
	fmt.Fprintln(m.said, resp.Status, resp.Header)
	if _, err := io.Copy(m.said, resp.Body); err != nil {
		m.t.Fatal(err)
	}
	return resp
}

// record reads a stream, as it is, for as long as the test runs.
func (m *mission) record(url, lastID string) *logtest.Text {
	m.t.Helper()
	req, err := http.NewRequestWithContext(m.t.Context(), "GET", url, nil)
	if err != nil {
		m.t.Fatal(err)
	}
	req.Header.Set("Accept", "text/event-stream")
	if lastID != "" {
		req.Header.Set("Last-Event-ID", lastID)
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil || resp.StatusCode != http.StatusOK {
		m.t.Fatal(err, resp)
	}
	n := &logtest.Text{}
	fmt.Fprintln(n, resp.Header)
	go func() {
		defer resp.Body.Close()
		_, _ = io.Copy(n, resp.Body) // until it is cut off
	}()
	return n
}

// heard waits until a stream has said that.
func (m *mission) heard(stream *logtest.Text, what string) {
	m.t.Helper()
	for end := time.Now().Add(soon); !strings.Contains(stream.String(), what); pause(m.t.Context(), 10*time.Millisecond) {
		if time.Now().After(end) {
			m.t.Fatalf("no %q on a stream:\n%s", what, stream)
		}
	}
}

// lastID is the latest id of a stream.
func (m *mission) lastID(stream *logtest.Text) string {
	m.t.Helper()
	_, id, ok := strings.Cut(stream.String(), "\nid: ")
	id, _, _ = strings.Cut(id, "\n")
	if !ok || strings.Count(id, ".") != 6 {
		m.t.Fatalf("no id on\n%s", stream)
	}
	return id
}

// look returns all that was written anywhere, by where.
func (m *mission) look(t *testing.T, streams map[string]*logtest.Text) map[string][]byte {
	t.Helper()
	all := map[string][]byte{"log": []byte(m.log.String()), "refusals": []byte(m.said.String())}
	for name, stream := range streams {
		all[name] = []byte(stream.String())
	}
	for _, path := range []string{"/metrics", "/readyz", "/debug/pprof/goroutine?debug=2", "/debug/pprof/cmdline"} {
		all["admin "+path] = m.do("GET", "http://"+m.addrOf("admin")+path, nil, nil).body
	}
	maps.Copy(all, m.topics(t))
	return all
}

// topics reads every topic from its start to its end.
func (m *mission) topics(t *testing.T) map[string][]byte {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(m.addrOf("kafka")), kgo.KeepControlRecords()) // which may be the last
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	ctx, stop := context.WithTimeout(t.Context(), soon)
	defer stop()
	adm := kadm.NewClient(cl)
	there, err := adm.ListTopicsWithInternal(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ends, err := adm.ListEndOffsets(t.Context(), there.Names()...)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][]byte{}
	from := map[string]map[int32]kgo.Offset{}
	left := map[string]int64{}
	ends.Each(func(o kadm.ListedOffset) {
		if o.Offset == 0 {
			return
		}
		if from[o.Topic] == nil {
			from[o.Topic] = map[int32]kgo.Offset{}
		}
		from[o.Topic][o.Partition] = kgo.NewOffset().At(0)
		left[fmt.Sprint(o.Topic, "/", o.Partition)] = o.Offset
	})
	cl.AddConsumePartitions(from)
	for len(left) > 0 {
		fetches := cl.PollFetches(ctx)
		if ctx.Err() != nil {
			t.Fatalf("not read to their ends: %v", left)
		}
		fetches.EachPartition(func(p kgo.FetchTopicPartition) {
			for _, r := range p.Records {
				at := "topic " + r.Topic
				all[at] = append(append(append(all[at], r.Key...), ' '), r.Value...)
				if zipped, err := gzip.NewReader(bytes.NewReader(r.Value)); err == nil {
					plain, _ := io.ReadAll(zipped)
					all[at] = append(all[at], plain...)
				}
				for _, h := range r.Headers {
					all[at] = append(append(append(all[at], '\n'), h.Key...), h.Value...)
				}
				all[at] = append(all[at], '\n')
				part := fmt.Sprint(r.Topic, "/", r.Partition)
				if r.Offset+1 >= left[part] {
					delete(left, part)
				}
			}
		})
	}
	return all
}

// produce writes a record as whoever has Kafka can.
func (m *mission) produce(t *testing.T, topic, value string) {
	t.Helper()
	m.write(t, &kgo.Record{Topic: topic, Key: []byte("k"), Value: []byte(value)})
}

func (m *mission) write(t *testing.T, r *kgo.Record) {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(m.addrOf("kafka")))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	if err := cl.ProduceSync(t.Context(), r).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

func (m *mission) create(t *testing.T, topic string) {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(m.addrOf("kafka")))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	if _, err := kadm.NewClient(cl).CreateTopic(t.Context(), 1, 1, nil, topic); err != nil {
		t.Fatal(err)
	}
}

// plant puts secrets where the search must find them.
func (m *mission) plant(t *testing.T, streams map[string]*logtest.Text) {
	t.Helper()
	half := func(name string) string { return m.secret[name][0] }
	items, _ := json.Marshal(map[string]any{"items": []any{map[string]any{"channel": "ann", "formats": map[string]any{
		"http-stream": map[string]string{"content": "data: planted " + half("ann's token") + "\n\n"},
	}}}})
	if _, err := post("http://"+m.addrOf("control")+"/publish/", os.Getenv("EBB_PUBLISH_KEY"), items, "message"); err != nil {
		t.Fatal(err)
	}
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	fmt.Fprint(z, half("publish key"))
	z.Close()
	for _, r := range []kgo.Record{
		{Topic: "planted", Value: []byte("u=" + half("her ticket"))},
		{Topic: "planted-64", Value: []byte(base64.StdEncoding.EncodeToString([]byte("now, " + half("her ticket") + "...")))},
		{Topic: "planted-gzip", Value: zipped.Bytes()},
		{Topic: "planted-header", Headers: []kgo.RecordHeader{{Key: "h", Value: []byte(half("grip key"))}}},
		{Topic: "planted-key", Key: []byte(half("her proof"))},
	} {
		m.create(t, r.Topic)
		m.write(t, &r)
	}
	m.heard(streams["stream of ann"], "planted")
}
