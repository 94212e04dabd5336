package gateway_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/ebb-events/ebb"
)

// FuzzJWT: a token that the issuer has not made opens nothing. Of one that it
// has made everybody reads the same, whatever is in it (S04, S07).
func FuzzJWT(f *testing.F) {
	w := withTwo(&testing.T{})
	good := w.by(issuerA, "")
	f.Add(good, hs256, strings.ReplaceAll(`{"sub":"ann","iss":"https://a.test","exp":EXP}`, "EXP", fmt.Sprint(w.now.Unix()+60)))
	f.Fuzz(func(t *testing.T, token, header, claims string) {
		a := w.ask("POST", "/api/sse", "", "Authorization", "Bearer "+token)
		if a.Code == http.StatusOK && token[:len(good)-1] != good[:len(good)-1] { // the last has spare bits
			t.Errorf("%q was accepted", token)
		}
		signed := jws(secretBytes(issuerA), header, claims)
		a = w.ask("POST", instance, `{"_command":"c"}`, "Content-Type", "application/json", "Authorization", "Bearer "+signed)
		switch a.Code {
		case http.StatusUnauthorized:
			return
		case http.StatusAccepted:
			judge(t, w.sent.last(t)[ebb.FieldJWT], header, claims, w.now.Unix())
		default:
			t.Errorf("got %d %s", a.Code, a.Body)
		}
	})
}

// judge looks at a token that was accepted as any other reader would.
func judge(t *testing.T, passed json.RawMessage, header, claims string, now int64) {
	t.Helper()
	var h, c, p map[string]any
	for text, into := range map[string]*map[string]any{header: &h, claims: &c, string(passed): &p} {
		if err := json.Unmarshal([]byte(text), into); err != nil {
			t.Fatalf("%q: %v", text, err)
		}
	}
	if h["alg"] != "HS256" || h["crit"] != nil {
		t.Errorf("the header %s was accepted", header)
	}
	exp, _ := c["exp"].(float64)
	sub, _ := c["sub"].(string)
	if c["iss"] != issuerA || exp < float64(now-61) || sub == "" || len(sub) > 254 || !utf8.ValidString(claims) {
		t.Errorf("the claims %s were accepted", claims)
	}
	if p["sub"] != "a:"+sub {
		t.Errorf("%s became %s", claims, passed)
	}
	// A struct takes a name in any case, the last one of several.
	var user ebb.User
	if json.Unmarshal(passed, &user) != nil || user.Name != p["sub"] {
		t.Errorf("%s is %q's to one reader and %q's to another", passed, user.Name, p["sub"])
	}
	for _, role := range user.Roles {
		if !strings.HasPrefix(role, "a:") {
			t.Errorf("%s has the role %q, which is not a's", passed, role)
		}
	}
	names := map[string]bool{}
	d := json.NewDecoder(bytes.NewReader([]byte(claims)))
	d.Token()
	for d.More() {
		name, _ := d.Token()
		if names[name.(string)] {
			t.Errorf("%s has %q twice", claims, name)
		}
		names[name.(string)] = true
		var value json.RawMessage
		if d.Decode(&value) != nil {
			break
		}
	}
}
