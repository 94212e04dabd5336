package lambda

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// extension is the AWS Parameters and Secrets Lambda Extension.
type extension struct {
	mu      sync.Mutex
	answers map[string]string // by path and query; others are not there
	starts  int               // requests that it is not ready for
	asked   int
	port    string
}

const (
	strong = "base64:Q2VydGFpbmx5IG5vdCBhIHdlYWsga2V5LCB0aGlzIG9uZSE5Wg==" // 37 bytes
	other  = "base64:QW5vdGhlciBvbmUsIHF1aXRlIGFzIGdvb2QgYXMgaXQgLSA4MTkh"
)

func startExtension(t *testing.T, answers map[string]string) *extension {
	t.Helper()
	e := &extension{answers: answers}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.asked++
		answer, ok := e.answers[r.URL.RequestURI()]
		switch {
		case r.Header.Get("X-Aws-Parameters-Secrets-Token") != "session":
			w.WriteHeader(http.StatusUnauthorized)
		case e.asked <= e.starts:
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(w, "not ready to serve traffic, please wait")
		case !ok:
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(w, "ResourceNotFoundException: "+r.URL.RequestURI())
		default:
			fmt.Fprint(w, answer)
		}
	}))
	t.Cleanup(s.Close)
	_, e.port, _ = net.SplitHostPort(s.Listener.Addr().String())
	return e
}

func (e *extension) set(uri, answer string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.answers[uri] = answer
}

// lookup is an environment.
func (e *extension) lookup(more map[string]string) func(string) string {
	return func(name string) string {
		switch name {
		case "PARAMETERS_SECRETS_EXTENSION_HTTP_PORT":
			return e.port
		case "AWS_SESSION_TOKEN":
			return "session"
		}
		return more[name]
	}
}

func TestReferences(t *testing.T) {
	e := startExtension(t, map[string]string{
		"/secretsmanager/get?secretId=ebb%2Fticket":                             `{"SecretString":"text"}`,
		"/secretsmanager/get?secretId=arn%3Aaws%3Ax&versionStage=AWSPREVIOUS":   `{"SecretString":"{\"grip\":\"old\",\"n\":1}"}`,
		"/secretsmanager/get?secretId=binary":                                   `{"SecretBinary":"YmluYXJ5"}`,
		"/systemsmanager/parameters/get?name=%2Febb%2Fgrip&withDecryption=true": `{"Parameter":{"Value":"parameter"}}`,
		"/secretsmanager/get?secretId=empty":                                    `{}`,
		"/secretsmanager/get?secretId=broken":                                   `<`,
	})
	e.starts = 3
	v := newVault(e.lookup(nil))
	for ref, want := range map[string]string{
		"secret:ebb/ticket": "text",
		"secret:arn:aws:x?versionStage=AWSPREVIOUS#grip": "old",
		"secret:binary":        "binary",
		"parameter:/ebb/grip":  "parameter",
		"not a reference":      "not a reference",
		"file:secret:whatever": "file:secret:whatever",
	} {
		if got, err := v.resolve(t.Context(), ref); err != nil || got != want {
			t.Errorf("%s: got %q, %v", ref, got, err)
		}
	}
	for _, ref := range []string{"secret:none", "secret:empty", "secret:broken", "secret:ebb/ticket#grip", "secret:arn:aws:x?versionStage=AWSPREVIOUS#n"} {
		if got, err := v.resolve(t.Context(), ref); err == nil {
			t.Errorf("%s: got %q", ref, got)
		} else if strings.Contains(err.Error(), "text") && !strings.Contains(err.Error(), "a text in") || strings.Contains(err.Error(), "old") {
			t.Errorf("%s: the error has the secret: %v", ref, err)
		}
	}
}

// TestExtensionThatIsNotThere is told with a hint, and not for ever.
func TestExtensionThatIsNotThere(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	ln.Close()
	v := newVault(func(string) string { return port })
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := v.resolve(ctx, "secret:x"); err == nil || !strings.Contains(err.Error(), "layer") {
		t.Errorf("got %v", err)
	}
}

// setupEnv is that of setup, with a ticket key of the extension's.
func setupEnv() map[string]string {
	return map[string]string{
		"EBB_EDGE_URL": "https://edge.test", "EBB_TICKET_KEY": "secret:ticket", "EBB_TICKET_KEY_OLD": "secret:ticket?versionStage=AWSPREVIOUS",
		"EBB_GRIP_KEY": other, "EBB_LOG_LEVEL": "debug",
	}
}

const ticketURI = "/secretsmanager/get?secretId=ticket"

// TestSecretsAreAskedAtTheFirstInvocation, when the extension answers, and again
// when they may have been rotated.
func TestSecretsAreAskedAtTheFirstInvocation(t *testing.T) {
	e := startExtension(t, map[string]string{ticketURI: `{"SecretString":"` + strong + `"}`})
	e.starts = 2
	built, now := 0, time.Unix(1_800_000_000, 0)
	var log bytes.Buffer
	i := newInstance(func(s *Settings) (Handler, error) {
		built++
		return Setup(s)
	}, e.lookup(setupEnv()), &log)
	i.now = func() time.Time { return now }
	if !i.refers() || e.asked != 0 {
		t.Fatalf("the extension was asked %d times at the start", e.asked)
	}
	health := func() {
		t.Helper()
		if answer, err := i.Invoke(t.Context(), []byte(ofURL("GET", "/api/health", "", "", ""))); err != nil || !strings.Contains(string(answer), `"statusCode":200`) {
			t.Errorf("got %s, %v\n%s", answer, err, &log)
		}
	}
	health()
	if !strings.Contains(log.String(), "no former key") { // it was never rotated
		t.Errorf("log: %s", &log)
	}
	asked := e.asked
	now = now.Add(4 * time.Minute)
	health()
	if e.asked != asked || built != 1 {
		t.Errorf("asked again after 4 minutes, built %d times", built)
	}
	now = now.Add(2 * time.Minute)
	health()
	if e.asked == asked || built != 1 {
		t.Errorf("not asked after 6 minutes, or built %d times", built)
	}
	e.set(ticketURI, `{"SecretString":"base64:VGhpcyBpcyB3aGF0IGl0IGlzIGFmdGVyIHRoZSByb3RhdGlvbjohNDI="}`)
	now = now.Add(6 * time.Minute)
	health()
	if built != 2 || !strings.Contains(log.String(), "secrets are new") {
		t.Errorf("built %d times after the rotation\n%s", built, &log)
	}
	e.mu.Lock()
	e.answers = nil
	e.mu.Unlock()
	now = now.Add(6 * time.Minute)
	health() // with what it has
	if built != 2 || strings.Contains(log.String(), strong) {
		t.Errorf("built %d times, or the log has the secret\n%s", built, &log)
	}
}

// TestSecretThatCannotBeHadNow fails the invocation, and not the next.
func TestSecretThatCannotBeHadNow(t *testing.T) {
	e := startExtension(t, map[string]string{})
	var log bytes.Buffer
	i := newInstance(Setup, e.lookup(setupEnv()), &log)
	if _, err := i.Invoke(t.Context(), []byte(ofURL("GET", "/api/health", "", "", ""))); err == nil || !strings.Contains(err.Error(), "EBB_TICKET_KEY") {
		t.Errorf("got %v", err)
	}
	e.set(ticketURI, `{"SecretString":"`+strong+`"}`)
	if _, err := i.Invoke(t.Context(), []byte(ofURL("GET", "/api/health", "", "", ""))); err != nil {
		t.Errorf("then %v", err)
	}
}
