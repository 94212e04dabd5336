package edge_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"

	"github.com/ebb-events/ebb/edge"
)

func TestPublishAnswersAsAccepted(t *testing.T) {
	tests := []struct {
		accept string
		status int
		body   string
	}{
		{"", 200, "Published\n"},
		{"*/*", 200, "Published\n"},
		{"text/plain", 200, "Published\n"},
		{"application/json", 200, `{"message":"Published"}` + "\n"},
		{"application/json;q=1, text/plain", 200, `{"message":"Published"}` + "\n"},
		{"text/plain, application/json", 200, `{"message":"Published"}` + "\n"},
		{"text/plain, application/*", 200, "Published\n"},
		{"text/html, application/*", 200, `{"message":"Published"}` + "\n"},
		{"text/html", 406, ""},
	}
	in(t, nil, func(w *world) {
		for _, tt := range tests {
			headers := []string{"Accept", tt.accept}
			if tt.accept == "" {
				headers = nil
			}
			rec := w.publish(oneItem, headers...)
			if rec.Code != tt.status || tt.status == 200 && rec.Body.String() != tt.body {
				t.Errorf("%q got %d %q, want %d %q", tt.accept, rec.Code, rec.Body, tt.status, tt.body)
			}
		}
		rec := w.publish("<", "Accept", "application/json")
		if rec.Code != 400 || rec.Header().Get("Content-Type") != "application/json" || !json.Valid(rec.Body.Bytes()) {
			t.Errorf("got %d %q", rec.Code, rec.Body)
		}
	})
}

func TestPublishWithFastlyKey(t *testing.T) {
	in(t, nil, func(w *world) {
		for value, want := range map[string]int{secret: 200, base64.StdEncoding.EncodeToString([]byte(secret)): 200, secret[1:]: 401, "": 401} {
			if rec := w.control("POST", "/service/s/publish/", oneItem, "Fastly-Key", value); rec.Code != want {
				t.Errorf("got %d, want %d", rec.Code, want)
			}
		}
		// What Authorization says is not made good by another header.
		if rec := w.control("POST", "/publish/", oneItem, "Fastly-Key", secret, "Authorization", "Bearer x"); rec.Code != 401 {
			t.Errorf("got %d", rec.Code)
		}
	})
}

func TestPython3sBasicIsNamedInTheLog(t *testing.T) {
	var log bytes.Buffer
	in(t, func(c *edge.Config) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) }, func(w *world) {
		token := base64.StdEncoding.EncodeToString([]byte("realm:" + secret))
		rec := w.control("POST", "/publish/", oneItem, "Authorization", "Basic b'"+token+"'")
		if rec.Code != 401 || !strings.Contains(rec.Body.String(), "Python 3") || !strings.Contains(log.String(), "Python 3") || strings.Contains(log.String(), token) {
			t.Errorf("got %d %q, log %q", rec.Code, rec.Body, &log)
		}
	})
}
