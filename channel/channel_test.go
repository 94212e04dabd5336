package channel_test

import (
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/ebb-events/ebb/channel"
)

var src = channel.Src{TopicID: [16]byte{1, 2, 3}, Partition: 11, Offset: 987654321}

func TestCursorText(t *testing.T) {
	proof := strings.Repeat("p", 22)
	tests := []struct {
		name   string
		cursor channel.Cursor
		want   string
	}{
		{"of an event", channel.Cursor{channel.Generation{1}, 3, 42, 7, src.Short(), proof}, "1.AQAAAAAA.3.42.7." + src.Short() + "." + proof},
		{"nothing yet", channel.Cursor{Offset: -1, Epoch: -1}, "1.AAAAAAAA.0.-1.-1.."},
		{"the largest", channel.Cursor{channel.Generation{255, 255, 255, 255, 255, 255}, math.MaxInt32, math.MaxInt64, math.MaxInt32, src.Short(), proof}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			text := tt.cursor.String()
			if tt.want != "" && text != tt.want {
				t.Errorf("got %q, want %q", text, tt.want)
			}
			if len(text) > 128 || strings.Trim(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-") != "" {
				t.Errorf("%q costs a preflight", text)
			}
			if got, err := channel.ParseCursor(text); err != nil || got != tt.cursor {
				t.Errorf("read back %+v, %v, want %+v", got, err, tt.cursor)
			}
		})
	}
}

func TestWhatIsNoCursorIsRefused(t *testing.T) {
	for _, text := range []string{
		"", "1", "hello", "1.......", "2.AAAAAAAA.0.1.1..", "1.AAAAAAAA.-1.1.1..", "1.AAAAAAAA.0.-2.1..",
		"1.AAAAAAAA.0.+1.1..", "1.AAAAAAAA.0.01.1..", "1.AAAAAAAA.0.1.1.short.", "1.AAAAAAAA.0.1.1..short",
		"1.AAAAAAA.0.1.1..", "1.AAAAAAAA.0.9223372036854775808.1..", "1.AAAAAAAA.0.1.1..\n", "1.AAAAAAAA.0.1.1.." + strings.Repeat("x", 200),
	} {
		if c, err := channel.ParseCursor(text); err == nil {
			t.Errorf("%q was read as %+v", text, c)
		}
	}
}

func FuzzCursor(f *testing.F) {
	f.Add("1.AQAAAAAA.3.42.7.abcdefghijkl.")
	f.Fuzz(func(t *testing.T, text string) {
		if c, err := channel.ParseCursor(text); err == nil && c.String() != text {
			t.Errorf("%q became %q", text, c)
		}
	})
}

func TestRecordComesBack(t *testing.T) {
	for _, want := range []channel.Record{
		{Channel: "ann", Kind: channel.Event, Data: []byte("{}"), Src: src},
		{Channel: "ann,b;c\x00", Kind: channel.Event, Name: "put", Data: []byte("{}"), Src: channel.Src{Publisher: "key1", Item: "a:b"}},
		{Channel: "ann", Kind: channel.Raw, Data: []byte("data: x\n\n"), Src: channel.Src{Publisher: "key1"}},
		{Channel: "ann", Kind: channel.Raw, Data: []byte("data: x\n\n"), Src: channel.Src{Publisher: "key1", Item: "a:b", Block: 3}},
		{Channel: "ann", Kind: channel.Raw, Data: []byte("x"), Meta: map[string]string{"sender": "bob \x00\"\u2028"}, Filters: []string{"build-id"}},
		{Channel: "ann", Kind: channel.Answer, Data: []byte(`{"body":"x"}`), Filters: []string{}, Src: channel.Src{Publisher: "key1", Item: "7"}},
		{Channel: "ann", Kind: channel.Hint},
		{Channel: "ann", Kind: channel.Close},
		{Kind: channel.Gap, Data: []byte("source retention")},
	} {
		key, value, headers := want.Encode()
		got, err := channel.Decode(key, value, func(yield func(string, []byte) bool) {
			for _, h := range headers {
				if !yield(h.Key, h.Value) {
					return
				}
			}
		})
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, %v, want %+v", got, err, want)
		}
	}
}

func FuzzRecord(f *testing.F) {
	f.Add("ann", "raw", "", "p:key:7", `{"user":"bob"}`, `["var-subst"]`, []byte("data: x\n\n"))
	f.Add("ann", "answer", "", "p:key:", "{}", "[]", []byte(`{"code":404}`))
	f.Add("", "gap", "put", "k:00000000000000000000000000000001:2:3", "null", "null", []byte(nil))
	f.Fuzz(func(t *testing.T, key, kind, name, src, meta, filters string, value []byte) {
		got, err := channel.Decode([]byte(key), value, func(yield func(string, []byte) bool) {
			for _, h := range []channel.Header{{"kind", []byte(kind)}, {"name", []byte(name)}, {"src", []byte(src)}, {"meta", []byte(meta)}, {"content-filters", []byte(filters)}} {
				if len(h.Value) > 0 && !yield(h.Key, h.Value) {
					return
				}
			}
		})
		if err != nil {
			return
		}
		k, v, headers := got.Encode()
		again, err := channel.Decode(k, v, func(yield func(string, []byte) bool) {
			for _, h := range headers {
				if !yield(h.Key, h.Value) {
					return
				}
			}
		})
		if len(got.Meta) == 0 {
			got.Meta = nil
		}
		if err != nil || !reflect.DeepEqual(again, got) {
			t.Errorf("got %+v, %v, want %+v", again, err, got)
		}
	})
}

func TestGarbageOnTheLogIsRefused(t *testing.T) {
	for _, headers := range []map[string]string{{}, {"kind": "x"}, {"kind": "event", "src": "k:zz"}, {"kind": "event", "src": "q"}, {"kind": "raw", "meta": "x"}, {"kind": "raw", "meta": `{"a":1}`}, {"kind": "raw", "content-filters": "{}"}} {
		_, err := channel.Decode([]byte("ann"), nil, func(yield func(string, []byte) bool) {
			for k, v := range headers {
				if !yield(k, []byte(v)) {
					return
				}
			}
		})
		if err == nil {
			t.Errorf("%v was read", headers)
		}
	}
}

// TestPartitionNeverChanges: these numbers are in cursors out there.
func TestPartitionNeverChanges(t *testing.T) {
	for name, want := range map[string]int32{"": 9, "ann": 5, "bob": 9, "Ann": 9} {
		if got := channel.Partition(name, 12); got != want {
			t.Errorf("%q is in %d, want %d", name, got, want)
		}
	}
}

func TestPartitionsAreEven(t *testing.T) {
	count := make([]int, 12)
	for i := range 12000 {
		count[channel.Partition("user-"+strings.Repeat("x", i%7)+string(rune('a'+i%26))+string(rune('0'+i%10))+string(rune(i)), 12)]++
	}
	for p, n := range count {
		if n < 700 || n > 1300 {
			t.Errorf("partition %d has %d of 12000", p, n)
		}
	}
}
