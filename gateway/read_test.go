package gateway_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/ebb-events/ebb"
)

func TestReadInstance(t *testing.T) {
	w := newWorld(t)
	w.read.state = json.RawMessage(`{"_id":"` + id + `","_seq":12,"_SEQ":13,"title":"<b>","n":1.10}`)
	token := "Bearer " + w.token("ann", `,"roles":["clerk"]`)
	a := w.ask("GET", "/api/board/task/"+strings.ToUpper(id), "", "Authorization", token)
	if a.Code != 200 || a.Body.String() != string(w.read.state)+"\n" || a.Header().Get("ETag") != `"12"` || a.Header().Get("Content-Type") != "application/json" {
		t.Errorf("got %d %s %v", a.Code, a.Body, a.Header())
	}
	for query, want := range map[string]string{
		"":                          "false -1 false",
		"?fresh":                    "true -1 false",
		"?fresh=true&seq=0":         "true 0 false",
		"?fresh=false&seq=12":       "false 12 false",
		"?resolve":                  "false -1 true",
		"?resolve=true&fresh&seq=7": "true 7 true",
		"?resolve=false":            "false -1 false",
	} {
		w.ask("GET", instance+query, "", "Authorization", token)
		if want = "board-task " + id + " ann[clerk] " + want; w.read.asked != want {
			t.Errorf("%s: asked for %q, want %q", query, w.read.asked, want)
		}
	}
	w.read.state = nil
	isProblem(t, w.as("ann", "GET", instance, ""), 404)
	isProblem(t, w.ask("GET", instance, ""), 401)
}

func TestUnchangedStateIsNotSentAgain(t *testing.T) {
	w := newWorld(t)
	w.read.state = json.RawMessage(`{"_seq":12}`)
	for tags, want := range map[string]int{
		`"12"`: 304, `W/"12"`: 304, `"3", "12"`: 304, `*`: 304,
		`"1"`: 200, `12`: 200, `"122"`: 200, ``: 200, `"12`: 200,
	} {
		a := w.as("ann", "GET", instance, "", "If-None-Match", tags)
		if a.Code != want || (a.Body.Len() == 0) != (want == 304) || a.Header().Get("ETag") != `"12"` {
			t.Errorf("%s: got %d %q %v, want %d", tags, a.Code, a.Body, a.Header(), want)
		}
		// What stands beside an href has a _seq of its own.
		a = w.as("ann", "GET", instance+"?resolve", "", "If-None-Match", tags)
		if a.Code != 200 || a.Header().Get("ETag") != "" {
			t.Errorf("%s: got %d %v of what was resolved", tags, a.Code, a.Header())
		}
	}
}

func TestList(t *testing.T) {
	w := newWorld(t)
	a := w.as("ann", "GET", "/api/board/task", "")
	if a.Code != 200 || a.Body.String() != `{"items":[]}`+"\n" {
		t.Errorf("got %d %s, want no items", a.Code, a.Body)
	}
	if w.read.page.Limit != 1000 || w.read.page.After != "" || w.read.page.Where != nil {
		t.Errorf("asked for %+v", w.read.page)
	}
	w.read.found.Items = []json.RawMessage{json.RawMessage(`{"_seq":0}`), json.RawMessage(`{"_seq":1}`)}
	a = w.as("ann", "GET", "/api/board/task?fresh", "")
	if a.Code != 200 || a.Body.String() != `{"items":[{"_seq":0},{"_seq":1}]}`+"\n" || w.read.asked != "board-task ann[] true false" {
		t.Errorf("got %d %s, asked for %q", a.Code, a.Body, w.read.asked)
	}
	isProblem(t, w.ask("GET", "/api/board/task", ""), 401)
	for err, want := range map[error]int{ebb.ErrUnknownType: 404, errors.New("no broker"): 503} {
		w.read.err = fmt.Errorf("view: %w", err)
		for _, path := range []string{"/api/board/task", instance} {
			a := w.as("ann", "GET", path, "")
			isProblem(t, a, want)
			if (a.Header().Get("Retry-After") != "") != (want == 503) {
				t.Errorf("%v: got %v", err, a.Header())
			}
		}
	}
}

// TestNextPageIsAsked: next asks for the same again, but from there on.
func TestNextPageIsAsked(t *testing.T) {
	w := newWorld(t)
	w.read.found.Next = id
	next := "/api/board/task?fresh&resolve&limit=2&/column=to+do&/a~1b=%C3%A9&/tags=x&/tags=y"
	for range 2 { // the second is that which the first names
		a := w.as("ann", "GET", next, "")
		var answer struct{ Next string }
		if err := json.Unmarshal(a.Body.Bytes(), &answer); err != nil || a.Code != 200 {
			t.Fatalf("got %d %s", a.Code, a.Body)
		}
		got := fmt.Sprintf("%q %d %v %v", w.read.page.Where, w.read.page.Limit, w.read.query.Fresh, w.read.query.Resolve != nil)
		for _, want := range []string{`{["column"] "to do"}`, `{["a/b"] "é"}`, `{["tags"] "x"} {["tags"] "y"}`, `] 2 true true`} {
			if !strings.Contains(got, want) {
				t.Errorf("%s: asked for %s, want %s", next, got, want)
			}
		}
		at, err := url.Parse(answer.Next)
		if err != nil || at.Path != "/api/board/task" || at.Query().Get("after") != id {
			t.Fatalf("got next %q", answer.Next)
		}
		next = answer.Next
	}
	if w.read.page.After != id {
		t.Errorf("asked for %+v", w.read.page)
	}
}

// TestParametersAreChecked: what would be ignored is refused, by its name.
func TestParametersAreChecked(t *testing.T) {
	w := newWorld(t)
	many := strings.Repeat("&/a=1", 16)
	for _, tt := range []struct {
		path, query string
		name        string // "" is good
	}{
		{instance, "seq=0&fresh&resolve", ""},
		{instance, "seq=-1", "seq"},
		{instance, "seq=", "seq"},
		{instance, "seq=1.0", "seq"},
		{instance, "seq=1&seq=2", "seq"},
		{instance, "seq=9223372036854775808", "seq"},
		{instance, "fresh=1", "fresh"},
		{instance, "fresh&fresh", "fresh"},
		{instance, "resolve=yes", "resolve"},
		{instance, "limit=1", "limit"},
		{instance, "/column=todo", "/column"},
		{instance, "Fresh", "Fresh"},
		{instance, "canary=secret", "canary"},
		{instance, "fresh;seq=1", "query"},
		{instance, "seq=%zz", "query"},
		{"/api/board/task", "limit=1000&fresh&resolve&after=" + id + many, ""},
		{"/api/board/task", many + "&/b=1", "16"},
		{"/api/board/task", "limit=0", "limit"},
		{"/api/board/task", "limit=1001", "limit"},
		{"/api/board/task", "limit=x", "limit"},
		{"/api/board/task", "after=7", "after"},
		{"/api/board/task", "after=" + id + "&after=" + id, "after"},
		{"/api/board/task", "seq=1", "seq"},
		{"/api/board/task", "column=todo", "column"},
		{"/api/board/task", "/a~2=1", "/a~2"},
		{"/api/board/task", "=1", `\"\"`},
	} {
		a := w.as("ann", "GET", tt.path+"?"+tt.query, "")
		if tt.name == "" {
			if a.Code == http.StatusBadRequest {
				t.Errorf("%s: got %d %s", tt.query, a.Code, a.Body)
			}
			continue
		}
		isProblem(t, a, http.StatusBadRequest)
		if !strings.Contains(a.Body.String(), tt.name) || strings.Contains(a.Body.String(), "secret") {
			t.Errorf("%s: got %s, want it to name %s", tt.query, a.Body, tt.name)
		}
		isProblem(t, w.ask("GET", tt.path+"?"+tt.query, ""), http.StatusUnauthorized)
	}
}
