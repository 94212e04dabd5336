package lambda

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/ebb-events/ebb/internal/dial"
)

// References to what the AWS Parameters and Secrets Lambda Extension has.
const (
	secretPrefix    = "secret:"
	parameterPrefix = "parameter:"
)

func isReference(s string) bool {
	return strings.HasPrefix(s, secretPrefix) || strings.HasPrefix(s, parameterPrefix)
}

// vault asks the extension for secrets. It has a cache, so we have none.
type vault struct {
	base   string // http://localhost:2773
	token  string // of the function, which the extension wants to see
	client *http.Client
	known  map[string]string // what references were last
}

func newVault(lookup func(string) string) *vault {
	port := lookup("PARAMETERS_SECRETS_EXTENSION_HTTP_PORT")
	if port == "" {
		port = "2773"
	}
	return &vault{
		base: "http://" + net.JoinHostPort("localhost", port), token: lookup("AWS_SESSION_TOKEN"),
		client: &http.Client{Transport: dial.Transport(dial.Dialer{})}, known: map[string]string{},
	}
}

// resolve returns what text refers to, or text.
func (v *vault) resolve(ctx context.Context, text string) (string, error) {
	if !isReference(text) {
		return text, nil
	}
	got, err := v.ask(ctx, text)
	if err == nil {
		v.known[text] = got
	}
	return got, err
}

// changed tells whether something that was referred to is something else now.
// What cannot be had now is as it was.
func (v *vault) changed(ctx context.Context) (changed bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, vaultTimeout)
	defer cancel()
	for ref, was := range v.known {
		now, failed := v.ask(ctx, ref)
		if failed != nil {
			err = failed
		} else if now != was {
			changed = true
		}
	}
	return changed, err
}

const (
	vaultTimeout = 3 * time.Second // for all that a function wants; an edge waits 5 s for set-up
	vaultPause   = 50 * time.Millisecond
	maxSecret    = 128 << 10 // bytes of an answer; secrets have 64 KiB
)

var errNotReady = errors.New("the extension is not ready")

// ask fetches what a reference means, again while the extension starts.
func (v *vault) ask(ctx context.Context, ref string) (string, error) {
	for {
		text, err := v.try(ctx, ref)
		if !errors.Is(err, errNotReady) {
			return text, err
		}
		select {
		case <-time.After(vaultPause):
		case <-ctx.Done():
			return "", err
		}
	}
}

// try returns no error that has more of an answer than its status: it may be
// the secret.
func (v *vault) try(ctx context.Context, ref string) (string, error) {
	where, field := v.url(ref)
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, where, nil)
	if err != nil {
		return "", errors.New("no reference to a secret or a parameter")
	}
	r.Header.Set("X-Aws-Parameters-Secrets-Token", v.token)
	resp, err := v.client.Do(r)
	if err != nil {
		return "", fmt.Errorf("%w: %w (is its layer there?)", errNotReady, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxSecret))
	switch {
	case err != nil:
		return "", fmt.Errorf("%w: %w", errNotReady, err)
	case resp.StatusCode == http.StatusBadRequest && strings.Contains(string(body), "not ready"):
		return "", errNotReady
	case resp.StatusCode != http.StatusOK:
		return "", fmt.Errorf("the extension answers %s", resp.Status)
	}
	var answer struct {
		SecretString *string
		SecretBinary []byte
		Parameter    struct{ Value *string }
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return "", errors.New("the extension's answer is no JSON")
	}
	switch {
	case answer.SecretString != nil:
		return fieldOf(*answer.SecretString, field)
	case answer.Parameter.Value != nil:
		return fieldOf(*answer.Parameter.Value, field)
	case answer.SecretBinary != nil:
		return string(answer.SecretBinary), nil
	}
	return "", errors.New("the extension's answer has no secret")
}

// url is where a reference is to be had, and the field of the JSON there.
func (v *vault) url(ref string) (where, field string) {
	ref, field, _ = strings.Cut(ref, "#")
	if name, ok := strings.CutPrefix(ref, parameterPrefix); ok {
		return v.base + "/systemsmanager/parameters/get?" + url.Values{"name": {name}, "withDecryption": {"true"}}.Encode(), field
	}
	name, more, _ := strings.Cut(strings.TrimPrefix(ref, secretPrefix), "?")
	query, _ := url.ParseQuery(more)
	query.Set("secretId", name)
	return v.base + "/secretsmanager/get?" + query.Encode(), field
}

func fieldOf(text, field string) (string, error) {
	if field == "" {
		return text, nil
	}
	var object map[string]json.RawMessage
	var value string
	if json.Unmarshal([]byte(text), &object) != nil || json.Unmarshal(object[field], &value) != nil {
		return "", fmt.Errorf("the secret is no JSON object with a text in %q", field)
	}
	return value, nil
}
