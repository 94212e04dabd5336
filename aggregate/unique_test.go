package aggregate

import (
	"context"
	"encoding/json"
	"fmt"
	"math/big"
	"reflect"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ebb-events/ebb"
	"pgregory.net/rapid"
)

// accounts are told by their address.
var accounts = Type[counter]{
	Name: "test-account",
	On:   counters.On,
	Unique: func(cmd Command) (any, bool) {
		var given struct {
			Mail  string
			Wrong bool
			Loud  bool
		}
		if given.Wrong = strings.Contains(string(cmd.value), `"wrong"`); given.Wrong {
			return func() {}, true
		}
		if strings.Contains(string(cmd.value), `"loud"`) {
			panic("secret")
		}
		return given.Mail, cmd.Decode(&given) == nil && given.Mail != ""
	},
}

// runAccounts runs a service until it has nothing left to do.
func runAccounts(t *testing.T, b *bus, cfg Config) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	cfg.Unique = b.member("test-account-unique", "test-account-aggregate")
	done := make(chan error, 1)
	go func() { done <- accounts.Run(ctx, b.member("test-account-command", ""), cfg) }()
	time.Sleep(time.Minute) // of the bubble: pauses after failures, too
	synctest.Wait()
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// told is what replies say, by their _corr.
func told(b *bus, typ string) map[string]string {
	all := map[string]string{}
	for _, m := range b.messages(typ + "-reply") {
		all[m.String(ebb.FieldCorr)] += strings.TrimSpace(fmt.Sprintf("%s %s %s %s", m.String(ebb.FieldOutcome), m.String(ebb.FieldID), m["_seq"], m["errors"]))
	}
	return all
}

func send(b *bus, corr, id, command, rest string) {
	b.send("test-account", fmt.Sprintf(`{"_id":%q,"_corr":%q,"_command":%q,"_jwt":{"sub":"ann"}%s}`, id, corr, command, rest))
}

func TestCommandsWithOneValueAreOneInstances(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBus()
		send(b, "c0", "i0", "plus", `,"mail":"a@x"`)
		runAccounts(t, b, Config{})
		send(b, "c1", "i1", "plus", `,"mail":"a@x"`)
		send(b, "c2", "i2", "plus", `,"mail":"b@x"`)
		runAccounts(t, b, Config{}) // in another process
		send(b, "c3", "i3", "delete", `,"mail":"a@x"`)
		runAccounts(t, b, Config{})
		send(b, "c4", "i4", "plus", `,"mail":"a@x"`)
		send(b, "c1", "i9", "plus", `,"mail":"a@x"`)
		send(b, "c5", "i5", "reject", `,"mail":"c@x"`)
		runAccounts(t, b, Config{})
		send(b, "c6", "i6", "plus", `,"mail":"c@x"`)
		runAccounts(t, b, Config{})

		got := told(b, "test-account")
		delete(got, "c5")
		want := map[string]string{
			"c0": "applied i0 0",
			"c1": "applied i0 1" + "duplicate i0 3",
			"c2": "applied i2 0",
			"c3": "applied i0 2",
			"c4": "applied i0 3",
			"c6": "applied i5 0", // whose first command was refused
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
		asked := map[string]string{} // which a reply says only if it is not the instance's
		for _, r := range b.records("test-account-reply") {
			m, err := ebb.ParseMessage(r.Value)
			if err != nil {
				t.Fatal(err)
			}
			asked[m.String(ebb.FieldCorr)] += string(r.Header(ebb.HeaderAsked))
		}
		if want := (map[string]string{"c0": "", "c1": "i1" + "i9", "c2": "", "c3": "i3", "c4": "i4", "c5": "", "c6": "i6"}); !reflect.DeepEqual(asked, want) {
			t.Errorf("asked were %v, want %v", asked, want)
		}
		for _, r := range b.records("test-account-aggregate") {
			unique := string(r.Header(headerUnique))
			if want := map[string]string{"i0": `"a@x"`, "i2": `"b@x"`, "i5": `"c@x"`}[string(r.Key)]; unique != want {
				t.Errorf("state of %s has %s %s, want %s", r.Key, headerUnique, unique, want)
			}
			for _, purpose := range []string{"event", "reply"} {
				for _, o := range b.records("test-account-" + purpose) {
					if string(o.Key) == string(r.Key) && o.Partition != r.Partition {
						t.Errorf("%s of %s is in partition %d, its state in %d", purpose, r.Key, o.Partition, r.Partition)
					}
				}
			}
		}
	})
}

func TestCommandWithoutAValueIsAnswered(t *testing.T) {
	tests := []struct{ name, rest, want string }{
		{"none", ``, `rejected i  [{"location":"","code":"UNIQUE","message":"The value that tells which one is meant is missing."}]`},
		{"null", `,"mail":null`, `rejected i  [{"location":"","code":"UNIQUE","message":"The value that tells which one is meant is missing."}]`},
		{"long", `,"mail":"` + strings.Repeat("x", 1024) + `"`, `rejected i  [{"location":"","code":"TOO_LARGE","message":"This is too large."}]`},
		{"large", `,"mail":"x","more":"` + strings.Repeat("x", 1_000_000-1024) + `"`, `rejected i  [{"location":"","code":"TOO_LARGE","message":"This is too large."}]`},
		{"panic", `,"loud":1`, `failed i  [{"location":"","code":"FAILED","message":"Something went wrong."}]`},
		{"no JSON", `,"wrong":1`, `failed i  [{"location":"","code":"FAILED","message":"Something went wrong."}]`},
	}
	for _, tt := range tests {
		synctest.Test(t, func(t *testing.T) {
			b := newBus()
			send(b, "c", "i", "plus", tt.rest)
			var executed []ebb.Outcome
			runAccounts(t, b, Config{Metrics: Metrics{Executed: func(o ebb.Outcome) { executed = append(executed, o) }}})
			if got := told(b, "test-account")["c"]; got != tt.want {
				t.Errorf("%s: got %s, want %s", tt.name, got, tt.want)
			}
			if len(executed) != 1 || !strings.HasPrefix(tt.want, string(executed[0])) {
				t.Errorf("%s: counted %v", tt.name, executed)
			}
		})
	}
}

// TestAnIDHasOneValue has all in one partition, where state records of one _id
// would take each other's place.
func TestAnIDHasOneValue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBus()
		b.of = 1
		send(b, "c0", "i", "plus", `,"mail":"a@x"`)
		send(b, "c1", "i", "plus", `,"mail":"b@x"`) // in the same batch
		send(b, "c2", "j", "plus", `,"mail":"b@x"`)
		runAccounts(t, b, Config{})
		send(b, "c3", "i", "plus", `,"mail":"d@x"`)
		send(b, "c4", "i", "plus", `,"mail":"b@x"`) // has one already
		send(b, "c5", "k", "plus", `,"mail":"d@x"`)
		runAccounts(t, b, Config{})
		const taken = `rejected i  [{"location":"/_id","code":"UNIQUE","message":"This _id belongs to something else."}]`
		want := map[string]string{"c0": "applied i 0", "c1": taken, "c2": "applied j 0", "c3": taken, "c4": "applied j 1", "c5": "applied k 0"}
		if got := told(b, "test-account"); !reflect.DeepEqual(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
		b.put(ebb.Record{Topic: "test-account-aggregate", Key: []byte("i")}) // forgotten for good
		send(b, "c6", "l", "plus", `,"mail":"a@x"`)
		send(b, "c7", "i", "plus", `,"mail":"e@x"`)
		runAccounts(t, b, Config{})
		want["c6"], want["c7"] = "applied l 0", "applied i 0"
		if got := told(b, "test-account"); !reflect.DeepEqual(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	})
}

func TestAnIDHasOneValueFromBatchToBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBus()
		b.of, b.most = 1, 1
		send(b, "c0", "i", "plus", `,"mail":"a@x"`)
		send(b, "c1", "i", "plus", `,"mail":"b@x"`)
		send(b, "c2", "i", "plus", `,"mail":"a@x"`)
		runAccounts(t, b, Config{})
		got := told(b, "test-account")
		if got["c0"] != "applied i 0" || !strings.HasPrefix(got["c1"], "rejected") || got["c2"] != "applied i 1" {
			t.Errorf("got %v", got)
		}
	})
}

func TestRekeyedCommandIsTheSame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBus()
		at := time.UnixMilli(12345)
		const value = `{"_id":"I","_corr":"c","_command":"plus","_jwt":{"sub":"ann"},"mail":"a@x","n":1.50}`
		header := ebb.Header{Key: headerCause, Value: []byte("a-b/i/0/r/0")}
		b.put(ebb.Record{Topic: "test-account-command", Partition: 2, Key: []byte("i"), Value: []byte(value), Timestamp: at, Headers: []ebb.Header{header}})
		runAccounts(t, b, Config{})
		got := b.records("test-account-unique")
		if len(got) != 1 || string(got[0].Key) != `"a@x"` || string(got[0].Value) != value || !got[0].Timestamp.Equal(at) || string(got[0].Header(headerCause)) != string(header.Value) {
			t.Errorf("got %+v", got)
		}
	})
}

// TestUniqueHistory has many senders make the same accounts with ids of their
// own, while transactions of both stages fail and processes end.
func TestUniqueHistory(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		mails := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "c", "d", "e"}), 1, 30).Draw(rt, "mails")
		lives := rapid.IntRange(1, 3).Draw(rt, "lives")
		fails := rapid.SliceOfN(rapid.Bool(), 0, 12).Draw(rt, "fails")
		synctest.Test(t, func(t *testing.T) {
			b := newBus()
			commits := 0
			b.fail = func() error {
				if commits++; commits <= len(fails) && fails[commits-1] {
					return errBroker
				}
				return nil
			}
			for i, mail := range mails {
				// In its sender's partition, whatever the value's is.
				send(b, fmt.Sprint(i), fmt.Sprint("i", i), "plus", fmt.Sprintf(`,"mail":%q`, mail))
				if i%max(1, len(mails)/lives) == 0 {
					runAccounts(t, b, Config{})
				}
			}
			runAccounts(t, b, Config{})
			ids, value := map[string]string{}, map[string]int{}
			for _, r := range b.records("test-account-reply") {
				m, _ := ebb.ParseMessage(r.Value)
				var i int
				json.Unmarshal([]byte(m.String(ebb.FieldCorr)), &i)
				mail := mails[i]
				if m.String(ebb.FieldOutcome) != "applied" {
					t.Errorf("%s: got %s", mail, m.JSON())
				}
				if ids[mail] == "" {
					ids[mail] = m.String(ebb.FieldID)
				}
				if value[mail]++; ids[mail] != m.String(ebb.FieldID) || string(m["value"]) != fmt.Sprint(value[mail]) {
					t.Errorf("%s: answer %d is %s", mail, value[mail], m.JSON())
				}
			}
			sum := 0
			for _, n := range value {
				sum += n
			}
			if sum != len(mails) {
				t.Errorf("got %d answers to %d commands", sum, len(mails))
			}
		})
	})
}

func TestUniqueBelongsToTypeAndStates(t *testing.T) {
	b := newBus()
	log, unique := b.member("test-account-command", ""), b.member("test-account-unique", "test-account-aggregate")
	if err := accounts.Run(t.Context(), log, Config{}); err == nil || !strings.Contains(err.Error(), "belong together") {
		t.Errorf("got %v", err)
	}
	if err := counters.Run(t.Context(), log, Config{Unique: unique}); err == nil || !strings.Contains(err.Error(), "belong together") {
		t.Errorf("got %v", err)
	}
	b.put(ebb.Record{Topic: "test-account-aggregate", Key: []byte("i"), Value: []byte(`{}`)})
	if err := accounts.Run(t.Context(), log, Config{Unique: unique}); err == nil || !strings.Contains(err.Error(), "without a unique value") {
		t.Errorf("got %v", err)
	}
	plain := accounts
	plain.Unique = nil
	b.topics["test-account-aggregate"][0][0].Headers = []ebb.Header{{Key: headerUnique, Value: []byte(`"a@x"`)}}
	if err := plain.Run(t.Context(), b.member("test-account-command", "test-account-aggregate"), Config{}); err == nil || !strings.Contains(err.Error(), "none in its Type") {
		t.Errorf("got %v", err)
	}
}

func TestCanonical(t *testing.T) {
	tests := []struct {
		value any
		want  string
	}{
		{"a", `"a"`}, {"<ä>&", `"<ä>&"`}, {nil, "null"}, {true, "true"},
		{map[string]any{"b": 2, "a": 1}, `{"a":1,"b":2}`},
		{struct{ B, A int }{2, 1}, `{"A":1,"B":2}`},
		{[]any{1.0, json.Number("1.0"), json.Number("10e-1"), json.Number("0.1E1"), json.Number("1e+0")}, "[1,1,1,1,1]"},
		{[]json.Number{"0", "-0", "0.0", "0e9"}, "[0,0,0,0]"},
		{[]json.Number{"9007199254740993", "12345678901234567890"}, "[9007199254740993,12345678901234567890]"},
		{[]json.Number{"100", "1e2", "-100.50", "0.05", "5e-2", "12.5"}, "[100,100,-100.5,0.05,0.05,12.5]"},
		{[]json.Number{"1e400", "10e399", "1.5e-400", "15e-401"}, "[1e400,1e400,1.5e-400,1.5e-400]"},
	}
	for _, tt := range tests {
		if got, err := canonical(tt.value); got != tt.want || err != nil {
			t.Errorf("%v: got %s, %v, want %s", tt.value, got, err, tt.want)
		}
	}
	for _, wrong := range []any{func() {}, json.Number("1e99999999999999999999"), json.Number("x")} {
		if got, err := canonical(wrong); err == nil {
			t.Errorf("%v: got %s, want an error", wrong, got)
		}
	}
}

// TestPlainNumber compares with exact arithmetic.
func TestPlainNumber(t *testing.T) {
	number := rapid.StringMatching(`-?(0|[1-9][0-9]{0,24})(\.[0-9]{1,24})?([eE][+-]?[0-9]{1,2})?`)
	exact := func(t *rapid.T, text string) *big.Rat {
		r, ok := new(big.Rat).SetString(text)
		if !ok || !json.Valid([]byte(text)) {
			t.Fatalf("%s is no number", text)
		}
		return r
	}
	rapid.Check(t, func(t *rapid.T) {
		a := number.Draw(t, "number")
		plain, err := plainNumber(json.Number(a))
		if err != nil || exact(t, a).Cmp(exact(t, plain.String())) != 0 {
			t.Fatalf("%s becomes %s, %v", a, plain, err)
		}
		if again, err := plainNumber(plain); again != plain || err != nil {
			t.Fatalf("%s becomes %s, %v", plain, again, err)
		}
		scaled, err := plainNumber(json.Number(exact(t, a).FloatString(150)))
		if err != nil || scaled != plain {
			t.Fatalf("%s and its decimals become %s and %s, %v", a, plain, scaled, err)
		}
	})
}

func TestBothStagesEndTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBus()
		send(b, "c0", "i0", "plus", `,"mail":"a@x"`)
		cfg := Config{Store: liar{newMemory()}, Unique: b.member("test-account-unique", "test-account-aggregate")}
		var all sync.WaitGroup
		all.Go(func() {
			if err := accounts.Run(t.Context(), b.member("test-account-command", ""), cfg); err == nil {
				t.Error("got no error")
			}
		})
		all.Wait()
	})
}
