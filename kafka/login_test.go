package kafka_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ebb-events/ebb/internal/kafkatest"
	"github.com/ebb-events/ebb/internal/logtest"
	"github.com/ebb-events/ebb/kafka"
)

// TestLogin: every way in, and in one line why there is none.
func TestLogin(t *testing.T) {
	onBothGuarded(t, func(g *guarded) {
		other, err := kafkatest.NewAuthority(g.TempDir())
		g.must(err)
		tests := map[string]struct {
			change func(*kafka.Config)
			want   string // of the error; none if empty
		}{
			"scram-sha-512":   {nil, ""},
			"scram-sha-256":   {func(c *kafka.Config) { c.Login.Mechanism = kafka.Scram256 }, ""},
			"plain":           {func(c *kafka.Config) { c.Login.Mechanism = kafka.Plain }, ""},
			"wrong password":  {func(c *kafka.Config) { c.Login.Secret = fixed("hush-canary") }, "our login"},
			"wrong, in plain": {func(c *kafka.Config) { c.Login.Mechanism, c.Login.Secret = kafka.Plain, fixed("hush-canary") }, "our login"},
			"unknown user":    {func(c *kafka.Config) { c.Login.User = "eve" }, "our login"},
			"no login":        {func(c *kafka.Config) { c.Login = kafka.Login{} }, "the broker hangs up"},
			"system's CAs":    {func(c *kafka.Config) { c.TLS = kafka.TLS{On: true} }, "an authority that we do not trust"},
			"another CA":      {func(c *kafka.Config) { c.TLS.CA = other.CA }, "an authority that we do not trust"},
			"another host": {func(c *kafka.Config) {
				c.Seeds = []string{strings.Replace(g.login, "127.0.0.1", "localhost", 1)}
			}, "for another host than the one we connect to"},
			"no TLS": {func(c *kafka.Config) { c.TLS = kafka.TLS{} }, "TLS"},
			"no secret to be had": {func(c *kafka.Config) {
				c.Login.Secret = func(context.Context) (string, error) { return "", errors.New("the vault is closed") }
			}, "the vault is closed"},
		}
		var logged logtest.Text
		for name, tt := range tests {
			cfg := g.as("gateway")
			cfg.Log = slog.New(slog.NewTextHandler(&logged, &slog.HandlerOptions{Level: slog.LevelDebug}))
			if tt.change != nil {
				tt.change(&cfg)
			}
			c, err := kafka.Open(cfg)
			g.must(err)
			err = c.Ping(g.in())
			c.Close()
			switch {
			case tt.want == "" && err != nil:
				g.Errorf("%s: %v", name, err)
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "canary")):
				g.Errorf("%s: got %v, want %q", name, err, tt.want)
			}
		}
		if text := logged.String(); strings.Contains(text, "canary") || strings.Contains(text, passwordOf("gateway")) || !strings.Contains(text, "kafka client") {
			g.Errorf("logged %.2000s", text)
		}
	})
}

func TestTLSToWhoSpeaksNone(t *testing.T) {
	t.Parallel()
	b := onEmbedded(t)
	c, err := kafka.Open(kafka.Config{Seeds: b.seeds, TLS: kafka.TLS{On: true}})
	b.must(err)
	defer c.Close()
	if err := c.Ping(b.in()); err == nil || !strings.Contains(err.Error(), "nothing speaks TLS") {
		t.Errorf("got %v", err)
	}
}

// TestClientCertificate: mTLS, whose certificate is read again for every
// connection.
func TestClientCertificate(t *testing.T) {
	t.Parallel()
	g := guardedApache(t)
	cert, key, err := g.ca.Certificate("mutual")
	g.must(err)
	ping := func(change func(*kafka.TLS)) error {
		g.Helper()
		cfg := kafka.Config{Seeds: []string{g.mutual}, TLS: kafka.TLS{CA: g.ca.CA, Cert: cert, Key: key}}
		change(&cfg.TLS)
		c, err := kafka.Open(cfg)
		g.must(err)
		defer c.Close()
		return c.Ping(g.in())
	}
	g.must(ping(func(*kafka.TLS) {}))
	if err := ping(func(c *kafka.TLS) { c.Cert, c.Key = "", "" }); err == nil || !strings.Contains(err.Error(), "for want of a certificate") {
		t.Errorf("without a certificate: %v", err)
	}
	other, err := kafkatest.NewAuthority(t.TempDir())
	g.must(err)
	strange, strangeKey, err := other.Certificate("mutual")
	g.must(err)
	if err := ping(func(c *kafka.TLS) { c.Cert, c.Key = strange, strangeKey }); err == nil || !strings.Contains(err.Error(), "for want of a certificate") {
		t.Errorf("with a stranger's certificate: %v", err)
	}
	g.must(os.Rename(strange, cert)) // a renewal that goes wrong is seen by the next connection
	g.must(os.Rename(strangeKey, key))
	if err := ping(func(*kafka.TLS) {}); err == nil {
		t.Error("the file was not read again")
	}
}

// TestWrongLoginsAreToldAtTheDoor: before a broker is asked.
func TestWrongLoginsAreToldAtTheDoor(t *testing.T) {
	missing, empty := filepath.Join(t.TempDir(), "none"), filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	secret := fixed("x")
	for name, cfg := range map[string]kafka.Config{
		"plain without TLS":       {Login: kafka.Login{Mechanism: kafka.Plain, User: "u", Secret: secret}},
		"oauth without TLS":       {Login: kafka.Login{Mechanism: kafka.OAuth, Secret: secret}},
		"unknown mechanism":       {Login: kafka.Login{Mechanism: "GSSAPI", User: "u", Secret: secret}},
		"no password":             {Login: kafka.Login{Mechanism: kafka.Scram512, User: "u"}},
		"no user":                 {Login: kafka.Login{Mechanism: kafka.Scram512, Secret: secret}},
		"a user and no mechanism": {Login: kafka.Login{User: "u", Secret: secret}},
		"no such CA":              {TLS: kafka.TLS{CA: missing}},
		"an empty CA":             {TLS: kafka.TLS{CA: empty}},
		"a certificate alone":     {TLS: kafka.TLS{Cert: missing}},
		"no such certificate":     {TLS: kafka.TLS{Cert: missing, Key: missing}},
	} {
		cfg.Seeds = []string{"127.0.0.1:1"}
		if c, err := kafka.Open(cfg); err == nil {
			c.Close()
			t.Errorf("%s: taken", name)
		}
	}
	for name, tokens := range map[string]*kafka.TokenURL{
		"no URL":    {Client: "c", Secret: secret},
		"plain":     {URL: "http://login.example/token", Client: "c", Secret: secret},
		"a file":    {URL: "file:///etc/passwd", Client: "c", Secret: secret},
		"no client": {URL: "https://login.example/token", Secret: secret},
		"no secret": {URL: "https://login.example/token", Client: "c"},
	} {
		if tokens.Check() == nil {
			t.Errorf("tokens: %s: taken", name)
		}
	}
}

// TestTokens: logins by OAUTHBEARER, again before a token is over.
func TestTokens(t *testing.T) {
	t.Parallel()
	g := guardedApache(t)
	as := func(secret kafka.Secret) *kafka.Client {
		g.Helper()
		cfg := g.as("")
		cfg.Login = kafka.Login{Mechanism: kafka.OAuth, Secret: secret}
		c, err := kafka.Open(cfg)
		g.must(err)
		g.Cleanup(c.Close)
		return c
	}
	g.must(as(fixed(g.token("gateway", time.Minute))).Ping(g.in()))
	for name, tt := range map[string]struct{ token, want string }{
		"expired":  {g.token("gateway", -time.Minute), "the token expired at"},
		"nonsense": {"canary", "the broker refuses our login"},
		"none":     {"", "a token of 0 bytes"},
		"two":      {"a\x01auth=Bearer canary", "characters that none has"},
	} {
		if err := as(fixed(tt.token)).Ping(g.in()); err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: got %v, want %q", name, err, tt.want)
		}
	}

	// Tokens of seven seconds, with which the broker ends connections. One
	// client goes on asking over two of them, and never fails.
	var given atomic.Int32
	provider := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		given.Add(1)
		fmt.Fprintf(w, `{"access_token":%q,"token_type":"Bearer","expires_in":4}`, g.token("gateway", 7*time.Second))
	}))
	defer provider.Close()
	c := as((&kafka.TokenURL{URL: provider.URL, Client: "gateway", Secret: fixed("s")}).Token)
	for ctx := g.in(); given.Load() < 3; {
		if err := c.Ping(ctx); err != nil {
			t.Fatalf("after %d tokens: %v", given.Load(), err)
		}
	}
}

// TestTokenURL: what is asked, what is kept, and what is refused.
func TestTokenURL(t *testing.T) {
	var mu sync.Mutex
	var asked []string
	answer, status := `{"access_token":"t","expires_in":3600}`, 200
	provider := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		id, secret, _ := r.BasicAuth()
		body, _ := io.ReadAll(r.Body)
		asked = append(asked, fmt.Sprintf("%s %s %s %s", r.Method, id, secret, body))
		if status == 302 {
			w.Header().Set("Location", "/elsewhere")
		}
		w.WriteHeader(status)
		io.WriteString(w, answer)
	}))
	defer provider.Close()
	tokens := &kafka.TokenURL{URL: provider.URL, Client: "a:b", Secret: fixed("p w"), Scope: "kafka"}
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if token, err := tokens.Token(t.Context()); token != "t" || err != nil {
				t.Errorf("got %q, %v", token, err)
			}
		})
	}
	all.Wait()
	if want := "POST a%3Ab p+w grant_type=client_credentials&scope=kafka"; len(asked) != 1 || asked[0] != want {
		t.Errorf("asked %q, want %q once", asked, want)
	}
	status, answer = 503, ""
	tokens.Age(50 * time.Minute)
	for range 3 {
		if token, err := tokens.Token(t.Context()); token != "t" || err != nil {
			t.Errorf("a provider that is away: got %q, %v", token, err)
		}
	}
	if len(asked) != 2 {
		t.Errorf("asked %d times, want one more", len(asked))
	}
	tokens.Age(10 * time.Minute)
	if token, err := tokens.Token(t.Context()); err == nil {
		t.Errorf("it gives %q, which has expired", token)
	}
	for _, tt := range []struct {
		status       int
		answer, want string
	}{
		{401, `{"error":"invalid_client"}`, `answers 401 "invalid_client"`},
		{302, "", "answers 302"},
		{200, "<h1>", "without a token"},
		{200, `{"access_token":""}`, "without a token"},
		{200, `{"access_token":"` + strings.Repeat("x", 1<<20) + `"}`, "without a token"},
	} {
		status, answer = tt.status, tt.answer
		fresh := &kafka.TokenURL{URL: provider.URL + "?key=canary", Client: "c", Secret: fixed("canary")}
		if _, err := fresh.Token(t.Context()); err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "canary") {
			t.Errorf("%d %.40s: got %v, want %q", tt.status, tt.answer, err, tt.want)
		}
	}
}
