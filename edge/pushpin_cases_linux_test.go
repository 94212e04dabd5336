package edge_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
)

// asked has the origins that were asked once.
var asked sync.Map

type answering = func(w http.ResponseWriter, r *http.Request, ch string)

// answers is an origin that says the same to everybody: headers in pairs.
func answers(status int, body string, headers ...string) answering {
	return func(w http.ResponseWriter, r *http.Request, ch string) {
		for i := 0; i+1 < len(headers); i += 2 {
			w.Header().Add(headers[i], strings.ReplaceAll(headers[i+1], "CH", ch))
		}
		w.WriteHeader(status)
		io.WriteString(w, strings.ReplaceAll(body, "CH", ch))
	}
}

// plain and events begin a stream.
func plain(headers ...string) answering {
	return answers(200, "begin\n", append([]string{"Content-Type", "text/plain", "Grip-Hold", "stream", "Grip-Channel", "CH"}, headers...)...)
}

func events(headers ...string) answering {
	return answers(200, "data: begin\n\n", append([]string{"Content-Type", "text/event-stream", "Grip-Hold", "stream", "Grip-Channel", "CH"}, headers...)...)
}

// instruct is an origin of a JSON instruct.
func instruct(body string) answering {
	return answers(200, body, "Content-Type", "application/grip-instruct")
}

// longPoll waits for a response.
func longPoll(headers ...string) answering {
	return answers(200, "nothing\n", append([]string{"Content-Type", "text/plain", "Set-Cookie", "a=1", "Set-Cookie", "b=2", "Grip-Hold", "response", "Grip-Channel", "CH"}, headers...)...)
}

// echo tells what the origin got.
func echo(w http.ResponseWriter, r *http.Request, _ string) {
	w.Header().Set("Content-Type", "text/plain")
	b, _ := io.ReadAll(r.Body)
	fmt.Fprintf(w, "%s %s %q %q\n", r.Method, r.URL.RawQuery, b, r.Host[:9])
	for _, name := range []string{"Cookie", "Authorization", "Last-Event-ID", "X-Own", "Grip-Last", "Grip-Hold", "Accept", "Origin", "Content-Type"} {
		fmt.Fprintf(w, "%s: %q\n", name, r.Header[http.CanonicalHeaderKey(name)])
	}
	fmt.Fprintf(w, "signed: %v\n", key.Verify(r.Header.Get("Grip-Sig"), "ebb", time.Now()) == nil)
}

// echoHeaders tells what the origin got of some headers.
func echoHeaders(names ...string) answering {
	return func(w http.ResponseWriter, r *http.Request, _ string) {
		w.Header().Set("Content-Type", "text/plain")
		for _, name := range names {
			fmt.Fprintf(w, "%s: %q\n", name, r.Header[name])
		}
	}
}

// again is an origin that a hint asks twice.
func again(w http.ResponseWriter, r *http.Request, ch string) {
	b, _ := io.ReadAll(r.Body)
	if _, ok := asked.LoadOrStore(r.Host+ch, true); ok {
		answers(200, "second "+r.Method+" "+r.URL.RawQuery+" "+string(b), "Content-Type", "text/plain")(w, r, ch)
		return
	}
	longPoll()(w, r, ch)
}

const (
	item  = `{"channel":"CH","formats":{"http-stream":{"content":%q}}}`
	reply = `{"channel":"CH","formats":{"http-response":%s}}`
)

func said(content string) string { return fmt.Sprintf(item, content) }

func replied(format string) []string { return []string{fmt.Sprintf(reply, format)} }

// exchanges are everything of GRIP that there is on HTTP.
var exchanges = []exchange{
	// What is no business of the edge's.
	{name: "200", origin: answers(200, "<p>", "Content-Type", "text/html", "Set-Cookie", "a=1", "Set-Cookie", "b=2", "X-Own", "x")},
	{name: "200 without a type", origin: answers(200, "x", "Content-Type", "")},
	{name: "204", origin: answers(204, "")},
	{name: "302", origin: answers(302, "", "Location", "/elsewhere")},
	{name: "403", origin: answers(403, "no", "Content-Type", "text/plain")},
	{name: "404 for HEAD", origin: answers(404, "", "Content-Type", "text/plain"), method: "HEAD"},
	{name: "500", origin: answers(500, "broken", "Content-Type", "text/plain")},
	{name: "an origin that hangs up", origin: func(http.ResponseWriter, *http.Request, string) { panic(http.ErrAbortHandler) }},
	{name: "what the origin gets", origin: echo, method: "POST", body: "question", headers: []string{"Cookie", "a=b", "Authorization", "Bearer x", "Last-Event-ID", "7", "X-Own", "mine", "Accept", "text/plain", "Origin", "null",
		"Content-Type", "text/plain", "Grip-Sig", "forged", "Grip-Last", "CH; last-id=1", "Grip-Hold", "stream"}},
	{name: "features", origin: echoHeaders("Grip-Feature"), differs: "features"},
	{name: "who asks", origin: echoHeaders("X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host"), differs: "forwarded headers"},
	{name: "compression", origin: echoHeaders("Accept-Encoding"), headers: []string{"Accept-Encoding", "br"}, differs: "compression"},

	// Instructions without a hold.
	{name: "a stray header", origin: answers(200, "x", "Content-Type", "text/plain", "Grip-Foo", "x", "X-Own", "x")},
	{name: "status", origin: answers(200, "x", "Content-Type", "text/plain", "Grip-Status", "404")},
	{name: "status with a reason", origin: answers(200, "x", "Content-Type", "text/plain", "Grip-Status", "404 Nobody here"), differs: "reasons"},
	{name: "status of nothing", origin: answers(200, "x", "Content-Type", "text/plain", "Grip-Status", "abc")},
	{name: "exposed headers", origin: answers(200, "x", "Content-Type", "text/plain", "X-One", "1", "X-Two", "2", "Grip-Expose-Headers", "content-type", "Grip-Expose-Headers", "x-two")},
	{name: "exposed headers with commas", origin: answers(200, "x", "Content-Type", "text/plain", "X-One", "1", "X-Two", "2", "Grip-Expose-Headers", "content-type, x-two")},
	{name: "JSON without a hold", origin: instruct(`{"response":{"code":201,"headers":{"X-Own":"x"},"body":"hello"}}`)},
	{name: "JSON with pairs and bytes", origin: instruct(`{"response":{"headers":[["Set-Cookie","a=1"],["Set-Cookie","b=2"],["Content-Type","text/plain"]],"body-bin":"aGVsbG8="}}`)},
	{name: "JSON with a status in the header", origin: answers(200, `{"response":{"headers":{"Content-Type":"text/plain"},"body":"x"}}`, "Content-Type", "application/grip-instruct", "Grip-Status", "404")},
	{name: "JSON with no body", origin: instruct(`{"response":{"code":204}}`), differs: "empty responses"},
	{name: "empty JSON", origin: instruct(`{}`), differs: "empty responses"},

	// Instructions that are wrong.
	{name: "hold of another mode", origin: answers(200, "x", "Grip-Hold", "Stream", "Grip-Channel", "CH")},
	{name: "time-out of words", origin: longPoll("Grip-Timeout", "soon")},
	{name: "time-out below zero", origin: longPoll("Grip-Timeout", "-1")},
	{name: "keep-alive of no mode", origin: plain("Grip-Keep-Alive", "x; mode=often")},
	{name: "keep-alive of no format", origin: plain("Grip-Keep-Alive", "x; format=xml")},
	{name: "keep-alive of words", origin: plain("Grip-Keep-Alive", "x; timeout=soon")},
	{name: "keep-alive with half an escape", origin: plain("Grip-Keep-Alive", `\x4; format=cstring`)},
	{name: "six filters", origin: plain("Grip-Channel", "CH2"+strings.Repeat("; filter=skip-self", 6)), hold: "stream", differs: "many filters"},
	{name: "a link of nothing", origin: plain("Grip-Link", "x; rel=next"), hold: "stream", differs: "links"},
	{name: "a filter that nobody knows", origin: plain("Grip-Channel", "CH2; filter=nonsense"), hold: "stream", differs: "unknown filters"},
	{name: "keep-alive that is no base64", origin: plain("Grip-Keep-Alive", "!; format=base64"), hold: "stream", differs: "base64"},
	{name: "JSON that is none", origin: instruct(`<`)},
	{name: "JSON with another status", origin: answers(201, `{}`, "Content-Type", "application/grip-instruct")},
	{name: "JSON of another mode", origin: instruct(`{"hold":{"mode":"x","channels":[]}}`)},
	{name: "JSON with a channel without a name", origin: instruct(`{"hold":{"mode":"stream","channels":[{"prev-id":"1"}]}}`)},
	{name: "JSON without channels", origin: instruct(`{"hold":{"mode":"response","timeout":5},"response":{"headers":{"Content-Type":"text/plain"},"body":"x"}}`), differs: "channels"},
	{name: "JSON with a time in words", origin: instruct(`{"hold":{"channels":[{"name":"CH"}],"timeout":"soon"}}`), differs: "types"},
	{name: "JSON with a code out of range", origin: instruct(`{"response":{"code":1000}}`)},

	// Streams.
	{name: "stream", origin: plain(), hold: "stream", publish: []string{said("one\n"), `{"channel":"CH","http-stream":{"content-bin":"AP8="}}`, said("line\u2028\r\n")}},
	{name: "stream of events", origin: events("Cache-Control", "no-cache"), hold: "stream", publish: []string{said("event: message\ndata:{\"a\":1}\n\n"), said("id: 7\ndata: own\n\n"), said("data: a\r\n\r\ndata: b\r\n\r\n")}},
	{name: "stream of another status", origin: answers(403, "begin\n", "Content-Type", "text/plain", "Grip-Hold", "stream", "Grip-Channel", "CH"), hold: "stream", publish: []string{said("one")}},
	{name: "stream with a status", origin: plain("Grip-Status", "202"), hold: "stream"},
	{name: "stream with exposed headers", origin: plain("Grip-Expose-Headers", "Content-Type", "X-One", "1"), hold: "stream"},
	{name: "stream of a POST", origin: plain(), method: "POST", body: "x", hold: "stream", publish: []string{said("one")}},
	{name: "stream without a body", origin: answers(204, "", "Grip-Hold", "stream", "Grip-Channel", "CH")},
	{name: "stream out of JSON", origin: instruct(`{"hold":{"mode":"stream","channels":[{"name":"CH"}]},"response":{"code":202,"headers":{"Content-Type":"text/plain"},"body":"begin\n"}}`), hold: "stream", publish: []string{said("one")}},
	{name: "several channels", origin: plain("Grip-Channel", "CH-b, CH-c"), hold: "stream", publish: []string{said("(a)"), `{"channel":"CH-b","http-stream":{"content":"(b)"}}`, `{"channel":"CH-d","http-stream":{"content":"(d)"}}`, `{"channel":"CH-c","http-stream":{"content":"(c)"}}`}, awaits: []string{"(a)", "(b)", "", "(c)"}},
	{name: "a channel twice", origin: plain("Grip-Channel", "CH"), hold: "stream", publish: []string{said("once")}},
	{name: "an item twice", origin: plain(), hold: "stream", publish: []string{`{"channel":"CH","id":"1","http-stream":{"content":"once"}}`, `{"channel":"CH","id":"1","http-stream":{"content":"once"}}`, said("last")}},
	{name: "formats of others", origin: plain(), hold: "stream", publish: []string{`{"channel":"CH","ws-message":{"content":"x"}}`, `{"channel":"CH","http-response":{"body":"x"}}`, `{"channel":"CH","http-stream":{"action":"send","content":"x"}}`}},
	{name: "hint", origin: plain(), hold: "stream", publish: []string{`{"channel":"CH","http-stream":{"action":"hint"}}`, said("on")}},
	{name: "keep-alive", origin: plain("Grip-Keep-Alive", "still here; timeout=1"), hold: "stream", awaits: []string{"still here"}},
	{name: "keep-alive of C", origin: plain("Grip-Keep-Alive", `a\r\n\\\x3a; format=cstring; timeout=1`), hold: "stream", awaits: []string{"a\r\n\\:"}},
	{name: "keep-alive of base64", origin: plain("Grip-Keep-Alive", "AP8=; format=base64; timeout=0; mode=interval"), hold: "stream", awaits: []string{"\x00\xff"}},

	// Filters.
	{name: "skip-self", origin: plain("Grip-Channel", "CH-f; filter=skip-self", "Grip-Set-Meta", `user="ann"`), hold: "stream",
		publish: []string{`{"channel":"CH-f","meta":{"sender":"ann"},"http-stream":{"content":"own"}}`, `{"channel":"CH-f","meta":{"sender":"bob"},"http-stream":{"content":"bob's"}}`}, awaits: []string{"", "bob's"}},
	{name: "skip-users", origin: plain("Grip-Channel", "CH-f; filter=skip-users", "Grip-Set-Meta", "user=ann"), hold: "stream",
		publish: []string{`{"channel":"CH-f","meta":{"skip_users":"bob, ann"},"http-stream":{"content":"no"}}`, `{"channel":"CH-f","meta":{"skip_users":"bob"},"http-stream":{"content":"yes"}}`}, awaits: []string{"", "yes"}},
	{name: "require-sub", origin: plain("Grip-Channel", "CH-f; filter=require-sub"), hold: "stream",
		publish: []string{`{"channel":"CH-f","meta":{"require_sub":"vip"},"http-stream":{"content":"no"}}`, `{"channel":"CH-f","meta":{"require_sub":"CH"},"http-stream":{"content":"yes"}}`}, awaits: []string{"", "yes"}},
	{name: "var-subst", origin: plain("Grip-Channel", "CH-f; filter=var-subst", "Grip-Set-Meta", `who="Ann, \"B\""`), hold: "stream",
		publish: []string{`{"channel":"CH-f","http-stream":{"content":"hello %(who)s 100%%"}}`}, awaits: []string{"hello"}},
	{name: "build-id", origin: answers(200, "begin %(a)I\n", "Content-Type", "text/plain", "Grip-Hold", "stream", "Grip-Channel", "CH; filter=build-id", "Grip-Set-Meta", "id_format=x, id_encoding=hex"), hold: "stream",
		publish: []string{said("%(b)I %I")}},
	{name: "several filters", origin: plain("Grip-Channel", "CH-f; filter=skip-self; filter=var-subst", "Grip-Set-Meta", "user=ann"), hold: "stream",
		publish: []string{`{"channel":"CH-f","meta":{"sender":"bob"},"http-stream":{"content":"by %(user)s"}}`}, awaits: []string{"by ann"}},
	{name: "filters out of JSON", origin: instruct(`{"hold":{"mode":"stream","channels":[{"name":"CH"},{"name":"CH-f","filters":["skip-self"]}],"meta":{"user":"ann"}},"response":{"headers":{"Content-Type":"text/plain"},"body":"begin\n"}}`), hold: "stream",
		publish: []string{`{"channel":"CH-f","meta":{"sender":"ann"},"http-stream":{"content":"own"}}`, `{"channel":"CH-f","http-stream":{"content":"else"}}`}, awaits: []string{"", "else"}},
	{name: "a variable that nobody knows", origin: plain("Grip-Channel", "CH-f; filter=var-subst"), hold: "stream", publish: []string{`{"channel":"CH-f","http-stream":{"content":"%(who)s"}}`}, faulty: true},
	{name: "content filters", origin: plain("Grip-Channel", "CH-f; filter=var-subst", "Grip-Set-Meta", "user=ann"), hold: "stream",
		publish: []string{`{"channel":"CH-f","http-stream":{"content":"for %(user)s","content-filters":["var-subst"]}}`}, awaits: []string{"for ann"}},
	{name: "other content filters", origin: plain(), hold: "stream", publish: []string{`{"channel":"CH","http-stream":{"content":"%I","content-filters":["build-id"]}}`, said("on")}, differs: "content filters", faulty: true},
	{name: "prev-id", origin: plain("Grip-Channel", "CH-b; prev-id=1"), hold: "stream", publish: []string{said("on")}, differs: "prev-id", faulty: true},

	// Responses that are held.
	{name: "response when time is up", origin: longPoll("Grip-Timeout", "0"), hold: "response"},
	{name: "response", origin: longPoll(), hold: "response", publish: replied(`{"code":201,"headers":{"content-type":"text/html","X-New":"1"},"body":"news"}`)},
	{name: "response with pairs and bytes", origin: longPoll(), hold: "response", publish: replied(`{"headers":[["X-New","1"],["X-New","2"]],"body-bin":"bmV3cw=="}`)},
	{name: "response with a reason", origin: longPoll(), hold: "response", publish: replied(`{"code":200,"reason":"Fine","body":""}`), differs: "reasons"},
	{name: "response without a body", origin: longPoll(), hold: "response", publish: replied(`{"code":204,"body":""}`)},
	{name: "response inline", origin: longPoll(), hold: "response", publish: []string{`{"channel":"CH","http-response":{"body":"news"}}`}},
	{name: "response of another status", origin: answers(404, "nothing", "Content-Type", "text/plain", "Grip-Hold", "response", "Grip-Channel", "CH", "Grip-Timeout", "5"), hold: "response"},
	{name: "response out of JSON", origin: instruct(`{"hold":{"channels":[{"name":"CH"}]},"response":{"headers":{"Content-Type":"text/plain"},"body":"nothing"}}`), hold: "response", publish: replied(`{"body":"news"}`)},
	{name: "response of a POST", origin: longPoll(), method: "POST", body: "x", hold: "response", publish: replied(`{"body":"news"}`)},
	{name: "response with a hint", origin: again, method: "POST", body: "question", hold: "response", publish: replied(`{"action":"hint"}`)},
	{name: "response on another channel", origin: longPoll("Grip-Channel", "CH-b"), hold: "response", publish: []string{`{"channel":"CH-b","http-response":{"body":"b"}}`}},
	{name: "response with a filter", origin: longPoll("Grip-Channel", "CH-f; filter=skip-self", "Grip-Set-Meta", "user=ann"), hold: "response",
		publish: []string{`{"channel":"CH-f","meta":{"sender":"ann"},"http-response":{"body":"own"}}`, `{"channel":"CH-f","meta":{"sender":"bob"},"http-response":{"body":"bob's"}}`}},
	{name: "response with a variable", origin: longPoll("Grip-Channel", "CH-f; filter=var-subst", "Grip-Set-Meta", "user=ann"), hold: "response",
		publish: []string{`{"channel":"CH-f","http-response":{"body":"for %(user)s"}}`}},
}

const good = `{"items":[{"channel":"p","http-stream":{"content":"x"}}]}`

func items(s string) string { return `{"items":[` + s + `]}` }

// publications are requests to the control port.
var publications = []publication{
	{name: "with a slash", method: "POST", path: "/publish/", body: good},
	{name: "without a slash", method: "POST", path: "/publish", body: good},
	{name: "with two slashes", method: "POST", path: "//publish/", body: good, differs: "paths"},
	{name: "to a realm", method: "POST", path: "/realm/r/publish/", body: good, differs: "paths"},
	{name: "to a service", method: "POST", path: "/service/s/publish/", body: good, differs: "paths"},
	{name: "elsewhere", method: "POST", path: "/elsewhere", body: good},
	{name: "with GET", method: "GET", path: "/publish/"},
	{name: "with PUT", method: "PUT", path: "/publish/", body: good},
	{name: "without a key", method: "POST", path: "/publish/", body: good, headers: []string{"Authorization", ""}, differs: "keys"},
	{name: "wants JSON", method: "POST", path: "/publish/", body: good, headers: []string{"Accept", "application/json"}},
	{name: "wants anything", method: "POST", path: "/publish/", body: good, headers: []string{"Accept", "*/*"}},
	{name: "wants HTML", method: "POST", path: "/publish/", body: good, headers: []string{"Accept", "text/html"}},
	{name: "wants text or JSON", method: "POST", path: "/publish/", body: good, headers: []string{"Accept", "text/plain, application/json"}},
	{name: "without a length", method: "POST", path: "/publish/", body: good, headers: []string{"Transfer-Encoding", "chunked"}, differs: "lengths"},
	{name: "too much", method: "POST", path: "/publish/", body: items(`{"channel":"p","http-stream":{"content":"` + strings.Repeat("x", 1<<20) + `"}}`), differs: "sizes"},
	{name: "no JSON", method: "POST", path: "/publish/", body: "<"},
	{name: "nothing", method: "POST", path: "/publish/"},
	{name: "no items", method: "POST", path: "/publish/", body: `{}`},
	{name: "an empty list", method: "POST", path: "/publish/", body: items("")},
	{name: "no channel", method: "POST", path: "/publish/", body: items(`{"http-stream":{"content":"x"}}`)},
	{name: "no formats", method: "POST", path: "/publish/", body: items(`{"channel":"p"}`)},
	{name: "empty formats", method: "POST", path: "/publish/", body: items(`{"channel":"p","formats":{}}`)},
	{name: "no content", method: "POST", path: "/publish/", body: items(`{"channel":"p","http-stream":{}}`)},
	{name: "no response", method: "POST", path: "/publish/", body: items(`{"channel":"p","http-response":{}}`)},
	{name: "an unknown action", method: "POST", path: "/publish/", body: items(`{"channel":"p","http-stream":{"action":"x","content":"x"}}`)},
	{name: "a code out of range", method: "POST", path: "/publish/", body: items(`{"channel":"p","http-response":{"code":1000,"body":"x"}}`)},
	{name: "a code of an announcement", method: "POST", path: "/publish/", body: items(`{"channel":"p","http-response":{"code":100,"body":"x"}}`), differs: "codes"},
	{name: "a patch", method: "POST", path: "/publish/", body: items(`{"channel":"p","http-response":{"body-patch":[]}}`), differs: "patches"},
	{name: "bytes that are none", method: "POST", path: "/publish/", body: items(`{"channel":"p","http-stream":{"content-bin":"!"}}`), differs: "base64"},
	{name: "a header of two lines", method: "POST", path: "/publish/", body: items(`{"channel":"p","http-response":{"headers":{"a":"b\r\nc: d"},"body":""}}`), differs: "hostile headers"},
	{name: "meta of a number", method: "POST", path: "/publish/", body: items(`{"channel":"p","meta":{"a":1},"http-stream":{"content":"x"}}`)},
	{name: "one bad of two", method: "POST", path: "/publish/", body: items(`{"channel":"p","http-stream":{"content":"x"}},{"channel":"p","http-stream":{}}`)},
	{name: "both shapes", method: "POST", path: "/publish/", body: items(`{"channel":"p","http-stream":{"content":"x"}},{"channel":"p","formats":{"http-response":{"body":"x"}}}`)},
}
