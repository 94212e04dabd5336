package bench

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// ebbEdge is the program that is measured: an edge on its embedded broker, and a
// gateway that tells it whose streams to hold.
type ebbEdge struct {
	program string // path of ebb
	secure  bool   // TLS for browsers
}

// start starts both, in processes of their own. The gateway has no Kafka:
// opening a stream needs none.
func (e ebbEdge) start(ctx context.Context) (t *target, err error) {
	t = &target{name: "Ebb", hello: true}
	defer func() {
		if err != nil {
			err = errors.Join(err, t.stop())
			t = nil
		}
	}()
	if err := t.makeDir(); err != nil {
		return t, err
	}
	gatewayAddr, err := freeAddr()
	if err != nil {
		return t, err
	}
	keys, err := writeKeys(t.dir, "grip", "publish", "ticket", "jwt")
	if err != nil {
		return t, err
	}
	control, err := freeAddr()
	if err != nil {
		return t, err
	}
	edge := exec.Command(e.program, "edge", "--origin", "http://"+gatewayAddr, "--addr", "127.0.0.1:0",
		"--control-addr", control, "--admin-addr", "127.0.0.1:0",
		"--grip-key", keys.file("grip"), "--publish-key", keys.file("publish"), "--log-level", "warn",
		"--data", filepath.Join(t.dir, "data"),
		"--user-streams", "0", "--opens", "0") // a bench is one user with all streams
	if e.secure {
		cert, key, err := writeCertificate(t.dir)
		if err != nil {
			return t, err
		}
		edge.Args = append(edge.Args, "--tls-cert", cert, "--tls-key", key)
	}
	if t.measured, err = start(ctx, edge); err != nil {
		return t, fmt.Errorf("edge: %w", err)
	}
	t.streams = hostOf(t.measured.url)
	scheme, _, _ := strings.Cut(t.measured.url, "://")
	gateway := exec.Command(e.program, "bench", "gateway", "--addr", gatewayAddr, "--edge-url", scheme+"://"+t.streams,
		"--grip-key", keys.file("grip"), "--ticket-key", keys.file("ticket"), "--jwt-key", keys.file("jwt"), "--log-level", "warn")
	helper, err := start(ctx, gateway)
	if err != nil {
		return t, fmt.Errorf("gateway: %w", err)
	}
	t.helpers = append([]*server{helper}, t.helpers...)
	t.publish = gripPublisher("http://"+control+"/publish/", string(keys["publish"]))
	tickets := tickets{api: helper.url + "/api/sse", key: keys["jwt"], client: publishers()}
	t.paths = tickets.paths
	return t, nil
}

// keyFiles are secrets by name, and are in files too. They are readable text,
// which is what a publisher sends.
type keyFiles map[string][]byte

func writeKeys(dir string, names ...string) (keyFiles, error) {
	keys := keyFiles{"": []byte(dir)}
	for _, name := range names {
		keys[name] = []byte(rand.Text() + rand.Text())
		if err := os.WriteFile(filepath.Join(dir, name+".key"), hex.AppendEncode(nil, keys[name]), 0o600); err != nil {
			return nil, err
		}
	}
	return keys, nil
}

func (k keyFiles) file(name string) string {
	return "file:" + filepath.Join(string(k[""]), name+".key")
}

// tickets gets, from a gateway, what opens a stream.
type tickets struct {
	api    string // URL of its /api/sse
	key    []byte // signs access tokens
	client *http.Client
}

// paths gets a ticket for each user. One who is there several times in a row
// uses the same again.
func (t tickets) paths(ctx context.Context, users []int32) ([]string, error) {
	paths := make([]string, len(users))
	const hands = 8
	var all sync.WaitGroup
	var errs [hands]error
	for h := range hands {
		all.Go(func() {
			path, whose := "", int32(everybody-1)
			for i := len(users) * h / hands; i < len(users)*(h+1)/hands; i++ {
				if users[i] != whose {
					if path, errs[h] = t.path(ctx, users[i]); errs[h] != nil {
						return
					}
					whose = users[i]
				}
				paths[i] = path
			}
		})
	}
	all.Wait()
	return paths, errors.Join(errs[:]...)
}

func (t tickets) path(ctx context.Context, user int32) (string, error) {
	answer, err := fetch(ctx, t.client, t.api, nil, http.StatusOK, "Authorization", "Bearer "+t.token(channel(user)))
	if err != nil {
		return "", err
	}
	var got struct{ URL string }
	if err := json.Unmarshal(answer, &got); err != nil {
		return "", err
	}
	to, err := url.Parse(got.URL)
	if err != nil {
		return "", err
	}
	return to.RequestURI(), nil
}

// token is a user's access token, as an identity provider would sign it.
func (t tickets) token(user string) string {
	part := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
	signed := part(`{"alg":"HS256","typ":"JWT"}`) + "." + part(fmt.Sprintf(`{"sub":%q,"exp":%d}`, user, time.Now().Add(time.Hour).Unix()))
	mac := hmac.New(sha256.New, t.key)
	mac.Write([]byte(signed))
	return signed + "." + part(string(mac.Sum(nil)))
}
