package gateway_test

import (
	"bytes"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/ebb-events/ebb/gateway"
	"github.com/ebb-events/ebb/internal/dial/dialtest"
)

// TestIssuerThatRebinds: keys are never fetched from where clouds hand out
// credentials, whatever an issuer's name has come to mean (S42).
func TestIssuerThatRebinds(t *testing.T) {
	dialtest.New(t, 169, 254, 169, 254).System(t)
	var log bytes.Buffer
	w := newWorld(t, func(c *gateway.Config) {
		c.Issuers = []gateway.Issuer{{JWKS: "http://issuer.example/keys"}}
		c.Log = slog.New(slog.NewTextHandler(&log, nil))
	})
	token := b64(`{"alg":"ES256","kid":"k"}`) + "." + b64(`{"sub":"ann","exp":1800003600}`) + "." + b64(strings.Repeat("s", 64))
	if a := w.ask("POST", "/api/sse", "", "Authorization", "Bearer "+token); a.Code != http.StatusServiceUnavailable || !strings.Contains(log.String(), "link-local") {
		t.Errorf("got %d, logged %s", a.Code, log.String())
	}
}
