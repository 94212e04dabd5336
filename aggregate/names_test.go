package aggregate

import (
	"encoding/json"
	"testing"
)

func TestNamesInOtherLettersAreNotTaken(t *testing.T) {
	type inner struct {
		Size int `json:"size"`
	}
	type fields struct {
		Title    string           `json:"title"`
		Shared   []string         `json:"sharedWith"`
		By       int              // no tag: as encoding/json has it
		Inner    inner            `json:"inner"`
		List     []*inner         `json:"list"`
		Map      map[string]inner `json:"map"`
		Anything any              `json:"anything"`
		inner
	}
	tests := []struct{ given, want string }{
		{`{"title":"a"}`, `{"title":"a"}`},
		{`{"title":"a","Title":"b"}`, `{"title":"a"}`},
		{`{"TITLE":"b"}`, `{}`},
		{`{"t\u0049tle":"b"}`, `{}`},
		{`{"\u0074itle":"b"}`, `{"title":"b"}`},
		{`{"ſhared":1,"ſize":3,"sharedwith":["b"]}`, `{}`},
		{`{"sharedWith":["b"]}`, `{"sharedWith":["b"]}`},
		{`{"by":7}`, `{"By":7}`},
		{`{"inner":{"Size":1},"list":[{"SIZE":2},null,{"size":3}],"map":{"Size":{"size":4,"Size":5}}}`,
			`{"list":[{"size":0},null,{"size":3}],"map":{"Size":{"size":4}}}`},
		{`{"anything":{"Title":1,"title":12345678901234567890}}`, `{"anything":{"Title":1,"title":12345678901234567890}}`},
		{`{"Title" : "b", "title"	:"a"}`, `{"title":"a"}`},
		{`{"Size":1,"size":2}`, `{"size":2}`},
	}
	for _, tt := range tests {
		var got, want fields
		if err := decodeExact([]byte(tt.given), &got); err != nil {
			t.Errorf("%s: %v", tt.given, err)
		}
		if err := decode([]byte(tt.want), &want); err != nil {
			t.Fatal(err)
		}
		g, _ := json.Marshal(got)
		w, _ := json.Marshal(want)
		if string(g) != string(w) {
			t.Errorf("%s: got %s, want %s", tt.given, g, w)
		}
	}
}
