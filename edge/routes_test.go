package edge_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/ebb-events/ebb/channel"
	"github.com/ebb-events/ebb/edge"
	"github.com/ebb-events/ebb/grip"
	"github.com/ebb-events/ebb/sse"
)

var (
	shopKey    = must(grip.SecretKey([]byte(strings.Repeat("s", 32))))
	shopWriter = must(grip.SecretKey([]byte(strings.Repeat("w", 32))))
)

// marked tells the origin as which one it was asked.
type marked struct{ http.RoundTripper }

func (m marked) RoundTrip(r *http.Request) (*http.Response, error) {
	r.Header.Set("X-Origin", r.URL.Host)
	return m.RoundTripper.RoundTrip(r)
}

// routed runs a test with an edge in front of several origins.
func routed(t *testing.T, routes []edge.Route, origin http.HandlerFunc, test func(s *site)) {
	t.Helper()
	serving(t, origin, func(c *edge.Config) {
		c.Routes = routes
		c.Transport = marked{c.Transport}
	}, test)
}

func to(host string) *url.URL { return &url.URL{Scheme: "http", Host: host} }

// at asks for a path of a host.
func (s *site) at(host, path string, headers ...string) *http.Response {
	s.t.Helper()
	r := must(http.NewRequestWithContext(s.t.Context(), "GET", "http://edge"+path, nil))
	r.Host = host
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return must(s.http.Do(r))
}

func TestRequestsFindTheirOrigin(t *testing.T) {
	routes := []edge.Route{
		{Host: "shop.example", Origin: to("shop"), Prefix: "shop"},
		{Host: "shop.example", Path: "/chat", Origin: to("chat"), Prefix: "chat"},
		{Host: "shop.example", Path: "/chat/old/", Origin: to("old"), Prefix: "old"},
		{Host: "*.example", Origin: to("any"), Prefix: "any"},
		{Host: "*.b.example", Origin: to("any-b"), Prefix: "any-b"},
		{Path: "/hooks", Origin: to("hooks"), Prefix: "hooks"},
		{Host: "2001:db8::1", Origin: to("six"), Prefix: "six"},
	}
	origin := func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.Header.Get("X-Origin")) }
	routed(t, routes, origin, func(s *site) {
		for _, tt := range []struct{ host, path, want string }{
			{"shop.example", "/", "shop"},
			{"SHOP.example.:8080", "/x", "shop"},
			{"shop.example", "/chat", "chat"},
			{"shop.example", "/chat/x?y=/", "chat"},
			{"shop.example", "/chatter", "shop"},
			{"shop.example", "/chat/old/x", "old"},
			{"shop.example", "/chat/old", "chat"},
			{"a.example", "/", "any"},
			{"a.b.example", "/", "any-b"},
			{"b.example", "/", "any"},
			{"example", "/", "origin"},
			{"shop.example", "/hooks", "shop"}, // the more exact host counts
			{"elsewhere", "/hooks/1", "hooks"},
			{"[2001:db8::1]:99", "/", "six"},
			{"", "/", "origin"},
		} {
			if got := text(t, s.at(tt.host, tt.path)); got != tt.want {
				t.Errorf("%s%s went to %q, want %q", tt.host, tt.path, got, tt.want)
			}
		}
	})
}

func TestUnknownHostIsTold(t *testing.T) {
	serving(t, nil, func(c *edge.Config) {
		c.Origin, c.Routes = nil, []edge.Route{{Host: "shop.example", Origin: to("shop"), Prefix: "shop"}}
	}, func(s *site) {
		for _, accept := range []string{"*/*", sse.ContentType} {
			resp := s.ask("GET /", "Accept", accept)
			if body := text(t, resp); resp.StatusCode != 404 || !strings.Contains(body, "no route") {
				t.Errorf("got %d %q", resp.StatusCode, body)
			}
		}
	})
}

// TestRoutesAreApart: each origin has channels, keys and publishers of its own.
func TestRoutesAreApart(t *testing.T) {
	routes := []edge.Route{{
		Host: "shop.example", Origin: to("shop"), Prefix: "shop",
		GripKey: shopKey, GripIssuer: "pushpin", PublishKey: shopWriter,
	}}
	sigs := map[string]string{}
	origin := func(w http.ResponseWriter, r *http.Request) {
		sigs[r.Header.Get("X-Origin")] = r.Header.Get("Grip-Sig")
		setUp(w, r)
	}
	routed(t, routes, origin, func(s *site) {
		own := s.stream("/?u=ann")
		own.want("ebb.hello")
		resp := s.at("shop.example", "/?u=ann", "Accept", sse.ContentType)
		shop := &page{s, resp, sse.NewReader(resp.Body), func() {}}
		hello := shop.want("ebb.hello")
		if err := shopKey.Verify(sigs["shop"], "pushpin", time.Now()); err != nil {
			t.Errorf("the shop's signature: %v", err)
		}
		if err := key.Verify(sigs["origin"], "ebb", time.Now()); err != nil {
			t.Errorf("our own signature: %v", err)
		}

		publish := func(by grip.Key, ch, data string, want int) {
			t.Helper()
			name := must(json.Marshal(ch))
			body := fmt.Sprintf(`{"items":[{"channel":%s,"formats":{"http-stream":{"content":"data: %s\n\n"}}}]}`, name, data)
			r := must(http.NewRequest("POST", "http://edge/publish/", strings.NewReader(body)))
			r.SetBasicAuth("any", string(by.Secret()))
			w := &recorded{header: http.Header{}, status: 200}
			s.edge.Control().ServeHTTP(w, r)
			if w.status != want {
				t.Errorf("publishing got %d %s, want %d", w.status, &w.Buffer, want)
			}
		}
		publish(key, "ann", "ours", 200)
		publish(shopWriter, "ann", "theirs", 200)
		publish(shopKey, "ann", "nobody's", 401)
		publish(key, channel.Foreign("shop", "ann"), "ours for them", 200)
		own.want("ours")
		if e := shop.want("theirs", "ours for them"); e.ID == "" {
			t.Error("no cursor")
		}
		c := must(channel.ParseCursor(hello.ID))
		if want := channel.Partition(channel.Foreign("shop", "anything"), partitions); c.Partition != want {
			t.Errorf("in partition %d, want the shop's %d", c.Partition, want)
		}
		shop.close()
		own.want("ebb.mark") // and no more before
		own.close()
	})
}

func TestRouteWithoutStreamsIsAProxyOnly(t *testing.T) {
	var got http.Header
	origin := func(w http.ResponseWriter, r *http.Request) {
		got = r.Header
		if r.URL.Path == "/broken" {
			http.Error(w, "no", 500)
			return
		}
		setUp(w, r)
		w.(http.Flusher).Flush()
	}
	routed(t, []edge.Route{{Host: "plain.example", Origin: to("plain"), Prefix: "plain", NoStreams: true}}, origin, func(s *site) {
		resp := s.at("plain.example", "/?u=ann", "Accept", sse.ContentType, "Grip-Sig", "forged")
		if body := text(t, resp); resp.StatusCode != 200 || !strings.Contains(body, `"hold"`) {
			t.Errorf("got %d %q, want it as it is", resp.StatusCode, body)
		}
		if got.Get("Grip-Sig") != "" || got.Get("Grip-Feature") != "" {
			t.Errorf("the origin got %v", got)
		}
		if resp := s.at("plain.example", "/broken", "Accept", sse.ContentType); resp.StatusCode != 500 {
			t.Errorf("got %d", resp.StatusCode)
		}
		if s.tally.opened != 0 {
			t.Error("a stream was held")
		}
	})
}

func TestWrongRoutesAreRefused(t *testing.T) {
	good := edge.Route{Host: "a.example", Origin: to("a"), Prefix: "a"}
	public := must(grip.ParseKey("-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n"))
	for want, routes := range map[string][]edge.Route{
		`route "a.example": no origin`:                           {{Host: "a.example", Prefix: "a"}},
		`route "a.example": origin "ftp://x", want http`:         {{Host: "a.example", Prefix: "a", Origin: &url.URL{Scheme: "ftp", Host: "x"}}},
		`route "a.example": the channel prefix is "", want`:      {{Host: "a.example", Origin: to("a")}},
		`route "a.example": the channel prefix is "a\x1f", want`: {{Host: "a.example", Origin: to("a"), Prefix: "a\x1f"}},
		`route "a.example:80": want a host without`:              {{Host: "a.example:80", Origin: to("a"), Prefix: "a"}},
		`route "http://a": want a host without`:                  {{Host: "http://a", Origin: to("a"), Prefix: "a"}},
		`route "a.*": want a host without`:                       {{Host: "a.*", Origin: to("a"), Prefix: "a"}},
		`route "a.examplex": a path begins with /`:               {{Host: "a.example", Path: "x", Origin: to("a"), Prefix: "a"}},
		`route "a.example": the grip key cannot sign`:            {{Host: "a.example", Origin: to("a"), Prefix: "a", GripKey: public}},
		`routes to two origins have the prefix "a"`:              {good, {Host: "b.example", Origin: to("b"), Prefix: "a"}},
		`route "a.example": there is another one`:                {good, good},
		"": {good, {Path: "/x", Origin: to("a"), Prefix: "a"}},
	} {
		_, err := edge.New(edge.Config{Log: newLog(), Publisher: newLog(), Origin: originURL, GripKey: key, Routes: routes})
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	if _, err := edge.New(edge.Config{Log: newLog(), Publisher: newLog(), GripKey: key}); err == nil {
		t.Error("an edge without an origin")
	}
}

// TestRoutesChange for requests from then on, while streams stay; wrong ones
// change nothing.
func TestRoutesChange(t *testing.T) {
	origin := func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/stream" {
			setUp(w, r)
			return
		}
		io.WriteString(w, r.Header.Get("X-Origin"))
	}
	routed(t, []edge.Route{{Host: "shop.example", Origin: to("old"), Prefix: "shop"}}, origin, func(s *site) {
		resp := s.at("shop.example", "/stream?u=ann", "Accept", sse.ContentType)
		p := &page{s, resp, sse.NewReader(resp.Body), func() {}}
		p.want("ebb.hello")
		ask := func(want string) {
			t.Helper()
			if got := text(t, s.at("shop.example", "/")); got != want {
				t.Errorf("asked %q, want %q", got, want)
			}
		}
		ask("old")
		if err := s.edge.SetRoutes([]edge.Route{{Host: "shop.example", Origin: to("new"), Prefix: "shop"}}); err != nil {
			t.Error(err)
		}
		ask("new")
		if err := s.edge.SetRoutes([]edge.Route{{Host: "shop.example", Origin: to("newer")}}); err == nil {
			t.Error("taken without a prefix")
		}
		ask("new")
		if err := s.edge.SetRoutes(nil); err != nil {
			t.Error(err)
		}
		ask("origin")
		s.append(event(channel.Foreign("shop", "ann"), 1, "1"))
		p.want("1")
		p.close()
	})
}
