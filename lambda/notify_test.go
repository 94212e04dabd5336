package lambda

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ebb-events/ebb/grip"
	"github.com/ebb-events/ebb/sse"
)

// edge is one for publishers. It is a transport, so that time can stand still.
type edge struct {
	t      *testing.T
	key    grip.Key
	got    []grip.Item
	sizes  []int
	answer func(n int, items []grip.Item) int // status of the nth request; 200 if nil, no answer if 0
	n      int
	header http.Header
}

func (e *edge) RoundTrip(r *http.Request) (*http.Response, error) {
	b, err := io.ReadAll(r.Body)
	if err != nil {
		e.t.Error(err)
	}
	items, err := grip.ParseItems(b)
	if err != nil || r.Method != "POST" || r.URL.Path != "/publish/" {
		e.t.Errorf("%s %v: %v", r.Method, r.URL, err)
	}
	if !e.key.IsZero() && e.key.Authorize(r, time.Now()) != nil {
		e.t.Errorf("not authorized: %v", r.Header)
	}
	e.n++
	e.sizes, e.header = append(e.sizes, len(b)), r.Header
	status := 200
	if e.answer != nil {
		status = e.answer(e.n, items)
	}
	if status == 0 {
		return nil, errors.New("connection reset")
	}
	if status == 200 {
		e.got = append(e.got, items...)
	}
	return &http.Response{StatusCode: status, Body: io.NopCloser(strings.NewReader("said\n")), Header: http.Header{}}, nil
}

// sent is what the edge has: channel, id and data of each.
func (e *edge) sent() (list []string) {
	for _, item := range e.got {
		event, err := sse.NewReader(bytes.NewReader(item.Stream.Content)).Next()
		if err != nil {
			e.t.Errorf("%q is no event: %v", item.Stream.Content, err)
		}
		name := event.Name
		if name != "" {
			name += "="
		}
		list = append(list, fmt.Sprintf("%s %s %s%s", item.Channel, item.ID, name, event.Data))
	}
	return list
}

// notifying makes notify with edges, and what it logs.
func notifying(t *testing.T, env map[string]string, to ...*edge) (Handler, *bytes.Buffer) {
	t.Helper()
	var log bytes.Buffer
	if env == nil {
		env = map[string]string{}
	}
	for i := range to {
		env["EBB_PUBLISH_URL"] += fmt.Sprintf("http://edge%d.test,", i)
	}
	s := &Settings{
		Log:     slog.New(slog.NewJSONHandler(&log, nil)),
		lookup:  func(name string) string { return env[name] },
		resolve: func(text string) (string, error) { return text, nil },
	}
	n, err := newNotifier(s)
	if err != nil {
		t.Fatal(err)
	}
	for i, e := range to {
		n.edges[i].client.Transport = e
	}
	return n.handle, &log
}

// snsEvent is an event of SNS with messages m1, m2, ...
func snsEvent(messages ...string) []byte {
	var records []string
	for i, m := range messages {
		text, _ := json.Marshal(m)
		records = append(records, fmt.Sprintf(`{"EventSource":"aws:sns","EventVersion":"1.0","Sns":{"Type":"Notification","MessageId":"m%d","TopicArn":"arn:aws:sns:x:0:replies","Subject":null,"Message":%s,"MessageAttributes":{}}}`, i+1, text))
	}
	return []byte(`{"Records":[` + strings.Join(records, ",") + `]}`)
}

const (
	anns = `{"_id":"1","_corr":"c","_outcome":"applied","_acl":{"write":["x"]},"_subscriptions":["bob"],"_jwt":{"sub":"ann","roles":["x"]},"title":"<é>\n"}`
	bobs = `{"_id":"2","_jwt":{"sub":"bob"}}`
)

// TestRepliesArePublished to each who hears them, under SNS's id, without claims.
func TestRepliesArePublished(t *testing.T) {
	e := &edge{t: t}
	h, _ := notifying(t, nil, e)
	if got, err := h(t.Context(), snsEvent(anns, bobs)); err != nil || string(got) != `{"batchItemFailures":[]}` {
		t.Errorf("got %s, %v", got, err)
	}
	want := []string{
		`ann m1 {"_id":"1","_corr":"c","_outcome":"applied","_acl":{"write":["x"]},"_subscriptions":["bob"],"title":"<é>\n"}`,
		`bob m1 {"_id":"1","_corr":"c","_outcome":"applied","_subscriptions":["bob"],"title":"<é>\n"}`,
		`bob m2 {"_id":"2"}`,
	}
	if got := e.sent(); !slices.Equal(got, want) || e.n != 1 {
		t.Errorf("got %d requests,\n%s\nwant\n%s", e.n, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestRulesOfTheConnectorHold(t *testing.T) {
	e := &edge{t: t}
	h, _ := notifying(t, map[string]string{
		"EBB_EXCLUDE": "ann", "EBB_EVENT_NAME": "reply", "EBB_NAME_FIELD": "kind", "EBB_MAX_EVENT": "4096",
		"EBB_ISSUERS": `[{"issuer":"https://a.test","namespace":"a"},{"issuer":"https://b.test","namespace":"b"}]`,
	}, e)
	_, err := h(t.Context(), snsEvent(
		`{"_jwt":{"iss":"https://a.test","sub":"a:bob"}}`,
		`{"kind":"moved","_jwt":{"iss":"https://b.test","sub":"b:bob"}}`,
		`{"_jwt":{"iss":"https://a.test","sub":"b:bob"}}`,
		`{"_corr":"c","x":"`+strings.Repeat("x", 5000)+`","_jwt":{"iss":"https://a.test","sub":"a:bob"}}`,
	))
	if err == nil || err.Error() != "notify: 1 of 4 records not published: m3: foreign-user" {
		t.Errorf("got %v", err)
	}
	want := []string{`a:bob m1 reply={}`, `b:bob m2 moved={"kind":"moved"}`, `a:bob m4 reply={"_corr":"c","_truncated":true,"reason":"too large","size":5020}`}
	if got := e.sent(); !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

// TestSNSBatchWithOneBadRecord: the good ones are published, the bad one is
// reported with its reason, in the log and to the failure destination.
func TestSNSBatchWithOneBadRecord(t *testing.T) {
	for bad, reason := range map[string]string{
		`{"_id":"1"}`:              "no-recipient",
		`not JSON`:                 "no-json",
		``:                         "empty",
		`[]`:                       "no-object",
		`{"_jwt":{"sub":"a\nb"}}`:  "bad-recipient",
		strings.Repeat("[", 20000): "too-deep",
	} {
		e := &edge{t: t}
		h, log := notifying(t, nil, e)
		got, err := h(t.Context(), snsEvent(bobs, bad, bobs))
		if err == nil || err.Error() != "notify: 1 of 3 records not published: m2: "+reason {
			t.Errorf("%.30q: got %s, %v, want %s", bad, got, err, reason)
		}
		if sent := e.sent(); !slices.Equal(sent, []string{`bob m1 {"_id":"2"}`, `bob m3 {"_id":"2"}`}) {
			t.Errorf("%.30q: published %q", bad, sent)
		}
		if n := strings.Count(log.String(), "not published"); n != 1 || !strings.Contains(log.String(), `"id":"m2","reason":"`+reason+`"`) {
			t.Errorf("%.30q: log\n%s", bad, log)
		}
	}
}

// TestRecordThatTheEdgeRefuses keeps back no other.
func TestRecordThatTheEdgeRefuses(t *testing.T) {
	e := &edge{t: t}
	e.answer = func(_ int, items []grip.Item) int {
		if slices.ContainsFunc(items, func(i grip.Item) bool { return i.ID == "m2" }) {
			return 400
		}
		return 200
	}
	h, _ := notifying(t, nil, e)
	_, err := h(t.Context(), snsEvent(bobs, anns, bobs))
	if err == nil || err.Error() != "notify: 1 of 3 records not published: m2: the edge answers 400" {
		t.Errorf("got %v", err)
	}
	if sent := e.sent(); !slices.Equal(sent, []string{`bob m1 {"_id":"2"}`, `bob m3 {"_id":"2"}`}) {
		t.Errorf("published %q", sent)
	}
}

// TestEdgeAwayIsRetried, whatever way it is away, and nothing is sent twice that
// was taken.
func TestEdgeAwayIsRetried(t *testing.T) {
	for _, status := range []int{0, 500, 502, 503, 429, 408} {
		synctest.Test(t, func(t *testing.T) {
			e := &edge{t: t, answer: func(n int, _ []grip.Item) int {
				if n <= 5 {
					return status
				}
				return 200
			}}
			h, _ := notifying(t, nil, e)
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			if _, err := h(ctx, snsEvent(bobs)); err != nil || e.n != 6 || len(e.got) != 1 {
				t.Errorf("%d: got %v after %d requests", status, err, e.n)
			}
		})
	}
}

// TestEdgeAwayForLong fails in time for Lambda to hear it, so that the event goes
// to the failure destination.
func TestEdgeAwayForLong(t *testing.T) {
	for timeout, left := range map[time.Duration]time.Duration{30 * time.Second: 5 * time.Second, 10 * time.Second: 2 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			e := &edge{t: t, answer: func(int, []grip.Item) int { return 503 }}
			h, _ := notifying(t, nil, e)
			ctx, cancel := context.WithTimeout(t.Context(), timeout)
			defer cancel()
			begun := time.Now()
			_, err := h(ctx, snsEvent(bobs, anns))
			if err == nil || err.Error() != "notify: 2 of 2 records not published: m1: the edge answers 503; m2: the edge answers 503" {
				t.Errorf("got %v", err)
			}
			if took := time.Since(begun); took != timeout-left || e.n < 5 {
				t.Errorf("of %v it took %v and %d requests", timeout, took, e.n)
			}
		})
	}
}

// TestEdgeThatRefusesUs is not asked again: the key is wrong, and stays so.
func TestEdgeThatRefusesUs(t *testing.T) {
	for _, status := range []int{301, 401, 403, 404} {
		e := &edge{t: t, answer: func(int, []grip.Item) int { return status }}
		h, _ := notifying(t, nil, e)
		if _, err := h(t.Context(), snsEvent(bobs)); err == nil || !strings.Contains(err.Error(), fmt.Sprint("the edge answers ", status)) || e.n != 1 {
			t.Errorf("%d: got %v after %d requests", status, err, e.n)
		}
	}
}

// TestSeveralEdges that know nothing of each other all get everything.
func TestSeveralEdges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		one, two := &edge{t: t}, &edge{t: t, answer: func(int, []grip.Item) int { return 502 }}
		h, _ := notifying(t, nil, one, two)
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		if _, err := h(ctx, snsEvent(bobs)); err == nil || len(one.got) != 1 {
			t.Errorf("got %v, published %d", err, len(one.got))
		}
		two.answer = nil
		if _, err := h(ctx, snsEvent(bobs)); err != nil || len(two.got) != 1 {
			t.Errorf("got %v, published %d", err, len(two.got))
		}
	})
}

// TestLargeEventsAreCut into requests that an edge takes, in order.
func TestLargeEventsAreCut(t *testing.T) {
	e := &edge{t: t}
	h, _ := notifying(t, nil, e)
	var messages []string
	for i := range 10 {
		messages = append(messages, fmt.Sprintf(`{"n":%d,"x":"%s","_subscriptions":["bob","zoe"],"_jwt":{"sub":"ann"}}`, i, strings.Repeat("x", 200_000)))
	}
	if _, err := h(t.Context(), snsEvent(messages...)); err != nil || len(e.got) != 30 {
		t.Fatalf("got %v, %d items", err, len(e.got))
	}
	if largest := slices.Max(e.sizes); largest > 1<<20 || len(e.sizes) > 16 {
		t.Errorf("%d requests of at most %d bytes", len(e.sizes), largest)
	}
	for i, item := range e.got {
		if want := fmt.Sprint("m", i/3+1); item.ID != want {
			t.Errorf("item %d is of %s, want %s", i, item.ID, want)
		}
	}
}

func TestCredentials(t *testing.T) {
	key, err := grip.ParseKey(strong)
	if err != nil {
		t.Fatal(err)
	}
	e := &edge{t: t, key: key}
	h, _ := notifying(t, map[string]string{"EBB_PUBLISH_KEY": strong, "EBB_PUBLISH_ISS": "aws"}, e)
	if _, err := h(t.Context(), snsEvent(bobs)); err != nil {
		t.Error(err)
	}
	h, _ = notifying(t, map[string]string{"EBB_FASTLY_KEY": "fastly's\n"}, e)
	e.key = grip.Key{}
	if _, err := h(t.Context(), snsEvent(bobs)); err != nil || e.header.Get("Fastly-Key") != "fastly's" || e.header.Get("Authorization") != "" {
		t.Errorf("got %v, %v", err, e.header)
	}
}

// sqsEvent is an event of SQS with messages q1, q2, ..., of a FIFO queue if they
// have a group before a bar.
func sqsEvent(messages ...string) []byte {
	var records []string
	for i, m := range messages {
		group, body, _ := strings.Cut(m, "|")
		text, _ := json.Marshal(body)
		records = append(records, fmt.Sprintf(`{"messageId":"q%d","receiptHandle":"x","body":%s,"attributes":{"MessageGroupId":%q},"messageAttributes":{},"eventSource":"aws:sqs"}`, i+1, text, group))
	}
	return []byte(`{"Records":[` + strings.Join(records, ",") + `]}`)
}

// envelope is what SNS puts around a message for SQS.
func envelope(id, message string) string {
	b, _ := json.Marshal(map[string]string{"Type": "Notification", "MessageId": id, "TopicArn": "arn:aws:sns:x:0:replies", "Message": message})
	return string(b)
}

// TestPartialFailureOfAQueue names what failed, and no more.
func TestPartialFailureOfAQueue(t *testing.T) {
	e := &edge{t: t}
	h, _ := notifying(t, nil, e)
	got, err := h(t.Context(), sqsEvent("|"+envelope("s1", bobs), "|{}", "|"+bobs, "|"+envelope("s4", "?")))
	if err != nil || string(got) != `{"batchItemFailures":[{"itemIdentifier":"q2"},{"itemIdentifier":"q4"}]}` {
		t.Errorf("got %s, %v", got, err)
	}
	if sent := e.sent(); !slices.Equal(sent, []string{`bob s1 {"_id":"2"}`, `bob q3 {"_id":"2"}`}) {
		t.Errorf("published %q", sent)
	}
}

// TestOrderOfAFIFOQueue: what is behind a failure in its group comes again with
// it.
func TestOrderOfAFIFOQueue(t *testing.T) {
	e := &edge{t: t}
	h, _ := notifying(t, nil, e)
	got, err := h(t.Context(), sqsEvent("a|"+bobs, "a|{}", "b|"+bobs, "a|"+bobs))
	if err != nil || string(got) != `{"batchItemFailures":[{"itemIdentifier":"q2"},{"itemIdentifier":"q4"}]}` {
		t.Errorf("got %s, %v", got, err)
	}
	if sent := e.sent(); !slices.Equal(sent, []string{`bob q1 {"_id":"2"}`, `bob q3 {"_id":"2"}`}) {
		t.Errorf("published %q", sent)
	}
}

func TestWhatIsNoNotification(t *testing.T) {
	h, _ := notifying(t, nil, &edge{t: t})
	for _, event := range []string{``, `[]`, `{}`, `{"Records":[]}`, `{"Records":[{"s3":{}}]}`, `{"Records":[{"Sns":{}}]}`, ofURL("GET", "/", "", "", "")} {
		if got, err := h(t.Context(), []byte(event)); err == nil {
			t.Errorf("%s was answered %s", event, got)
		}
	}
}
