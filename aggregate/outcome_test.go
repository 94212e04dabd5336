package aggregate

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/ebb-events/ebb"
)

func TestEveryCommandGetsItsOutcome(t *testing.T) {
	const (
		plus   = `{"_id":"i","_corr":"0","_command":"plus","_jwt":{"sub":"ann"}}`
		lock   = `{"_id":"i","_corr":"0","_command":"lock","_jwt":{"sub":"ann"}}`
		del    = `{"_id":"i","_corr":"d","_command":"delete","_jwt":{"sub":"ann"}}`
		reject = `{"_id":"i","_corr":"0","_command":"reject","_jwt":{"sub":"ann"}}`
		failed = `"_error":true,"_statusCode":500,"errors":[{"location":"","code":"FAILED","message":"Something went wrong."}]`
	)
	tests := []struct {
		name    string
		before  []string
		command string // the rest of it
		want    string // fields of the reply
		events  int
	}{
		{"applied", nil, `"_command":"plus"`, `"_outcome":"applied","_seq":0,"value":1`, 1},
		{"applied again", []string{plus}, `"_command":"plus"`, `"_outcome":"applied","_seq":1,"value":2`, 1},
		{"with the current seq", []string{plus}, `"_command":"plus","_seq":0`, `"_outcome":"applied","_seq":1,"value":2`, 1},
		{"seq null is none", []string{plus}, `"_command":"plus","_seq":null`, `"_outcome":"applied","_seq":1`, 1},
		{"seq of none", nil, `"_command":"plus","_seq":-1`, `"_outcome":"applied","_seq":0`, 1},
		{"unchanged", []string{plus}, `"_command":"same"`, `"_outcome":"unchanged","_seq":0,"value":1,"_command":"same"`, 0},
		{"duplicate", []string{plus}, `"_corr":"0","_command":"plus"`, `"_outcome":"duplicate","_seq":0,"value":1`, 0},
		{"another's corr", []string{plus}, `"_corr":"0","_command":"plus","_jwt":{"sub":"bob"}`, `"_outcome":"applied","_seq":1`, 1},
		{"another command's corr", []string{plus}, `"_corr":"0","_command":"same"`, `"_outcome":"unchanged"`, 0},
		{"duplicate of a refusal", []string{reject}, `"_corr":"0","_command":"reject"`,
			`"_outcome":"duplicate","_error":true,"_statusCode":422,"errors":[{"location":"/a","code":"A","message":"No a."},{"location":"/b","code":"B","message":"No <b>."}]`, 0},
		{"duplicate of a delete", []string{plus, del}, `"_corr":"d","_command":"delete"`, `"_outcome":"duplicate","_deleted":true,"_seq":1`, 0},
		{"duplicate out of sight", []string{plus, strings.Replace(strings.ReplaceAll(lock, "ann", "bob"), `"0"`, `"1"`, 1)}, `"_corr":"0","_command":"plus"`,
			`"_outcome":"duplicate","_seq":1,"value":null,"_acl":null,"_jwt":{"sub":"ann"}`, 0},
		{"rejected", nil, `"_command":"reject","qty":12345678901234567890`,
			`"_outcome":"rejected","_error":true,"_statusCode":422,"qty":12345678901234567890,"errors":[{"location":"/a","code":"A","message":"No a."},{"location":"/b","code":"B","message":"No <b>."}]`, 0},
		{"rejected with too much", nil, `"_command":"babble"`, `"_outcome":"rejected","errors":[{"location":"/a","code":"A","message":"No."}]`, 0},
		{"rejected too loudly", nil, `"_command":"shout"`, `"_outcome":"rejected","errors":[{"location":"","code":"TOO_LARGE","message":"What is wrong is too long to tell."}]`, 0},
		{"wrong type", nil, `"_command":"set","value":"x"`, `"_outcome":"rejected","errors":[{"location":"/value","code":"TYPE","message":"This cannot be a string."}]`, 0},
		{"too large", []string{plus}, `"_command":"grow"`, `"_outcome":"rejected","errors":[{"location":"","code":"TOO_LARGE","message":"This would become too large."}]`, 0},
		{"stale", []string{plus}, `"_command":"plus","_seq":7`, `"_outcome":"stale","_error":true,"_statusCode":409,"_seq":0`, 0},
		{"stale, from before", []string{plus, strings.Replace(plus, `"0"`, `"1"`, 1)}, `"_command":"plus","_seq":0`, `"_outcome":"stale","_seq":1`, 0},
		{"duplicate of a stale one", []string{plus, `{"_id":"i","_corr":"s","_command":"plus","_seq":7,"_jwt":{"sub":"ann"}}`}, `"_corr":"s","_command":"plus","_seq":7`,
			`"_outcome":"duplicate","_statusCode":409,"_seq":0`, 0},
		{"seq that is none", []string{plus}, `"_command":"plus","_seq":0.5`, `"_outcome":"rejected","errors":[{"location":"/_seq","code":"TYPE","message":"This is not a whole number."}]`, 0},
		{"unknown", nil, `"_command":"minus"`, `"_outcome":"unknown","_error":true,"_statusCode":400,"errors":[{"location":"/_command","code":"UNKNOWN","message":"There is no such command."}]`, 0},
		{"no command name", nil, `"x":1`, `"_outcome":"unknown","x":1`, 0},
		{"forbidden", []string{strings.ReplaceAll(lock, "ann", "bob")}, `"_command":"plus","_seq":9`,
			`"_outcome":"forbidden","_error":true,"_statusCode":403,"_seq":9,"errors":[{"location":"","code":"FORBIDDEN","message":"You may not do this."}]`, 0},
		{"allowed", []string{lock}, `"_command":"plus"`, `"_outcome":"applied"`, 1},
		{"panic", nil, `"_command":"panic"`, `"_outcome":"failed",` + failed, 0},
		{"own error", nil, `"_command":"mixed"`, `"_outcome":"failed",` + failed, 0},
		{"goexit", nil, `"_command":"exit"`, `"_outcome":"failed",` + failed, 0},
		{"state without JSON", nil, `"_command":"bad"`, `"_outcome":"failed",` + failed, 0},
		{"deleted", []string{plus}, `"_command":"delete"`, `"_outcome":"applied","_deleted":true,"_seq":1,"value":1`, 1},
		{"nothing to delete", nil, `"_command":"delete"`, `"_outcome":"unchanged","_deleted":true,"_seq":-1`, 0},
		{"deleted before", []string{plus, del}, `"_command":"delete"`, `"_outcome":"unchanged","_deleted":true,"_seq":1`, 0},
		{"born again", []string{plus, del}, `"_command":"plus"`, `"_outcome":"applied","_deleted":null,"_seq":2,"value":1`, 1},
		{"id in capitals", []string{plus}, `"_id":"I","_command":"plus"`, `"_outcome":"applied","_id":"i","value":2`, 1},
		{"reserved fields", nil, `"_command":"reject","_outcome":"applied","_error":false,"_type":"other","_deleted":true,"errors":[]`, `"_deleted":null,"_outcome":"rejected","_error":true,"_type":"test-counter"`, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBroker()
			for _, c := range tt.before {
				b.send("%s", c)
			}
			b.work(t, Config{})
			events := len(b.topic(ebb.Events))

			command := parseMerged(t, `{"_id":"i","_corr":"c","_jwt":{"sub":"ann"}}`, "{"+tt.command+"}")
			b.send("%s", command.JSON())
			b.work(t, Config{})

			got := b.topic(ebb.Replies)[len(tt.before)]
			want := parseMerged(t, `{"_type":"test-counter","_id":"i","_jwt":`+string(command[ebb.FieldJWT])+`}`, "{"+tt.want+"}")
			want[ebb.FieldCorr] = command[ebb.FieldCorr]
			for field, value := range want {
				if string(value) == "null" {
					value = nil
				}
				if string(got[field]) != string(value) {
					t.Errorf("got %s %.300s, want %s", field, got[field], value)
				}
			}
			if n := len(b.topic(ebb.Events)) - events; n != tt.events {
				t.Errorf("got %d events, want %d", n, tt.events)
			}
			if strings.Contains(string(got.JSON()), "secret") {
				t.Errorf("reply tells too much: %s", got.JSON())
			}
		})
	}
}

func parseMerged(t testing.TB, objects ...string) ebb.Message {
	t.Helper()
	m := ebb.Message{}
	for _, o := range objects {
		if err := json.Unmarshal([]byte(o), &m); err != nil {
			t.Fatal(err)
		}
	}
	return m
}

func TestOnlyTheLast64OutcomesAreKnown(t *testing.T) {
	b := newBroker()
	for i := range maxOutcomes + 1 {
		b.send(`{"_id":"i","_corr":"%d","_command":"plus","_jwt":{"sub":"ann"}}`, i)
	}
	for _, corr := range []int{1, 64, 0} {
		b.send(`{"_id":"i","_corr":"%d","_command":"plus","_jwt":{"sub":"ann"}}`, corr)
	}
	b.work(t, Config{})
	var got []string
	for _, r := range b.topic(ebb.Replies)[maxOutcomes+1:] {
		got = append(got, r.String(ebb.FieldOutcome))
	}
	if want := "[duplicate duplicate applied]"; fmt.Sprint(got) != want {
		t.Errorf("got %v, want %s", got, want)
	}
}

func TestWhatIsNoCommandIsBuried(t *testing.T) {
	tests := []struct{ value, key, want string }{
		{`{"_id":`, "i", "not a JSON object"},
		{`[]`, "i", "not a JSON object"},
		{``, "i", "not a JSON object"},
		{"{\"_id\":\"\xff\"}", "i", "not a JSON object"},
		{`{"_corr":"c","_jwt":{"sub":"ann"}}`, "i", "no _id"},
		{`{"_id":7,"_corr":"c","_jwt":{"sub":"ann"}}`, "7", "no _id"},
		{`{"_id":"i","_corr":"c","_jwt":{"sub":"ann"}}`, "j", "key is not _id"},
		{`{"_id":"i","_corr":"c"}`, "i", "no _jwt.sub"},
		{`{"_id":"i","_corr":"c","_jwt":{"sub":7}}`, "i", "no _jwt.sub"},
		{`{"_id":"i","_corr":"` + strings.Repeat("c", maxName+1) + `","_jwt":{"sub":"ann"}}`, "i", "_id, _corr or _jwt.sub too long"},
		{`{"_id":"i","_corr":"c","_jwt":{"sub":"ann"},"x":` + strings.Repeat("[", maxDepth) + strings.Repeat("]", maxDepth) + `}`, "i", "nested too deeply"},
		{strings.Repeat(`{"a":`, 100_000), "i", "nested too deeply"},
	}
	for _, tt := range tests {
		b := newBroker()
		b.put(0, tt.key, []byte(tt.value))
		b.send(`{"_id":"i","_corr":"c","_jwt":{"sub":"ann"},"_command":"plus","x":%s"]\"["%s}`, strings.Repeat("[", maxDepth-1), strings.Repeat("]", maxDepth-1))
		var counted []string
		b.work(t, Config{Metrics: Metrics{Dead: func(reason string) { counted = append(counted, reason) }}})
		if want := "[" + tt.want + "]"; fmt.Sprint(b.dead) != want || fmt.Sprint(counted) != want {
			t.Errorf("%.60s: got %v, counted %v, want %s", tt.value, b.dead, counted, want)
		}
		if got := b.topic(ebb.Replies); len(got) != 1 || got[0].String(ebb.FieldOutcome) != "applied" {
			t.Errorf("%.60s: the command after it was not executed", tt.value)
		}
	}
}

func TestAnswersAreNeverTooLarge(t *testing.T) {
	b := newBroker()
	b.send(`{"_id":"i","_corr":"c","_command":"reject","_jwt":{"sub":"ann","x":"%s"},"y":"%[1]s"}`, strings.Repeat("x", 500_000))
	b.work(t, Config{})
	want := `{"_corr":"c","_error":true,"_id":"i","_jwt":{"sub":"ann"},"_outcome":"rejected","_statusCode":422,"_type":"test-counter",` +
		`"errors":[{"location":"/a","code":"A","message":"No a."},{"location":"/b","code":"B","message":"No <b>."}]}`
	if got := b.last(ebb.Replies); got != want {
		t.Errorf("got %.300s, want %s", got, want)
	}
}
