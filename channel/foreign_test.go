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

// FuzzChannelName: two names are two channels, whatever back end they are of and
// whatever they look like, on Kafka too; and a channel is in one place (S30).
func FuzzChannelName(f *testing.F) {
	for _, pair := range [][2]string{{"ann", "Ann"}, {"\u00e9", "e\u0301"}, {"a", "a\x00"}, {"shop\x1fann", "ann"}, {"a:ann", "ann"}, {"", "\x1f"}, {"a,b", "a"}, {"\xff", "\ufffd"}, {"ａｎｎ", "ann"}, {"ſ", "s"}} {
		f.Add("", pair[0], "shop", pair[1])
		f.Add("shop", pair[0], "shop", pair[1])
		f.Add("shop-2", pair[0], "", pair[1])
	}
	f.Fuzz(func(t *testing.T, prefix, name, prefix2, name2 string) {
		for _, p := range []string{prefix, prefix2} {
			if p != "" && !channel.ValidPrefix(p) {
				return // refused where edges are configured
			}
		}
		if prefix == "" && strings.Contains(name, "\x1f") || prefix2 == "" && strings.Contains(name2, "\x1f") {
			return // which nobody is called: see gateway and connector
		}
		ch, ch2 := channel.Foreign(prefix, name), channel.Foreign(prefix2, name2)
		if same := prefix == prefix2 && name == name2; (ch == ch2) != same {
			t.Errorf("%q of %q is %q, %q of %q is %q", name, prefix, ch, name2, prefix2, ch2)
		}
		if p := channel.Partition(ch, 12); p < 0 || p > 11 || p != channel.Partition(ch, 12) {
			t.Errorf("%q is in %d", ch, p)
		}
		if ch == "" {
			return
		}
		key, value, headers := channel.Record{Channel: ch, Kind: channel.Event}.Encode()
		back, err := channel.Decode(key, value, func(yield func(string, []byte) bool) {
			for _, h := range headers {
				if !yield(h.Key, h.Value) {
					return
				}
			}
		})
		if err != nil || back.Channel != ch {
			t.Errorf("%q comes back as %q, %v", ch, back.Channel, err)
		}
	})
}
