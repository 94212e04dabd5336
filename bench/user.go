package bench

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"strings"

	"github.com/ebb-events/ebb/sse"
)

// user is a browser of somebody who has logged in and listens.
type user struct {
	url    string
	client *http.Client
	stream io.Closer
	events *sse.Reader
	task   string // the one to rename
}

// enter logs users in, under names of their own, and opens their streams, which
// end with ctx.
func enter(ctx context.Context, url string, n int) ([]*user, error) {
	connections := http.DefaultTransport.(*http.Transport).Clone()
	connections.MaxIdleConns, connections.MaxIdleConnsPerHost = 0, 2*n
	context.AfterFunc(ctx, connections.CloseIdleConnections)
	users := make([]*user, n)
	for i := range users {
		jar, err := cookiejar.New(nil)
		if err != nil {
			return nil, err
		}
		u := &user{
			url:    strings.TrimSuffix(url, "/"),
			client: &http.Client{Transport: connections, Jar: jar},
			task:   newID(),
		}
		if err := u.enter(ctx); err != nil {
			return nil, fmt.Errorf("user %d: %w", i+1, err)
		}
		users[i] = u
	}
	return users, nil
}

// enter returns once events would be heard.
func (u *user) enter(ctx context.Context) error {
	if err := u.post(ctx, "/dev/login", map[string]string{"user": "bench-" + rand.Text()}, http.StatusOK); err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.url+"/api/sse", nil)
	if err != nil {
		return err
	}
	req.Header.Set("Accept", sse.ContentType)
	resp, err := u.client.Do(req) // which follows the redirect to the edge
	if err != nil {
		return err
	}
	if t := resp.Header.Get("Content-Type"); resp.StatusCode != http.StatusOK || !strings.HasPrefix(t, sse.ContentType) {
		resp.Body.Close()
		return fmt.Errorf("opening a stream: got %s and %q", resp.Status, t)
	}
	u.stream, u.events = resp.Body, sse.NewReader(resp.Body)
	for {
		e, err := u.events.Next()
		if err != nil {
			resp.Body.Close()
			return fmt.Errorf("opening a stream: %w", err)
		}
		if e.Name == "ebb.hello" {
			return nil
		}
	}
}

// listen hands over the _corr of every event until the stream ends, and says
// why. An event that is not expected, or says that a command was not applied,
// ends it too.
func (u *user) listen(arrived func(corr string) bool) error {
	defer u.stream.Close()
	for {
		e, err := u.events.Next()
		if err != nil {
			return fmt.Errorf("a stream ended: %w", err)
		}
		switch e.Name {
		case "":
		case "ebb.mark":
			continue
		default:
			return fmt.Errorf("got %s %s on a stream", e.Name, e.Data)
		}
		var reply struct {
			Corr    string `json:"_corr"`
			Outcome string `json:"_outcome"`
		}
		if err := json.Unmarshal(e.Data, &reply); err != nil {
			return fmt.Errorf("got an event that is no JSON: %w", err)
		}
		if !arrived(reply.Corr) || reply.Outcome != "applied" {
			return fmt.Errorf("got a wrong event: %s", e.Data)
		}
	}
}

// send returns once a command was accepted.
func (u *user) send(ctx context.Context, task, command, corr string) error {
	return u.post(ctx, "/api/board/task/"+task, map[string]string{
		"_command": command, "_corr": corr, "title": "Task of " + corr,
	}, http.StatusAccepted)
}

func (u *user) post(ctx context.Context, path string, body any, want int) error {
	b, err := json.Marshal(body)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, u.url+path, bytes.NewReader(b))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := u.client.Do(req)
	if err != nil {
		return err
	}
	answer, err := io.ReadAll(resp.Body)
	if resp.StatusCode != want {
		err = errors.Join(err, fmt.Errorf("POST %s: got %s: %s", path, resp.Status, answer))
	}
	return errors.Join(err, resp.Body.Close())
}

// newID is a random UUID.
func newID() string {
	var b [16]byte
	rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
