package kafka_test

import (
	"bytes"
	"compress/gzip"
	"encoding/hex"
	"encoding/json"
	"math/big"
	"reflect"
	"testing"

	"github.com/fxamacker/cbor/v2"
	"pgregory.net/rapid"

	"github.com/ebb-events/ebb/kafka"
)

func zip(t testing.TB, b []byte) []byte {
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	if _, err := z.Write(b); err != nil {
		t.Fatal(err)
	}
	z.Close()
	return out.Bytes()
}

// TestCBORBecomesJSON has values as Jackson writes them.
func TestCBORBecomesJSON(t *testing.T) {
	for in, want := range map[string]string{
		"bf636f6e6501ff":                     `{"one":1}`,
		"a16161fb3fb999999999999a":           `{"a":0.1}`,
		"a161611b0020000000000001":           `{"a":9007199254740993}`,
		"a161613b0020000000000000":           `{"a":-9007199254740993}`,
		"a16161c249010000000000000000":       `{"a":18446744073709551616}`,
		"a16161c4822019006e":                 `{"a":110e-1}`,
		"a16161c48221c249010000000000000000": `{"a":18446744073709551616e-2}`,
		"a16161c34101":                       `{"a":-1}`, // Jackson's; by the standard it is -2
		"a16161c347200000000000" + "01":      `{"a":-9007199254740993}`,
		"a16161c349010000000000000000":       `{"a":-18446744073709551616}`,
		"a16161c482" + "21c34164":            `{"a":-100e-2}`,
		"bf61615f42c34141c3ff6162c34102ff":   `{"a":"w0HD","b":-2}`, // bytes stay, whatever is in them
		"a161619ff6f5f460ff":                 `{"a":[null,true,false,""]}`,
		"a161613c3e26":                       "", // cut off
		"a16161633c3e26":                     `{"a":"<>&"}`,
		"a10102":                             "", // 1 is no name
	} {
		b, err := hex.DecodeString(in)
		if err != nil {
			t.Fatal(err)
		}
		value := zip(t, b)
		got := kafka.Decode(value)
		if want == "" {
			want = string(value)
		}
		if string(got) != want {
			t.Errorf("%s: got %s, want %s", in, got, want)
		}
	}
}

func TestOtherValuesStayAsTheyAre(t *testing.T) {
	bomb, err := cbor.Marshal(string(make([]byte, 20<<20)))
	if err != nil {
		t.Fatal(err)
	}
	for _, value := range [][]byte{nil, {}, []byte(`{"a": 1.10}`), []byte("\x1f\x8bgarbage"), zip(t, bomb), zip(t, []byte(`{"a":1}`))} {
		if got := kafka.Decode(value); !bytes.Equal(got, value) {
			t.Errorf("%.20q became %.20q", value, got)
		}
	}
	for _, value := range []string{"", "nonsense", "{} {}", `{"a":0.1234567890123456789}`, `{"a":1e999}`, `{"a":1e-999999999999999999999}`} {
		if got := kafka.Encode([]byte(value)); string(got) != value {
			t.Errorf("%s became %q", value, got)
		}
	}
	if kafka.Encode(nil) != nil {
		t.Error("a tombstone became something")
	}
}

func TestNumbersSurviveCBOR(t *testing.T) {
	for _, number := range []string{"0", "-0", "1", "-1", "9007199254740993", "-9223372036854775808", "-9223372036854775809", "-18446744073709551615", "-18446744073709551616", "-18446744073709551617", "18446744073709551615", "18446744073709551616", "-4722366482869645213696", "4722366482869645213695", "0.1", "1.10", "100.0", "1e3", "1.5E-7", "-0.001", "1e300"} {
		value := []byte(`{"n":` + number + `}`)
		packed := kafka.Encode(value)
		if bytes.Equal(packed, value) {
			t.Errorf("%s was not encoded", number)
		}
		var got map[string]json.Number
		if err := json.Unmarshal(kafka.Decode(packed), &got); err != nil {
			t.Fatal(err)
		}
		a, _ := new(big.Rat).SetString(number)
		b, ok := new(big.Rat).SetString(got["n"].String())
		if !ok || a.Cmp(b) != 0 {
			t.Errorf("%s became %s", number, got["n"])
		}
	}
}

// TestBigNumbersAreWrittenForJackson has what its parser was seen to read.
func TestBigNumbersAreWrittenForJackson(t *testing.T) {
	for number, want := range map[string]string{
		"-1":                      "20",
		"-9007199254740993":       "3b0020000000000000",
		"-9223372036854775809":    "c349008000000000000001",
		"18446744073709551615":    "1bffffffffffffffff",
		"4722366482869645213695":  "c24a00ffffffffffffffffff",
		"-4722366482869645213695": "c34a00ffffffffffffffffff",
	} {
		out, err := kafka.Gunzip(kafka.Encode([]byte(`{"n":` + number + `}`)))
		if got := hex.EncodeToString(out); err != nil || got != "a1616e"+want {
			t.Errorf("%s: got %s, want a1616e%s (%v)", number, got, want, err)
		}
	}
}

func FuzzJacksonsNumbers(f *testing.F) {
	f.Add([]byte("\xa1\x61a\xc3\x41\x01"))
	f.Add([]byte("\xbf\x61a\xc4\x82\x20\xc3\x49\x01\x00\x00\x00\x00\x00\x00\x00\x00\xff"))
	f.Fuzz(func(t *testing.T, b []byte) {
		once := kafka.Decode(zip(t, b)) // must not panic
		if json.Valid(once) && !bytes.HasPrefix(once, []byte{0x1f}) {
			if again := kafka.Decode(kafka.Encode(once)); !json.Valid(again) {
				t.Errorf("%x became %s, and then %s", b, once, again)
			}
		}
	})
}

func TestJSONSurvivesCBOR(t *testing.T) {
	var value func(depth int) *rapid.Generator[any]
	value = func(depth int) *rapid.Generator[any] {
		leaves := []*rapid.Generator[any]{
			rapid.Just[any](nil), rapid.Bool().AsAny(), rapid.String().AsAny(), rapid.Int64().AsAny(), rapid.Float64().AsAny(),
		}
		if depth > 0 {
			leaves = append(leaves,
				rapid.Deferred(func() *rapid.Generator[any] { return rapid.SliceOfN(value(depth-1), 0, 4).AsAny() }),
				rapid.Deferred(func() *rapid.Generator[any] { return rapid.MapOfN(rapid.String(), value(depth-1), 0, 4).AsAny() }))
		}
		return rapid.OneOf(leaves...)
	}
	rapid.Check(t, func(t *rapid.T) {
		in, err := json.Marshal(map[string]any{"v": value(3).Draw(t, "v")})
		if err != nil {
			t.Fatal(err)
		}
		read := func(b []byte) (v any) {
			d := json.NewDecoder(bytes.NewReader(b))
			if err := d.Decode(&v); err != nil {
				t.Fatalf("%s: %v", b, err)
			}
			return v
		}
		if got := kafka.Decode(kafka.Encode(in)); !reflect.DeepEqual(read(got), read(in)) {
			t.Errorf("%s became %s", in, got)
		}
	})
}
