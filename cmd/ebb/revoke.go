package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// revokeCmd asks a gateway on this machine, so that it needs neither the way to
// Kafka nor its rights.
type revokeCmd struct {
	User      string `required:"" placeholder:"NAME" help:"Whose sessions end; with several issuers NAMESPACE:SUB."`
	Session   string `placeholder:"NAME" help:"End that session alone, not all that have begun."`
	AdminAddr string `default:"127.0.0.1:8084" placeholder:"HOST:PORT" help:"Address for operators of a gateway on this machine; any one will do."`
}

// Run is ebb revoke.
func (c *revokeCmd) Run(ctx context.Context, env *environment) error {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	body, err := json.Marshal(struct {
		User    string `json:"user"`
		Session string `json:"session,omitempty"`
	}{c.User, c.Session})
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+c.AdminAddr+"/revoke", bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("--admin-addr: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("nothing was revoked for sure: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusNoContent {
		_, err := fmt.Fprintln(env.stdout, "revoked")
		return err
	}
	var p struct{ Detail string }
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 4<<10))
	if json.Unmarshal(text, &p) != nil || p.Detail == "" {
		p.Detail = "no gateway answers there"
	}
	return errors.New("nothing was revoked for sure: " + resp.Status + ": " + p.Detail)
}
