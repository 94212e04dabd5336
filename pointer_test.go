package ebb_test

import (
	"slices"
	"testing"

	"github.com/ebb-events/ebb"
)

func TestParsePointer(t *testing.T) {
	tests := []struct {
		text string
		want ebb.Pointer
		ok   bool
	}{
		{"", ebb.Pointer{}, true},
		{"/", ebb.Pointer{""}, true},
		{"/a", ebb.Pointer{"a"}, true},
		{"/a/0/b c", ebb.Pointer{"a", "0", "b c"}, true},
		{"/a//", ebb.Pointer{"a", "", ""}, true},
		{"/~0/~1/~01/~10", ebb.Pointer{"~", "/", "~1", "/0"}, true},
		{"/_a~0cl", ebb.Pointer{"_a~cl"}, true},
		{"a", nil, false},
		{"#/a", nil, false},
		{"/~", nil, false},
		{"/~2", nil, false},
		{"/~~0", nil, false},
		{"/a~", nil, false},
	}
	for _, tt := range tests {
		got, err := ebb.ParsePointer(tt.text)
		if (err == nil) != tt.ok || !slices.Equal(got, tt.want) {
			t.Errorf("%q: got %q, %v, want %q, ok %v", tt.text, got, err, tt.want, tt.ok)
		}
	}
}
