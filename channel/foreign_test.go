package channel_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/ebb-events/ebb/channel"
)

func TestChannelsOfOnePrefixShareAPartition(t *testing.T) {
	const n = 12
	want := channel.Partition(channel.Foreign("shop", "a"), n)
	parts := map[int32]bool{}
	for i := range 1000 {
		name := fmt.Sprint("channel ", i)
		if got := channel.Partition(channel.Foreign("shop", name), n); got != want {
			t.Errorf("%q is in %d, want %d", name, got, want)
		}
		parts[channel.Partition(channel.Foreign(fmt.Sprint("p", i), name), n)] = true
		parts[channel.Partition(name, n)] = true
	}
	if len(parts) != n {
		t.Errorf("prefixes and users are in %d partitions, want all %d", len(parts), n)
	}
}

func TestForeignChannelsAreApart(t *testing.T) {
	all := map[string]string{}
	for _, prefix := range []string{"", "a", "b", "ab"} {
		for _, name := range []string{"x", "bx", "b", "ann"} {
			ch := channel.Foreign(prefix, name)
			if other, ok := all[ch]; ok {
				t.Errorf("%q of %q is that of %q", name, prefix, other)
			}
			all[ch] = prefix
			if prefix != "" && !strings.Contains(ch, "\x1f") {
				t.Errorf("%q could be a user's", ch)
			}
		}
	}
}

func TestValidPrefix(t *testing.T) {
	for prefix, want := range map[string]bool{
		"shop": true, "a": true, "A-9": true, strings.Repeat("x", 32): true,
		"": false, "a b": false, "a:b": false, "a\x1f": false, "ä": false, strings.Repeat("x", 33): false,
	} {
		if got := channel.ValidPrefix(prefix); got != want {
			t.Errorf("%q: got %v", prefix, got)
		}
	}
}
