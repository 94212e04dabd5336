package gateway_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ebb-events/ebb"
	"github.com/ebb-events/ebb/gateway"
)

// provider is an OpenID provider, testdata/oidc/provider.mjs, that runs.
type provider struct {
	t   *testing.T
	url string
	in  io.Writer
	out *bufio.Reader
}

func startProvider(t *testing.T) *provider {
	t.Helper()
	cmd := exec.Command("node", "provider.mjs")
	cmd.Dir = "../testdata/oidc"
	var said bytes.Buffer
	cmd.Stderr = &said
	in, err1 := cmd.StdinPipe()
	out, err2 := cmd.StdoutPipe()
	for _, err := range []error{err1, err2, cmd.Start()} {
		if err != nil {
			t.Fatalf("%v (make deps installs what it needs)", err)
		}
	}
	t.Cleanup(func() {
		in.Close()
		late := time.AfterFunc(5*time.Second, func() { cmd.Process.Kill() })
		defer late.Stop()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("the provider said: %s", &said)
		}
	})
	p := &provider{t: t, in: in, out: bufio.NewReader(out)}
	p.url = p.line()
	return p
}

func (p *provider) line() string {
	p.t.Helper()
	line, err := p.out.ReadString('\n')
	if err != nil {
		p.t.Fatalf("the provider has ended: %v (make deps installs what it needs)", err)
	}
	return strings.TrimSpace(line)
}

// keys has the provider "rotate" or "retire" its keys.
func (p *provider) keys(what string) {
	p.t.Helper()
	fmt.Fprintln(p.in, what)
	p.line()
}

// token asks for one by client credentials: no user is there.
func (p *provider) token(resource string) (string, error) {
	return p.grant(url.Values{
		"grant_type": {"client_credentials"}, "client_id": {"service"}, "client_secret": {"service-secret"},
		"resource": {resource}, "scope": {"api"},
	}, "access_token")
}

func (p *provider) grant(form url.Values, want string) (string, error) {
	resp, err := http.PostForm(p.url+"/token", form)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	var got map[string]any
	if err := json.NewDecoder(resp.Body).Decode(&got); err != nil {
		return "", err
	}
	token, ok := got[want].(string)
	if !ok {
		return "", fmt.Errorf("the provider has no %s but %v", want, got)
	}
	return token, nil
}

// login takes a user through the authorization code flow, as a browser would,
// and returns what she gets.
func (p *provider) login(user, want string) string {
	p.t.Helper()
	jar, _ := cookiejar.New(nil)
	browser := &http.Client{Jar: jar, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		if r.URL.Path == "/back" {
			return http.ErrUseLastResponse
		}
		return nil
	}}
	sum := sha256.Sum256([]byte(strings.Repeat("verifier", 8)))
	resp, err := browser.Get(p.url + "/auth?" + url.Values{
		"client_id": {"page"}, "response_type": {"code"}, "redirect_uri": {"http://127.0.0.1/back"}, "scope": {"openid api"}, "resource": {"urn:ebb"},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"},
	}.Encode())
	for _, form := range []url.Values{{"prompt": {"login"}, "login": {user}, "password": {"x"}}, {"prompt": {"consent"}}} {
		if err != nil {
			p.t.Fatal(err)
		}
		resp.Body.Close()
		resp, err = browser.PostForm(resp.Request.URL.String(), form)
	}
	if err != nil {
		p.t.Fatal(err)
	}
	resp.Body.Close()
	back, err := url.Parse(resp.Header.Get("Location"))
	if err != nil || back.Query().Get("code") == "" {
		p.t.Fatalf("the provider gave no code but %s %v", resp.Status, resp.Header)
	}
	token, err := p.grant(url.Values{
		"grant_type": {"authorization_code"}, "client_id": {"page"}, "code": {back.Query().Get("code")},
		"redirect_uri": {"http://127.0.0.1/back"}, "code_verifier": {strings.Repeat("verifier", 8)}, "resource": {"urn:ebb"},
	}, want)
	if err != nil {
		p.t.Fatal(err)
	}
	return token
}

// behind is a gateway that trusts the provider and another issuer.
func behind(t *testing.T, p *provider, now func() time.Time) *world {
	w := newWorld(t, func(c *gateway.Config) {
		c.Issuers = []gateway.Issuer{
			{Name: p.url, Namespace: "staff", Audiences: []string{"urn:ebb"}},
			{Name: "other", Namespace: "other", Key: secret(t, "token")},
		}
		c.Now = now
	})
	w.now = now()
	return w
}

// TestOpenIDProvider: an issuer is known by its URL alone, and what it gives a
// real user who logs in is good, what it gives for other things is not.
func TestOpenIDProvider(t *testing.T) {
	p := startProvider(t)
	w := behind(t, p, time.Now)
	ann := p.login("ann", "access_token")
	a := w.ask("POST", instance, `{"_command":"c"}`, "Content-Type", "application/json", "Authorization", "Bearer "+ann)
	if a.Code != http.StatusAccepted {
		t.Fatalf("got %d %s for ann's token", a.Code, a.Body)
	}
	sent := w.sent.last(t)
	if u := sent.User(); u.Name != "staff:ann" {
		t.Errorf("the command is %q's, want staff:ann's", u.Name)
	}
	var claims ebb.Message
	if err := json.Unmarshal(sent[ebb.FieldJWT], &claims); err != nil || claims.String("iss") != p.url {
		t.Errorf("the claims are %s, want the issuer %s", sent[ebb.FieldJWT], p.url)
	}
	service, err := p.token("urn:ebb")
	if err != nil {
		t.Fatal(err)
	}
	if !w.accepts(service) {
		t.Error("a service's token was refused")
	}
	elsewhere, err := p.token("urn:elsewhere")
	if err != nil {
		t.Fatal(err)
	}
	for name, token := range map[string]string{
		"token for another application": elsewhere,
		"ID token":                      p.login("ann", "id_token"),
		"token with its end cut off":    ann[:len(ann)-4],
	} {
		if w.accepts(token) {
			t.Errorf("%s was accepted", name)
		}
	}
}

// TestRotateJWTUnderLoad: while the provider changes its keys again and again
// nobody with a valid token is turned away, and a key that it has withdrawn is
// good for nothing (S09, F53).
func TestRotateJWTUnderLoad(t *testing.T) {
	p := startProvider(t)
	var skew atomic.Int64
	w := behind(t, p, func() time.Time { return time.Now().Add(time.Duration(skew.Load())) })
	ctx, stop := context.WithCancel(t.Context())
	var all sync.WaitGroup
	defer all.Wait()
	defer stop()
	all.Go(func() { _ = w.gw.KeepKeys(ctx) })

	oldest, err := p.token("urn:ebb")
	if err != nil {
		t.Fatal(err)
	}
	const users = 4
	var asked atomic.Int64
	var rounds [users]chan bool
	for i := range rounds {
		rounds[i] = make(chan bool)
		all.Go(func() {
			defer close(rounds[i])
			for ctx.Err() == nil {
				token, err := p.token("urn:ebb")
				if err != nil {
					t.Error(err)
					return
				}
				for range 20 {
					if !w.accepts(token) {
						t.Error("a valid token was refused")
						return
					}
					asked.Add(1)
				}
				select {
				case rounds[i] <- true:
				case <-ctx.Done():
				}
			}
		})
	}
	// renewed waits until everybody has used a token that was issued later.
	renewed := func() {
		for range 2 {
			for i := range rounds {
				if !<-rounds[i] {
					t.FailNow()
				}
			}
		}
	}
	const rotations = 5
	for range rotations {
		renewed()
		p.keys("rotate")
		renewed()
		skew.Add(int64(11 * time.Second)) // later than the least time between two fetches
	}
	last, err := p.token("urn:ebb")
	if err != nil {
		t.Fatal(err)
	}
	stop()
	all.Wait()
	t.Logf("%d requests during %d rotations, none refused", asked.Load(), rotations)
	if w.accepts(oldest) {
		t.Error("a token of a key that was withdrawn long ago was accepted")
	}
	if !w.accepts(last) {
		t.Error("the last token was refused")
	}
	p.keys("rotate")
	p.keys("retire")
	skew.Add(int64(10 * time.Minute)) // keys are fetched again
	if w.accepts(last) {
		t.Error("a token of a key that was withdrawn was accepted")
	}
}
