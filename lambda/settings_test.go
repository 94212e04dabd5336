package lambda

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/ebb-events/ebb/gateway"
)

// made makes a function of an environment.
func made(t *testing.T, f Function, env map[string]string) (Handler, error) {
	t.Helper()
	i := newInstance(f, func(name string) string { return env[name] }, new(bytes.Buffer))
	err := i.build(t.Context())
	return i.handler, err
}

type noSender struct{}

func (noSender) Send(context.Context, string, string, []byte) error { return nil }

var anyCommand = Command(func(*Settings) (gateway.Sender, error) { return noSender{}, nil })

// TestEnvironmentIsCheckedAtTheDoor: what is wrong is told by the name of its
// variable, and all of it at once.
func TestEnvironmentIsCheckedAtTheDoor(t *testing.T) {
	edge := map[string]string{"EBB_EDGE_URL": "https://edge.test", "EBB_TICKET_KEY": strong}
	with := func(base map[string]string, more ...string) map[string]string {
		env := map[string]string{}
		for name, value := range base {
			env[name] = value
		}
		for i := 0; i < len(more); i += 2 {
			env[more[i]] = more[i+1]
		}
		return env
	}
	tests := []struct {
		name string
		f    Function
		env  map[string]string
		want string // in the error; it is well if empty
	}{
		{"connect without anything", Connect, nil, "EBB_EDGE_URL: it is required\nEBB_TICKET_KEY: it is required\nEBB_ISSUER: "},
		{"connect without an issuer", Connect, edge, "EBB_ISSUER: "},
		{"connect", Connect, with(edge, "EBB_JWKS", "https://issuer.test/keys"), ""},
		{"connect of a provider", Connect, with(edge, "EBB_ISSUER", "https://issuer.test", "EBB_AUDIENCE", "a, b", "EBB_FIRST_USE", "30s", "EBB_ORIGINS", "https://app.test"), ""},
		{"a weak key", Connect, with(edge, "EBB_TICKET_KEY", strings.Repeat("a", 40), "EBB_ISSUER", "https://issuer.test"), "EBB_TICKET_KEY: grip: key: it is weak"},
		{"a short key", Connect, with(edge, "EBB_TICKET_KEY", "short", "EBB_ISSUER", "https://issuer.test"), "EBB_TICKET_KEY: grip: key"},
		{"an old key that is bad", Connect, with(edge, "EBB_TICKET_KEY_OLD", "short", "EBB_ISSUER", "https://issuer.test"), "EBB_TICKET_KEY_OLD: grip: key"},
		{"one key for two things", Connect, with(edge, "EBB_JWT_KEY", strong), "more than one purpose"},
		{"no time", Connect, with(edge, "EBB_FIRST_USE", "60", "EBB_JWT_KEY", other), "EBB_FIRST_USE: "},
		{"no page", Connect, with(edge, "EBB_ORIGINS", "app.test", "EBB_JWT_KEY", other), `origin "app.test"`},
		{"setup without a key", Setup, edge, "EBB_GRIP_KEY: it is required"},
		{"setup", Setup, with(edge, "EBB_GRIP_KEY", other, "EBB_KEEP_ALIVE", "20s"), ""},
		{"several issuers", anyCommand, map[string]string{"EBB_ISSUERS": `[{"issuer":"https://a.test","namespace":"a","audience":"x","max-token-life":"1h"},{"issuer":"https://b.test","namespace":"b","audience":["x","y"],"jwt-key":"` + other + `"}]`}, ""},
		{"an issuer too little", anyCommand, map[string]string{"EBB_ISSUERS": `[]`}, "EBB_ISSUERS: it is no JSON list"},
		{"an issuer misspelt", anyCommand, map[string]string{"EBB_ISSUERS": `[{"isuer":"x"}]`}, "EBB_ISSUERS: it is no JSON list"},
		{"rules", anyCommand, map[string]string{"EBB_JWT_KEY": other, "EBB_ROLES": "board-task.create=clerk,boss; board-task.get=*", "EBB_DENY_BY_DEFAULT": "true"}, ""},
		{"no rule", anyCommand, map[string]string{"EBB_JWT_KEY": other, "EBB_ROLES": "clerk"}, "EBB_ROLES: "},
		{"neither true nor false", anyCommand, map[string]string{"EBB_JWT_KEY": other, "EBB_DENY_BY_DEFAULT": "maybe"}, "EBB_DENY_BY_DEFAULT: "},
		{"notify without an edge", Notify, nil, "EBB_PUBLISH_URL: it is required"},
		{"notify", Notify, map[string]string{"EBB_PUBLISH_URL": "http://a:5561, http://b:5561/"}, ""},
		{"notify to no URL", Notify, map[string]string{"EBB_PUBLISH_URL": "edge:5561"}, "EBB_PUBLISH_URL: it must be"},
		{"notify with too small events", Notify, map[string]string{"EBB_PUBLISH_URL": "http://a", "EBB_MAX_EVENT": "1"}, "MaxEvent is 1"},
		{"notify with a public key", Notify, map[string]string{"EBB_PUBLISH_URL": "http://a", "EBB_PUBLISH_KEY": publicKey}, "EBB_PUBLISH_KEY: "},
	}
	for _, tt := range tests {
		h, err := made(t, tt.f, tt.env)
		switch {
		case tt.want == "" && (err != nil || h == nil):
			t.Errorf("%s: %v", tt.name, err)
		case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
			t.Errorf("%s: got %v, want %q", tt.name, err, tt.want)
		}
	}
}

const publicKey = `-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=
-----END PUBLIC KEY-----`
