package lambda_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/ebb-events/ebb/grip"
	"github.com/ebb-events/ebb/internal/aws"
	"github.com/ebb-events/ebb/internal/logtest"
)

var names = []string{"connect", "setup", "notify", "command"}

// built is where programs go.
var built string

func TestMain(m *testing.M) {
	var err error
	if built, err = os.MkdirTemp("", "lambda"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	os.RemoveAll(built)
	os.Exit(code)
}

// build builds the functions for an architecture, as `make lambda` does, and
// returns their folder.
func build(arch string) (dir string, err error) {
	dir = filepath.Join(built, arch)
	for _, name := range names {
		cmd := exec.Command("go", "build", "-trimpath", "-tags", "lambda.norpc", "-ldflags", "-s -w", "-o", filepath.Join(dir, name, "bootstrap"), "./"+name)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+arch)
		if out, err := cmd.CombinedOutput(); err != nil {
			return "", fmt.Errorf("%w\n%s", err, out)
		}
	}
	return dir, nil
}

// programs are those of this machine.
var programs = sync.OnceValues(func() (string, error) {
	arch, err := exec.Command("go", "env", "GOARCH").Output()
	if err != nil {
		return "", err
	}
	return build(strings.TrimSpace(string(arch)))
})

// The keys of all tests here.
const (
	ticketKey = "base64:Q2VydGFpbmx5IG5vdCBhIHdlYWsga2V5LCB0aGlzIG9uZSE5Wg=="
	gripKey   = "base64:QW5vdGhlciBvbmUsIHF1aXRlIGFzIGdvb2QgYXMgaXQgLSA4MTkh"
	tokenKey  = "base64:VGhpcmQga2V5IG9mIHRoZXNlIHRlc3RzOiBpdCBjaGVja3MgMzMhIQ=="
	edgeURL   = "https://edge.test/base"
	topic     = "arn:aws:sns:eu-central-1:000000000000:commands"
)

// environment is what all functions of these tests have.
func environment(more ...string) []string {
	return append([]string{
		"EBB_EDGE_URL=" + edgeURL, "EBB_TICKET_KEY=" + ticketKey, "EBB_GRIP_KEY=" + gripKey, "EBB_GRIP_ISS=ebb",
		"EBB_JWT_KEY=" + tokenKey, "EBB_COMMAND_TOPIC=" + topic,
	}, more...)
}

// function runs a program until the test ends.
func function(t testing.TB, name string, env ...string) (*aws.Function, *logtest.Text) {
	t.Helper()
	dir, err := programs()
	if err != nil {
		t.Fatal(err)
	}
	said := &logtest.Text{}
	f := &aws.Function{Name: name, Path: filepath.Join(dir, name, "bootstrap"), Env: environment(env...), Log: said, Timeout: 10 * time.Second}
	t.Cleanup(func() {
		f.Close()
		if t.Failed() {
			t.Logf("%s said:\n%s", name, said)
		}
	})
	return f, said
}

// audits are the audit lines that were said, once the program has ended.
func audits(f *aws.Function, said *logtest.Text) (lines []string) {
	f.Close()
	for line := range strings.Lines(said.String()) {
		if strings.Contains(line, `"msg":"audit"`) {
			lines = append(lines, line)
		}
	}
	return lines
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// sign signs claims for an hour.
func sign(key string, claims map[string]any) string {
	k := must(grip.ParseKey(key))
	signer := must(jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: k.Secret()}, nil))
	claims["exp"] = time.Now().Add(time.Hour).Unix()
	return must(jwt.Signed(signer).Claims(claims).Serialize())
}

func token(user string) string { return sign(tokenKey, map[string]any{"sub": user}) }

// ask sends a request through a front, with headers in pairs.
func ask(f http.Handler, method, target, body string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	r.RemoteAddr = "203.0.113.9:4711"
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	f.ServeHTTP(w, r)
	return w
}

// ticketOf is what connect gives ann, as the query of set-up.
func ticketOf(t testing.TB) string {
	t.Helper()
	connect, _ := function(t, "connect")
	got := ask(&aws.Front{Invoke: connect.Invoke}, "GET", "/api/sse", "", "Authorization", "Bearer "+token("ann"))
	_, query, ok := strings.Cut(got.Header().Get("Location"), edgeURL+"/api/sse-setup?")
	if got.Code != http.StatusTemporaryRedirect || !ok {
		t.Fatalf("got %d %v %s", got.Code, got.Header(), got.Body)
	}
	return query
}

func gripSig(key, issuer string) string {
	return must(must(grip.ParseKey(key)).Sign(issuer, time.Now()))
}

// TestSetUpOfARedirect: what connect seals, setup opens, in another process.
func TestSetUpOfARedirect(t *testing.T) {
	query := ticketOf(t)
	setup, said := function(t, "setup", "EBB_KEEP_ALIVE=20s")
	got := ask(&aws.Front{Invoke: setup.Invoke}, "GET", "/api/sse-setup?"+query, "", "Grip-Sig", gripSig(gripKey, "ebb"))
	in, err := grip.ParseInstruct(got.Code, got.Header(), got.Body.Bytes())
	if err != nil || in.Hold == nil || len(in.Hold.Channels) != 1 || in.Hold.Channels[0].Name != "ann" || in.Hold.KeepAlive == nil || in.Hold.KeepAlive.Timeout != 20*time.Second {
		t.Errorf("got %d %s, %v", got.Code, got.Body, err)
	}
	if lines := audits(setup, said); len(lines) != 0 {
		t.Errorf("refused: %q", lines)
	}
}

// TestForgedTicketIs403AndOneAuditLine, however it was forged.
func TestForgedTicketIs403AndOneAuditLine(t *testing.T) {
	query := ticketOf(t)
	last := map[bool]string{true: "B", false: "A"}[strings.HasSuffix(query[:len(query)-1], "A")]
	for name, forged := range map[string]string{
		"a byte":      query[:len(query)-2] + last + query[len(query)-1:],
		"nothing":     "",
		"a text":      "u=ann",
		"twice":       query + "&" + query,
		"another key": strings.Replace(query, "u=", "u=00", 1),
	} {
		setup, said := function(t, "setup")
		got := ask(&aws.Front{Invoke: setup.Invoke}, "GET", "/api/sse-setup?"+forged, "", "Grip-Sig", gripSig(gripKey, "ebb"))
		lines := audits(setup, said)
		if got.Code != http.StatusForbidden || strings.Contains(got.Body.String(), "ann") {
			t.Errorf("%s: got %d %s", name, got.Code, got.Body)
		}
		if len(lines) != 1 || !strings.Contains(lines[0], `"action":"sse-setup","outcome":"refused","reason":"ticket"`) || !strings.Contains(lines[0], `"address":"203.0.113.9"`) || strings.Contains(lines[0], query) {
			t.Errorf("%s: audit\n%s", name, strings.Join(lines, ""))
		}
	}
}

// TestForgedGripSigIs403AndOneAuditLine, with a good ticket.
func TestForgedGripSigIs403AndOneAuditLine(t *testing.T) {
	query := ticketOf(t)
	good := gripSig(gripKey, "ebb")
	for name, forged := range map[string]string{
		"none":           "",
		"another key":    gripSig(tokenKey, "ebb"),
		"another issuer": gripSig(gripKey, "pushpin"),
		"a user's token": token("ann"),
		"no signature":   good[:strings.LastIndexByte(good, '.')+1],
		"expired":        must(must(grip.ParseKey(gripKey)).Sign("ebb", time.Now().Add(-time.Hour))),
	} {
		setup, said := function(t, "setup")
		header := []string{"Grip-Sig", forged}
		if forged == "" {
			header = nil
		}
		got := ask(&aws.Front{Invoke: setup.Invoke}, "GET", "/api/sse-setup?"+query, "", header...)
		lines := audits(setup, said)
		if got.Code != http.StatusForbidden || len(lines) != 1 || !strings.Contains(lines[0], `"action":"sse-setup","outcome":"refused","reason":"signature"`) {
			t.Errorf("%s: got %d %s, audit\n%s", name, got.Code, got.Body, strings.Join(lines, ""))
		}
	}
}

// TestEveryFront: a function URL, an HTTP API with a stage, and CloudFront with
// origin access control before either.
func TestEveryFront(t *testing.T) {
	const noBody = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	connect, said := function(t, "connect", "EBB_HOST=app.test", "EBB_VIEWER_ADDRESS=CloudFront-Viewer-Address", "EBB_ORIGINS=https://page.test")
	for name, f := range map[string]*aws.Front{
		"URL": {Invoke: connect.Invoke}, "API": {Invoke: connect.Invoke, Stage: "prod"},
		"URL behind CloudFront": {Invoke: connect.Invoke, CloudFront: true}, "API behind CloudFront": {Invoke: connect.Invoke, Stage: "prod", CloudFront: true},
	} {
		tests := []struct {
			name, method string
			header       []string
			want         int
		}{
			{"cookie", "GET", []string{"Cookie", "a=b; access_token=" + token("ann"), "Sec-Fetch-Site", "same-origin"}, 307},
			{"cookie of an elder browser", "POST", []string{"Cookie", "access_token=" + token("ann"), "Origin", "https://app.test", "X-Amz-Content-Sha256", noBody}, 200},
			{"cookie, foreign page", "GET", []string{"Cookie", "access_token=" + token("ann"), "Sec-Fetch-Site", "cross-site", "Origin", "https://evil.test"}, 403},
			{"Ebb-Authorization", "GET", []string{"Ebb-Authorization", "Bearer " + token("ann")}, 307},
			{"Authorization", "GET", []string{"Authorization", "Bearer " + token("ann")}, map[bool]int{false: 307, true: 401}[f.CloudFront]},
			{"POST", "POST", []string{"Ebb-Authorization", "Bearer " + token("ann"), "X-Amz-Content-Sha256", noBody}, 200},
			{"POST without a hash", "POST", []string{"Ebb-Authorization", "Bearer " + token("ann")}, map[bool]int{false: 200, true: 403}[f.CloudFront]},
			{"nobody", "GET", nil, 401},
			{"preflight", "OPTIONS", []string{"Origin", "https://page.test", "Access-Control-Request-Method", "POST"}, 204},
		}
		for _, tt := range tests {
			got := ask(f, tt.method, "https://app.test/api/sse", "", tt.header...)
			if got.Code != tt.want {
				t.Errorf("%s, %s: got %d %s, want %d", name, tt.name, got.Code, got.Body, tt.want)
			}
			if tt.name == "preflight" && !strings.Contains(got.Header().Get("Access-Control-Allow-Headers"), "Ebb-Authorization") {
				t.Errorf("%s: preflight %v", name, got.Header())
			}
		}
		if got := ask(f, "GET", "https://app.test/api/sse-setup", ""); got.Code != 404 {
			t.Errorf("%s: connect answers set-up with %d", name, got.Code)
		}
	}
	for _, line := range audits(connect, said) {
		if !strings.Contains(line, `"address":"203.0.113.9"`) {
			t.Errorf("the browser's address is not in %s", line)
		}
	}
}

const instance = "/api/board/task/0d9c1c5a-7d5a-4f6e-9a57-0123456789ab"

// commanding is command and the SNS that it speaks to, and what SNS got.
func commanding(t *testing.T, s *aws.SNS, env ...string) (http.Handler, func() []aws.Message) {
	t.Helper()
	service := httptest.NewServer(s)
	t.Cleanup(service.Close)
	var mu sync.Mutex
	var got []aws.Message
	for _, name := range []string{topic, topic + ".fifo"} {
		s.Subscribe(name, func(m aws.Message) {
			mu.Lock()
			defer mu.Unlock()
			got = append(got, m)
		})
	}
	f, _ := function(t, "command", append(env, "AWS_ENDPOINT_URL_SNS="+service.URL)...)
	return &aws.Front{Invoke: f.Invoke}, func() []aws.Message {
		s.Wait()
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(got)
	}
}

// TestCommandIs202OnceSNSHasIt, with the fields that the gateway would set.
func TestCommandIs202OnceSNSHasIt(t *testing.T) {
	f, got := commanding(t, &aws.SNS{}, "EBB_TYPES=board-task")
	answer := ask(f, "POST", instance, `{"_command":"create","_corr":"c1","title":"<é>"}`, "Authorization", "Bearer "+token("ann"), "Content-Type", "application/json")
	if answer.Code != 202 || answer.Header().Get("Location") != instance || !strings.Contains(answer.Body.String(), `"_corr":"c1"`) {
		t.Errorf("got %d %s", answer.Code, answer.Body)
	}
	all := got()
	if len(all) != 1 {
		t.Fatalf("SNS got %v", all)
	}
	var m map[string]any
	if err := json.Unmarshal([]byte(all[0].Text), &m); err != nil {
		t.Fatal(err)
	}
	claims, _ := m["_jwt"].(map[string]any)
	if m["_type"] != "board-task" || m["_id"] != filepath.Base(instance) || claims["sub"] != "ann" || m["_timestamp"] == nil || m["title"] != "<é>" {
		t.Errorf("the message is %v", m)
	}
	if a := all[0].Attributes; a["type"].Value != "board-task" || a["command"].Value != "create" || len(a) != 2 || all[0].Group != "" || strings.Contains(all[0].Text, token("ann")) {
		t.Errorf("the message is %+v", all[0])
	}
}

// TestCommandsToAFIFOTopic are in the order of their instance, and a repeat of
// the client's is a message again.
func TestCommandsToAFIFOTopic(t *testing.T) {
	f, got := commanding(t, &aws.SNS{}, "EBB_COMMAND_TOPIC="+topic+".fifo")
	for i := range 20 {
		body := fmt.Sprintf(`{"_command":"move","_corr":"c","n":%d}`, i)
		if answer := ask(f, "POST", instance, body, "Authorization", "Bearer "+token("ann"), "Content-Type", "application/json"); answer.Code != 202 {
			t.Fatalf("got %d %s", answer.Code, answer.Body)
		}
	}
	for i, m := range got() {
		if !strings.Contains(m.Text, fmt.Sprintf(`"n":%d}`, i)) || m.Group != filepath.Base(instance) {
			t.Errorf("message %d of %s is %s", i, m.Group, m.Text)
		}
	}
}

// TestRulesForCommandsAreTheGateways.
func TestRulesForCommandsAreTheGateways(t *testing.T) {
	f, got := commanding(t, &aws.SNS{}, "EBB_TYPES=board-task", "EBB_ROLES=board-task.boss=chief")
	for name, tt := range map[string]struct {
		method, path, body, kind string
		want                     int
	}{
		"a reserved field":  {"POST", instance, `{"_command":"create","_secret":1}`, "application/json", 400},
		"no JSON":           {"POST", instance, `<`, "application/json", 400},
		"a form":            {"POST", instance, `a=b`, "application/x-www-form-urlencoded", 415},
		"no command":        {"POST", instance, `{}`, "application/json", 400},
		"no UUID":           {"POST", "/api/board/task/7", `{"_command":"create"}`, "application/json", 400},
		"an unknown type":   {"POST", strings.Replace(instance, "task", "tusk", 1), `{"_command":"create"}`, "application/json", 404},
		"without the role":  {"POST", instance, `{"_command":"boss"}`, "application/json", 403},
		"too large":         {"POST", instance, `{"_command":"create","x":"` + strings.Repeat("x", 256<<10) + `"}`, "application/json", 413},
		"too large with us": {"POST", instance, `{"_command":"create","x":"` + strings.Repeat("x", 256<<10-50) + `"}`, "application/json", 413},
		"reading":           {"GET", instance, "", "", 405},
	} {
		if answer := ask(f, tt.method, tt.path, tt.body, "Authorization", "Bearer "+token("ann"), "Content-Type", tt.kind); answer.Code != tt.want {
			t.Errorf("%s: got %d %s, want %d", name, answer.Code, answer.Body, tt.want)
		}
	}
	if answer := ask(f, "POST", instance, `{"_command":"create"}`, "Content-Type", "application/json"); answer.Code != 401 {
		t.Errorf("without a token: %d", answer.Code)
	}
	if all := got(); len(all) != 0 {
		t.Errorf("SNS got %v", all)
	}
	for method, body := range map[string]string{"PUT": `{"title":"x"}`, "PATCH": `[{"op":"add","path":"/x","value":1}]`, "DELETE": ``} {
		kind := map[string]string{"PATCH": "application/json-patch+json"}[method]
		if kind == "" {
			kind = "application/json"
		}
		if answer := ask(f, method, instance, body, "Authorization", "Bearer "+token("ann"), "Content-Type", kind); answer.Code != 202 {
			t.Errorf("%s: got %d %s", method, answer.Code, answer.Body)
		}
	}
}

// TestSNSAway: throttles and lost answers are tried again by the SDK; if that is
// of no use, the client is told that it does not know.
func TestSNSAway(t *testing.T) {
	var mu sync.Mutex
	var plan []*aws.Fault
	s := &aws.SNS{Fault: func(string) (f *aws.Fault) {
		mu.Lock()
		defer mu.Unlock()
		if len(plan) > 0 {
			f, plan = plan[0], plan[1:]
		}
		return f
	}}
	f, got := commanding(t, s)
	throttled, broken, lost, forbidden := &aws.Fault{Status: 400, Code: "Throttled"}, &aws.Fault{Status: 500, Code: "InternalError"},
		&aws.Fault{Status: 500, Code: "InternalError", After: true}, &aws.Fault{Status: 403, Code: "AuthorizationError"}
	for _, tt := range []struct {
		name      string
		plan      []*aws.Fault
		want      int
		delivered int
	}{
		{"throttled", []*aws.Fault{throttled, throttled}, 202, 1},
		{"broken once", []*aws.Fault{broken}, 202, 1},
		{"an answer is lost", []*aws.Fault{lost}, 202, 2}, // the service tells a repeat by _corr
		{"broken", []*aws.Fault{broken, broken, broken}, 503, 0},
		{"not allowed", []*aws.Fault{forbidden}, 503, 0},
	} {
		before := len(got())
		mu.Lock()
		plan = tt.plan
		mu.Unlock()
		answer := ask(f, "POST", instance, `{"_command":"create"}`, "Authorization", "Bearer "+token("ann"), "Content-Type", "application/json")
		if n := len(got()) - before; answer.Code != tt.want || n != tt.delivered || len(plan) != 0 {
			t.Errorf("%s: got %d %s, %d messages, %d faults left", tt.name, answer.Code, answer.Body, n, len(plan))
		}
	}
}

// TestEdgeAwayGoesToTheFailureDestination, after all attempts, with the event and
// the reason; and nothing does once the edge is back.
func TestEdgeAwayGoesToTheFailureDestination(t *testing.T) {
	var mu sync.Mutex
	away, published := true, make(chan string, 10)
	edge := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if away {
			panic(http.ErrAbortHandler)
		}
		published <- string(must(io.ReadAll(r.Body)))
	}))
	defer edge.Close()
	notify, _ := function(t, "notify", "EBB_PUBLISH_URL="+edge.URL)
	notify.Timeout = time.Second
	failed := make(chan []byte, 1)
	a := &aws.Async{Invoke: notify.Invoke, Name: "notify", Pause: func(int) time.Duration { return 0 }, Failed: func(record []byte) { failed <- record }}
	defer a.Close()
	s := &aws.SNS{}
	s.Subscribe(topic, aws.ToFunction(a))
	id := s.Publish(aws.Message{TopicARN: topic, Text: `{"_jwt":{"sub":"ann"}}`})

	var record struct {
		RequestContext struct{ Condition string }
		RequestPayload struct {
			Records []struct {
				Sns struct{ MessageID, Message string }
			}
		}
		ResponsePayload aws.FunctionError
	}
	select {
	case b := <-failed:
		if err := json.Unmarshal(b, &record); err != nil {
			t.Fatal(err)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("nothing came to the failure destination")
	}
	if rs := record.RequestPayload.Records; record.RequestContext.Condition != "RetriesExhausted" || len(rs) != 1 || rs[0].Sns.MessageID != id || rs[0].Sns.Message != `{"_jwt":{"sub":"ann"}}` {
		t.Errorf("the record is %+v", record)
	}
	if e := record.ResponsePayload; e.Type != "Unpublished" || !strings.HasPrefix(e.Message, "notify: 1 of 1 records not published: "+id+": the edge is away: ") {
		t.Errorf("the reason is %+v", e)
	}
	mu.Lock()
	away = false
	mu.Unlock()
	s.Redeliver(1, "")
	select {
	case got := <-published:
		if !strings.Contains(got, `"channel":"ann","id":"`+id+`"`) {
			t.Errorf("published %s", got)
		}
	case b := <-failed:
		t.Errorf("failed again: %s", b)
	case <-time.After(30 * time.Second):
		t.Error("not published when the edge was back")
	}
}

// TestWrongEnvironmentEndsTheProgram before it takes an event, with a line that
// says why.
func TestWrongEnvironmentEndsTheProgram(t *testing.T) {
	for _, name := range names {
		f, said := function(t, name, "EBB_EDGE_URL=", "EBB_COMMAND_TOPIC=", "EBB_PUBLISH_URL=")
		_, err := f.Invoke(context.Background(), []byte(`{}`))
		failed, ok := err.(*aws.FunctionError)
		if !ok || failed.Type != "Runtime.ExitError" || !strings.Contains(said.String(), "the environment is wrong") || !strings.Contains(said.String(), "it is required") {
			t.Errorf("%s: got %v, said %s", name, err, said)
		}
	}
}
