package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/ebb-events/ebb/internal/kafkatest"
)

const testTokenKey = "token-Zp4Rk8Nw2Xc6Vb9Jm3Hs7Lt5Qd1Fy"

// TestRoundTripThroughGuardedKafka: every part a process, with a user of its own
// and the rights that docs/operating.md gives it: the service by PLAIN, the
// gateway by SCRAM, the connector by a certificate, the edge by tokens.
func TestRoundTripThroughGuardedKafka(t *testing.T) {
	t.Parallel()
	g := startGuarded(t)
	write := func(name, text string) string {
		path := filepath.Join(g.dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return "file:" + path
	}
	run := func(part string, args ...string) *program {
		t.Helper()
		env := append(clean(), "EBB_GRIP_KEY="+testGripKey, "EBB_TICKET_KEY=ticket-Wn3bQ8xY5rJ7kLp2Vd9sTf6hGm1c", "EBB_JWT_KEY="+testTokenKey)
		p, err := startEbb(g.dir, env, append([]string{part, "--admin-addr", "127.0.0.1:0", "--kafka-ca", g.kafka.CA}, args...)...)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(p.kill)
		return p
	}
	cert, key, err := g.kafka.Certificate("connector")
	if err != nil {
		t.Fatal(err)
	}
	edgeAddr, err := kafkatest.FreeAddr()
	if err != nil {
		t.Fatal(err)
	}
	run("demo", "--kafka", g.kafka.Login, "--kafka-sasl", "plain", "--kafka-user", "service", "--kafka-password", write("service", "of-service\n"))
	run("connector", "--kafka", g.kafka.Mutual, "--kafka-cert", cert, "--kafka-cert-key", key, "--types", "board-task")
	gateway := run("gateway", "--addr", "127.0.0.1:0", "--edge-url", "http://"+edgeAddr, "--kafka", g.kafka.Login, "--kafka-user", "gateway", "--kafka-password", write("gateway", "of-gateway"))
	run("edge", "--addr", edgeAddr, "--control-addr", "127.0.0.1:0", "--origin", gateway.base(), "--kafka", g.kafka.Login,
		"--kafka-token-url", g.provider.URL, "--kafka-user", "edge", "--kafka-password", write("edge", "of-edge"))

	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	token := bearer(t, "ann")
	s, err := gateway.stream(ctx, token)
	if err != nil {
		t.Fatal(err)
	}
	defer s.body.Close()
	const id = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff"
	resp, err := gateway.request(ctx, "POST", "/api/board/task/"+id, token, strings.NewReader(`{"_command":"create","title":"guarded"}`))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusAccepted {
		t.Fatalf("got %s", resp.Status)
	}
	for {
		e, err := s.Next()
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(e.Data, []byte("guarded")) && bytes.Contains(e.Data, []byte("applied")) {
			break
		}
	}
	resp, err = gateway.request(ctx, "GET", "/api/board/task/"+id, token, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Errorf("reading: %s", resp.Status)
	}
	if g.given.Load() == 0 {
		t.Error("the edge asked for no token")
	}
}

// guardedKafka is an Apache Kafka with ACLs, and who gives tokens for it.
type guardedKafka struct {
	dir      string
	kafka    *kafkatest.Secure
	provider *httptest.Server
	given    atomic.Int32
}

// startGuarded makes users, rights and topics.
func startGuarded(t *testing.T) *guardedKafka {
	t.Helper()
	g := &guardedKafka{dir: t.TempDir()}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	signer, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(err)
	keys, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: &signer.PublicKey, KeyID: "k", Algorithm: "ES256", Use: "sig"}}})
	must(err)
	users := kafkatest.Users{Passwords: map[string]string{"service": "of-service"}, JWKS: filepath.Join(g.dir, "jwks.json")}
	must(os.WriteFile(users.JWKS, keys, 0o600))
	var stop func()
	data := t.TempDir()
	g.kafka, stop, err = kafkatest.RunSecure(data, users)
	must(err)
	t.Cleanup(stop)
	g.provider = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id, secret, _ := r.BasicAuth()
		if secret != "of-"+id {
			http.Error(w, `{"error":"invalid_client"}`, http.StatusUnauthorized)
			return
		}
		g.given.Add(1)
		fmt.Fprintf(w, `{"access_token":%q,"expires_in":300}`, signed(t, jose.SigningKey{Algorithm: jose.ES256, Key: signer}, id, kafkatest.Issuer, kafkatest.Audience))
	}))
	t.Cleanup(g.provider.Close)

	cl, err := kgo.NewClient(kgo.SeedBrokers(g.kafka.Admin))
	must(err)
	defer cl.Close()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	admin := kadm.NewClient(cl)
	scram, err := admin.AlterUserSCRAMs(ctx, nil, []kadm.UpsertSCRAM{{User: "gateway", Mechanism: kadm.ScramSha512, Iterations: 4096, Password: "of-gateway"}})
	must(err)
	must(scram.Error())
	acls, err := kafkatest.Rights("../../docs/operating.md")
	must(err)
	for _, acl := range acls {
		_, err := admin.CreateACLs(ctx, acl)
		must(err)
	}
	for topic, config := range map[string]map[string]*string{
		"board-task-command": nil, "board-task-event": nil, "board-task-reply": nil, "board-task-command-dead": nil, "board-task-reply-dead": nil,
		"board-task-aggregate": {"cleanup.policy": kadm.StringPtr("compact")},
		"ebb-channels":         {"message.timestamp.type": kadm.StringPtr("LogAppendTime")},
		"ebb-sessions":         {"message.timestamp.type": kadm.StringPtr("LogAppendTime")},
	} {
		partitions := int32(4)
		if topic == "ebb-sessions" {
			partitions = 1
		}
		made, err := admin.CreateTopic(ctx, partitions, 1, config, topic)
		must(err)
		must(made.Err)
	}
	return g
}

// bearer is a user's access token.
func bearer(t *testing.T, user string) string {
	t.Helper()
	return signed(t, jose.SigningKey{Algorithm: jose.HS256, Key: []byte(testTokenKey)}, user, "", "")
}

func signed(t *testing.T, key jose.SigningKey, user, issuer, audience string) string {
	t.Helper()
	signer, err := jose.NewSigner(key, (&jose.SignerOptions{}).WithType("JWT").WithHeader("kid", "k"))
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	claims := jwt.Claims{Subject: user, Issuer: issuer, IssuedAt: jwt.NewNumericDate(now.Add(-time.Second)), Expiry: jwt.NewNumericDate(now.Add(5 * time.Minute))}
	if audience != "" {
		claims.Audience = jwt.Audience{audience}
	}
	token, err := jwt.Signed(signer).Claims(claims).Claims(map[string]any{"scope": "kafka"}).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}
