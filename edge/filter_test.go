package edge_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/ebb-events/ebb/channel"
	"github.com/ebb-events/ebb/edge"
	"github.com/ebb-events/ebb/grip"
	"github.com/ebb-events/ebb/sse"
)

// filtered is an origin whose streams have filters: ?f= their names with
// commas, ?u= the user, ?also= another channel; all else is meta.
func filtered(mode string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		hold := &grip.Hold{Mode: mode, Meta: map[string]string{"user": q.Get("u")}}
		main := grip.Channel{Name: "room", PrevID: q.Get("prev")}
		if f := q.Get("f"); f != "" {
			main.Filters = strings.Split(f, ",")
		}
		hold.Channels = []grip.Channel{main}
		if also := q.Get("also"); also != "" {
			hold.Channels = append(hold.Channels, grip.Channel{Name: also})
		}
		for name := range q {
			if name != "f" && name != "also" && name != "prev" && name != "u" {
				hold.Meta[name] = q.Get(name)
			}
		}
		w.Header().Set("Content-Type", grip.InstructType)
		_ = json.NewEncoder(w).Encode(grip.Instruct{Hold: hold, Response: grip.Response{Header: http.Header{"Content-Type": {sse.ContentType}}, Body: q.Get("body")}})
	}
}

// TestFilters on streams and on held responses, which see the same.
func TestFilters(t *testing.T) {
	tests := []struct {
		name, query, meta, content string
		want                       string // empty: nothing comes
	}{
		{"none", "", `{"sender":"ann"}`, "a %d", "a %d"},
		{"own", "f=skip-self", `{"sender":"ann"}`, "a", ""},
		{"another's", "f=skip-self", `{"sender":"bob"}`, "a", "a"},
		{"nobody's", "f=skip-self", `{}`, "a", "a"},
		{"skipped", "f=skip-users", `{"skip_users":"bob , ann"}`, "a", ""},
		{"others are skipped", "f=skip-users", `{"skip_users":"bob,annette"}`, "a", "a"},
		{"not on the channel", "f=require-sub", `{"require_sub":"vip"}`, "a", ""},
		{"on the channel", "f=require-sub&also=vip", `{"require_sub":"vip"}`, "a", "a"},
		{"nothing required", "f=require-sub", `{"require_sub":""}`, "a", "a"},
		{"variable", "f=var-subst&who=Ann", `{}`, "hello %(who)s, 100%%", "hello Ann, 100%"},
		{"variable with a parenthesis", "f=var-subst&w%29=Ann", `{}`, `%(w\))s`, "Ann"},
		{"unknown variable", "f=var-subst", `{}`, "%(who)s", "!"},
		{"unknown directive", "f=var-subst", `{}`, "%d", "!"},
		{"directive without an end", "f=var-subst", `{}`, "%(who", "!"},
		{"id", "f=build-id&id_format=r:%25(room)s", `{}`, "%I", "r:7"},
		{"another id", "f=build-id&id_format=x", `{}`, "%(own)I", "own"},
		{"id in hex", "f=build-id&id_format=r:%25(room)s&id_encoding=hex", `{}`, "%I", "723a37"},
		{"id of a silent channel", "f=build-id&also=b&id_format=%25(b)s", `{}`, "%I", "!"},
		{"several", "f=skip-self,var-subst&who=Ann", `{"sender":"bob"}`, "%(who)s", "Ann"},
		{"several, skipped", "f=var-subst,skip-self&who=Ann", `{"sender":"ann"}`, "%(who)s", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := "/?u=ann&" + tt.query
			content, _ := json.Marshal("data: " + tt.content + "\n\n")
			item := fmt.Sprintf(`{"channel":"room","id":"7","meta":%s,"http-stream":{"content":%s},"http-response":{"body":%s}}`, tt.meta, content, content)
			for _, window := range []int64{1, 1 << 20} {
				serving(t, filtered("stream"), func(c *edge.Config) { c.Window = window }, func(s *site) {
					p := s.stream(path)
					p.want("ebb.hello")
					s.publishItem("%s", item)
					ends := tt.want == "!" && (strings.Contains(tt.query, "build-id") || strings.Contains(tt.query, "also"))
					switch {
					case ends: // where no reset can be told
						p.want(`ebb.bye {"reason":"filter"}`)
						p.ended()
						return
					case tt.want == "!":
						p.want(`ebb.reset {"reason":"filter","from":-1,"to":0}`)
					case tt.want != "":
						p.want(tt.want)
					}
					s.publishItem(`{"channel":"room","http-stream":{"content":"data: next\n\n"}}`)
					last := p.want("next")
					p.close()
					if last.ID != "" { // what was skipped is behind it
						back := s.stream(path, "Last-Event-ID", last.ID)
						back.want("ebb.hello", "ebb.mark")
						back.close()
					}
				})
			}
			serving(t, filtered("response"), nil, func(s *site) {
				got := s.asking("GET " + path)
				s.publishItem("%s", item)
				switch tt.want {
				case "", "!":
					select {
					case resp := <-got:
						t.Errorf("got %d", resp.StatusCode)
					default:
					}
					text(t, <-got)
				default:
					if body, want := text(t, <-got), "data: "+tt.want+"\n\n"; body != want {
						t.Errorf("got %q, want %q", body, want)
					}
				}
			})
		})
	}
}

// TestVariableCannotBreakTheStream: what it has in it comes between the content
// and the id, and moves neither.
func TestVariableCannotBreakTheStream(t *testing.T) {
	for _, value := range []string{"a%0A%0A", "%0A%0Adata: b", "a%0Aid: 9", "a%0D", "a%0D%0A%0D%0A", "a%00"} {
		serving(t, filtered("stream"), nil, func(s *site) {
			p := s.stream("/?u=ann&f=var-subst&v=" + strings.ReplaceAll(value, " ", "+"))
			p.want("ebb.hello")
			s.publishItem(`{"channel":"room","http-stream":{"content":"data: %%(v)s\n\n"}}`)
			s.publishItem(`{"channel":"room","http-stream":{"content":"data: last\n\n"}}`)
			for {
				e, err := p.events.Next()
				if err != nil {
					t.Fatalf("%q: %v", value, err)
				}
				if string(e.Data) != "last" {
					continue
				}
				if c, err := channel.ParseCursor(e.ID); e.Name != "" || err != nil || c.Offset != 1 {
					t.Errorf("behind %q: %q at %q, %v", value, e.Name, e.ID, err)
				}
				break
			}
			p.close()
		})
	}
}

// TestIDsThatCannotBeBuiltAreAFaultOfTheOrigin, told before anybody is held.
func TestIDsThatCannotBeBuiltAreAFaultOfTheOrigin(t *testing.T) {
	for _, query := range []string{"f=build-id", "f=build-id&id_format=x&id_encoding=rot13", "f=build-id&id_format=%25(room)s&body=%25I", "f=http-check"} {
		for _, mode := range []string{"stream", "response"} {
			serving(t, filtered(mode), nil, func(s *site) {
				if resp := s.ask("GET /?" + query); resp.StatusCode != 502 {
					t.Errorf("%s of %s: got %d", query, mode, resp.StatusCode)
				} else {
					text(t, resp)
				}
			})
		}
	}
}

// TestContentFiltersMustBeExactlyTheSame: content that was written for filters
// is nothing without them.
func TestContentFiltersMustBeExactlyTheSame(t *testing.T) {
	for f, want := range map[string]string{
		"":                    "ebb.hello any none",
		"skip-self":           "ebb.hello any none",
		"var-subst":           "ebb.hello any var",
		"skip-self,var-subst": "ebb.hello any var",
		"var-subst,build-id":  "ebb.hello any both",
		"build-id,var-subst":  "ebb.hello any",
	} {
		serving(t, filtered("stream"), nil, func(s *site) {
			p := s.stream("/?u=ann&id_format=x&f=" + f)
			for _, item := range []string{
				`"content":"data: any\n\n"`,
				`"content":"data: none\n\n","content-filters":[]`,
				`"content":"data: var\n\n","content-filters":["var-subst"]`,
				`"content":"data: both\n\n","content-filters":["var-subst","build-id"]`,
			} {
				s.publishItem(`{"channel":"room","formats":{"http-stream":{%s}}}`, item)
			}
			p.want(strings.Fields(want)...)
			p.want("ebb.mark")
			p.close()
		})
	}
}

// TestBackEndThatNumbersItsEventsKeepsItsIDs, as django-eventstream does.
func TestBackEndThatNumbersItsEventsKeepsItsIDs(t *testing.T) {
	serving(t, filtered("stream"), nil, func(s *site) {
		p := s.stream("/?u=ann&f=build-id&prev=6&id_format=room:%25(room)s&body="+strings.ReplaceAll("id: %25I%0Adata: state%0A%0A", " ", "+"), "Last-Event-ID", "room:5")
		if e := p.want("state"); e.ID != "room:6" {
			t.Errorf("the first id is %q", e.ID)
		}
		p.want("ebb.hello")
		s.publishItem(`{"channel":"room","id":"7","prev-id":"6","formats":{"http-stream":{"content":"id: %%I\ndata: seven\n\n","content-filters":["build-id"]}}}`)
		s.publishItem(`{"channel":"room","id":"8","prev-id":"7","formats":{"http-stream":{"content":"id: %%I\ndata: eight\n\n","content-filters":["build-id"]}}}`)
		late := s.stream("/?u=ann&f=build-id&prev=7&id_format=room:%25(room)s") // its origin has looked before the eighth
		late.want("ebb.hello", "eight")
		late.close()
		p.want("seven")
		if e := p.want("eight"); e.ID != "room:8" {
			t.Errorf("the last id is %q", e.ID)
		}
		if e := p.want("ebb.mark"); e.ID != "room:8" {
			t.Errorf("a heartbeat has moved it to %q", e.ID)
		}
		p.close()
	})
}
