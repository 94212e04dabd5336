package gateway_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/ebb-events/ebb/channel"
)

// nearAnn are names that some system somewhere takes for ann, or for ann of an
// issuer or a back end.
var nearAnn = []string{
	"ann", "Ann", "ANN", "ann ", " ann", "ann,", "ann,bob", "ann;x=y", "ann; filter=skip-self", "ann/", "/ann", "ann\\", "ann#", "ann?", "ann*", "*", "a*", "ann:", ":ann", "a:ann", "b:ann", "a:b:ann",
	"a:a:ann", "shop:ann", "shop", "shop\u241fann", "ann\u200b", "\ufeffann", "ann\u00ad", "ann\u2028", "\u202eann", "\uff41\uff4e\uff4e", "\u0430nn", "\u00e5nn", "a\u030ann", "\u212bnn", "an\u0144", "ann\u0301",
	"\u1e9b\u0323", "\u1e69", "s\u0323\u0307", "\ufb03", "ffi", "\u2126", "\u03a9", "\u0130", "i\u0307", "\u017f", "s", "null", "", "0", "-1", "true", "__proto__", `"ann"`, "ann%00", "ann%1f", `ann\u001f`, "YW5u", strings.Repeat("a", 254),
	// and such as nobody can have
	"ann\x00", "ann\x1f", "shop\x1fann", "\x1fann", "ann\r\n", "ann\n", "ann\t", "ann\x7f", "ann\u0085", "ann\u009f", "ann\ufffd", strings.Repeat("a", 255), strings.Repeat("\u00e9", 128),
}

// TestChannelCollisionCorpus: each user of each issuer, and each channel of each
// back end, has a channel of her own, which is her name byte for byte; what can
// be nobody's name gets none (S30).
func TestChannelCollisionCorpus(t *testing.T) {
	owner := map[string]string{}
	claim := func(ch, who string) {
		if other, ok := owner[ch]; ok && other != who {
			t.Errorf("%q is the channel of %s and of %s", ch, other, who)
		}
		owner[ch] = who
	}
	alone, two := newWorld(t), withTwo(t)
	nobody := 0
	for _, name := range nearAnn {
		sub, _ := json.Marshal(name)
		for _, of := range []struct{ namespace, issuer, audience string }{{"", "", ""}, {"a:", issuerA, ""}, {"b:", issuerB, "ebb"}} {
			w, token := alone, alone.token(name)
			if of.issuer != "" {
				w = two
				token = jws(secretBytes(of.issuer), hs256, `{"sub":`+string(sub)+`,"iss":"`+of.issuer+`","aud":"`+of.audience+`","exp":1800003600}`)
			}
			a := w.ask("GET", "/api/sse", "", "Authorization", "Bearer "+token)
			plain := name != "" && len(of.namespace+name) <= 256 && !strings.ContainsAny(name, "\x00\x1f\r\n\t\x7f\u0085\u009f\ufffd")
			if !plain {
				nobody++
				if a.Code != http.StatusUnauthorized {
					t.Errorf("%q of %q: got %d, want 401", name, of.issuer, a.Code)
				}
				continue
			}
			_, u, ok := strings.Cut(a.Header().Get("Location"), "?u=")
			if !ok {
				t.Errorf("%q of %q: got %d", name, of.issuer, a.Code)
				continue
			}
			channels := instruct(t, w.setUp(u)).Hold.Channels
			if len(channels) != 1 || channels[0].Name != of.namespace+name || channels[0].Filters != nil {
				t.Errorf("%q of %q hears %+v", name, of.issuer, channels)
			}
			if of.issuer != "" { // one issuer alone, or several: a system has the one or the other
				claim(channels[0].Name, of.issuer+" "+name)
			}
		}
		for _, prefix := range []string{"a", "b", "shop", "a-b"} {
			claim(channel.Foreign(prefix, name), "back end "+prefix+" "+name)
		}
	}
	if len(owner) < 5*len(nearAnn) || nobody < 30 {
		t.Errorf("only %d channels and %d that are nobody's", len(owner), nobody)
	}
}
