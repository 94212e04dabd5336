package kafka_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/plain"

	"github.com/ebb-events/ebb/internal/kafkatest"
	"github.com/ebb-events/ebb/kafka"
)

// roles are the users of docs/operating.md, and one more who may do nothing.
var roles = []string{"gateway", "edge", "publishing-edge", "connector", "service", "reactor", "nobody"}

func passwordOf(user string) string { return "the password of " + user }

// guarded is a broker that lets in who shows who he is.
type guarded struct {
	*bench
	login, mutual string // host:port
	ca            *kafkatest.Authority
	signer        *ecdsa.PrivateKey // of tokens; nil where none are taken
}

// onBothGuarded runs a test on kfake and on Apache Kafka, both with TLS, logins
// and ACLs.
func onBothGuarded(t *testing.T, test func(g *guarded)) {
	t.Run("embedded", func(t *testing.T) {
		t.Parallel()
		test(guardedFake(t))
	})
	t.Run("apache", func(t *testing.T) {
		t.Parallel()
		test(guardedApache(t))
	})
}

func guardedFake(t testing.TB) *guarded {
	ca, err := kafkatest.NewAuthority(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	certFile, keyFile, err := ca.Certificate("broker")
	if err != nil {
		t.Fatal(err)
	}
	cert, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		t.Fatal(err)
	}
	opts := []kfake.Opt{
		kfake.NumBrokers(1), kfake.TLS(&tls.Config{Certificates: []tls.Certificate{cert}}),
		kfake.EnableSASL(), kfake.EnableACLs(), kfake.Superuser("PLAIN", "admin", "admin's own"),
	}
	for _, user := range roles {
		for _, mechanism := range []string{kafka.Plain, kafka.Scram256, kafka.Scram512} {
			opts = append(opts, kfake.User(mechanism, user, passwordOf(user)))
		}
	}
	c, err := kfake.NewCluster(opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	g := &guarded{login: c.ListenAddrs()[0], ca: ca}
	g.bench = &bench{t, []string{g.login}, true, "", g.adminOf(t, kgo.DialTLSConfig(g.trust(t)), kgo.SASL(plain.Auth{User: "admin", Pass: "admin's own"}.AsMechanism()))}
	return g
}

// secured is the guarded Apache Kafka that all tests of the package share.
var secured struct {
	once   sync.Once
	dir    string
	kafka  *kafkatest.Secure
	signer *ecdsa.PrivateKey
	stop   func()
	err    error
}

func guardedApache(t testing.TB) *guarded {
	secured.once.Do(func() { secured.err = startSecured() })
	if secured.err != nil {
		t.Fatal(secured.err)
	}
	s := secured.kafka
	g := &guarded{login: s.Login, mutual: s.Mutual, ca: s.Authority, signer: secured.signer}
	g.bench = &bench{t, []string{s.Login}, false, "", g.adminOf(t, kgo.SeedBrokers(s.Admin))}
	for _, m := range []kadm.ScramMechanism{kadm.ScramSha256, kadm.ScramSha512} {
		var users []kadm.UpsertSCRAM
		for _, user := range roles {
			users = append(users, kadm.UpsertSCRAM{User: user, Mechanism: m, Iterations: 4096, Password: passwordOf(user)})
		}
		set, err := kadm.NewClient(g.admin).AlterUserSCRAMs(g.in(), nil, users)
		g.must(err)
		g.must(set.Error())
	}
	return g
}

func startSecured() (err error) {
	if secured.dir, err = os.MkdirTemp("", "ebb-kafka"); err != nil {
		return err
	}
	if secured.signer, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return err
	}
	keys, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: &secured.signer.PublicKey, KeyID: "k", Algorithm: "ES256", Use: "sig"}}})
	if err != nil {
		return err
	}
	users := kafkatest.Users{Passwords: map[string]string{}, JWKS: filepath.Join(secured.dir, "jwks.json")}
	for _, user := range roles {
		users.Passwords[user] = passwordOf(user)
	}
	if err := os.WriteFile(users.JWKS, keys, 0o600); err != nil {
		return err
	}
	secured.kafka, secured.stop, err = kafkatest.RunSecure(secured.dir, users)
	return err
}

func stopSecured() {
	if secured.stop != nil {
		secured.stop()
	}
	if secured.dir != "" {
		os.RemoveAll(secured.dir)
	}
}

func (g *guarded) adminOf(t testing.TB, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	admin, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(g.login), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.MetadataMinAge(10 * time.Millisecond)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(admin.Close)
	return admin
}

// trust is what believes the broker.
func (g *guarded) trust(t testing.TB) *tls.Config {
	t.Helper()
	pem, err := os.ReadFile(g.ca.CA)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	return &tls.Config{RootCAs: pool}
}

// as is the configuration of a user who logs in by SCRAM.
func (g *guarded) as(user string) kafka.Config {
	cfg := g.config()
	cfg.TLS = kafka.TLS{CA: g.ca.CA}
	cfg.Login = kafka.Login{Mechanism: kafka.Scram512, User: user, Secret: fixed(passwordOf(user))}
	return cfg
}

// openAs is a client of a user.
func (g *guarded) openAs(user string) *kafka.Client {
	g.Helper()
	return g.open(func(cfg *kafka.Config) { *cfg = g.as(user) })
}

func fixed(s string) kafka.Secret {
	return func(context.Context) (string, error) { return s, nil }
}

// token is a token for a user, as an OpenID provider makes them.
func (g *guarded) token(user string, life time.Duration) string {
	g.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: g.signer}, (&jose.SignerOptions{}).WithType("JWT").WithHeader("kid", "k"))
	g.must(err)
	now := time.Now()
	token, err := jwt.Signed(signer).Claims(jwt.Claims{
		Issuer: kafkatest.Issuer, Subject: user, Audience: jwt.Audience{kafkatest.Audience}, IssuedAt: jwt.NewNumericDate(now.Add(-time.Second)), Expiry: jwt.NewNumericDate(now.Add(life)),
	}).Claims(map[string]any{"scope": "kafka"}).Serialize()
	g.must(err)
	return token
}
