package aggregate

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/ebb-events/ebb"
)

// TestNoCommandIsAnsweredWithSilence has a test for every case in which the
// services that ours can replace say nothing: the sender got 202, and then
// never heard of it. Each is answered, on the reply topic, by the command's key.
func TestNoCommandIsAnsweredWithSilence(t *testing.T) {
	const plus = `"_command":"plus"`
	tests := []struct {
		name    string
		before  []string
		command string
		want    string // fields of the reply
	}{
		{"unknown command", nil, `"_command":"minus"`,
			`"_outcome":"unknown","_error":true,"_statusCode":400,"errors":[{"location":"/_command","code":"UNKNOWN","message":"There is no such command."}]`},
		{"no command at all", nil, `"value":1`, `"_outcome":"unknown","_error":true,"_statusCode":400`},
		{"stale _seq", []string{plus, plus}, plus + `,"_seq":0`,
			`"_outcome":"stale","_error":true,"_statusCode":409,"_seq":1,"errors":[{"location":"/_seq","code":"STALE","message":"It has changed meanwhile."}]`},
		{"duplicate", []string{plus}, plus + `,"_corr":"0"`, `"_outcome":"duplicate","_error":null,"_seq":0,"value":1`},
		{"duplicate of a refusal", []string{`"_command":"reject"`}, `"_command":"reject","_corr":"0"`, `"_outcome":"duplicate","_error":true,"_statusCode":422`},
		{"no change", []string{plus}, `"_command":"same"`, `"_outcome":"unchanged","_error":null,"_seq":0,"value":1`},
		{"missing _corr", nil, plus + `,"_corr":null`, `"_outcome":"applied","_seq":0,"value":1`},
		{"_corr that is no text", nil, plus + `,"_corr":7`, `"_outcome":"applied","_seq":0,"value":1`},
		{"_ops outside patch", nil, plus + `,"_ops":[]`,
			`"_outcome":"rejected","_error":true,"_statusCode":422,"errors":[{"location":"/_ops","code":"OPS","message":"Only patch may carry this."}]`},
		{"_ops of an unknown command", nil, `"_command":"minus","_ops":[]`, `"_outcome":"unknown"`},
		// The seventh, a null unique value, is in TestCommandWithoutAValueIsAnswered.
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBroker()
			all := commands(t, b, counters, Config{}, append(tt.before, tt.command)...)
			if len(all) != len(tt.before)+1 {
				t.Fatalf("got %d answers to %d commands", len(all), len(tt.before)+1)
			}
			got := all[len(tt.before)]
			expect(t, got, `"_id":"i","_type":"test-counter","_jwt":{"sub":"ann"},`+tt.want)
			if corr := got.String(ebb.FieldCorr); corr == "" {
				t.Errorf("got no _corr: %s", got.JSON())
			}
			keyed(t, b)
		})
	}
}

// TestBadAnswersAreGood has what those services answer, but badly: a reply
// without a key goes to any partition, and a stack trace to the browser.
func TestBadAnswersAreGood(t *testing.T) {
	for _, command := range []string{"panic", "mixed", "exit", "bad"} {
		b := newBroker()
		got := commands(t, b, counters, Config{}, `"_command":"`+command+`"`)
		expect(t, got[0], `"_outcome":"failed","_error":true,"_statusCode":500,"exception":null,"errors":[{"location":"","code":"FAILED","message":"Something went wrong."}]`)
		if s := string(got[0].JSON()); regexp.MustCompile(`secret|\.go|goroutine`).MatchString(s) {
			t.Errorf("%s: the browser is told %s", command, s)
		}
		keyed(t, b)
	}
}

// keyed tells of outputs without the key of their instance.
func keyed(t *testing.T, b *broker) {
	t.Helper()
	for _, r := range b.out {
		if string(r.Key) != "i" {
			t.Errorf("%s has the key %q", r.Topic, r.Key)
		}
	}
}

// TestMadeCorrIsTheSameWheneverTheRecordIsRead, or it would be executed twice
// where a broker repeats it, and answered twice under two names.
func TestMadeCorrIsTheSameWheneverTheRecordIsRead(t *testing.T) {
	record := ebb.Record{Topic: "test-counter-command", TopicID: [16]byte{1}, Partition: 1, Offset: 7, LeaderEpoch: -1,
		Key: []byte("i"), Value: []byte(`{"_id":"i","_command":"plus","_jwt":{"sub":"ann"}}`)}
	b := newBroker()
	for range 2 {
		b.commands[1] = append(b.commands[1], record)
		b.work(t, Config{})
	}
	replies := b.topic(ebb.Replies)
	corr := replies[0].String(ebb.FieldCorr)
	if !regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`).MatchString(corr) {
		t.Errorf("got %s, want a UUID", corr)
	}
	expect(t, replies[0], `"_outcome":"applied"`)
	expect(t, replies[1], fmt.Sprintf(`"_outcome":"duplicate","_corr":%q`, corr))
	expect(t, b.topic(ebb.Events)[0], fmt.Sprintf(`"_corr":%q`, corr))

	seen := map[string]bool{corr: true}
	for _, change := range []func(*ebb.Record){
		func(r *ebb.Record) { r.Offset++ },
		func(r *ebb.Record) { r.Partition++ },
		func(r *ebb.Record) { r.TopicID[0]++ }, // the topic was made anew
		func(r *ebb.Record) { r.Topic += "x" },
	} {
		r := record
		change(&r)
		cmd, _ := parse(r)
		if seen[cmd.Corr] {
			t.Errorf("%s is used again", cmd.Corr)
		}
		seen[cmd.Corr] = true
	}
}

// TestBadInput: what cannot be a command goes to the dead-letter topic, counted;
// what can is answered; and the service goes on.
func TestBadInput(t *testing.T) {
	const mib = 1 << 20
	command := func(format string, args ...any) string {
		return fmt.Sprintf(`{"_id":"i","_corr":"c","_command":"put","_jwt":{"sub":"ann"},`+format+`}`, args...)
	}
	tests := []struct {
		name, value string
		dead        string // why it is none, or
		want        string // fields of the answer
	}{
		{"no JSON", `no JSON`, "not a JSON object", ""},
		{"half of it", command(`"text":"a"`)[:40], "not a JSON object", ""},
		{"no object", `["_id"]`, "not a JSON object", ""},
		{"nothing", ``, "not a JSON object", ""},
		{"no UTF-8", command("\"text\":\"\xff\""), "not a JSON object", ""},
		{"no _id", `{"_corr":"c","_command":"put","_jwt":{"sub":"ann"}}`, "no _id", ""},
		{"no _jwt", `{"_id":"i","_corr":"c","_command":"put"}`, "no _jwt.sub", ""},
		{"nobody's _jwt", `{"_id":"i","_corr":"c","_command":"put","_jwt":{"sub":""}}`, "no _jwt.sub", ""},
		{"objects 10,000 deep", command(`"x":%s1%s`, strings.Repeat(`{"a":`, 10_000), strings.Repeat("}", 10_000)), "nested too deeply", ""},
		{"lists 10,000 deep", command(`"x":%s%s`, strings.Repeat("[", 10_000), strings.Repeat("]", 10_000)), "nested too deeply", ""},
		{"deep and unfinished", command(`"x":%s`, strings.Repeat("[", 10_000)), "nested too deeply", ""},
		{"1 MiB + 1", command(`"x":%q`, strings.Repeat("x", mib+1-len(command(`"x":""`)))), "",
			`"_outcome":"rejected","_error":true,"_statusCode":422,"x":null,"errors":[{"location":"","code":"TOO_LARGE","message":"This would become too large."}]`},
		{"large errors", command(`"text":%q,"_acl":7`, strings.Repeat("x", mib/2)), "", `"_outcome":"rejected"`},
		{"numbers over 2^53", command(`"n":9007199254740993,"m":[-12345678901234567890.10]`), "",
			`"_outcome":"applied","n":9007199254740993,"m":[-12345678901234567890.10]`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBroker()
			b.put(0, "i", []byte(tt.value))
			var counted []string
			after := commands(t, b, notes, Config{Metrics: Metrics{Dead: func(reason string) { counted = append(counted, reason) }}},
				`"_id":"j","_command":"put","text":"after"`)
			expect(t, after[len(after)-1], `"_outcome":"applied","text":"after"`)
			if tt.dead == "" {
				if len(after) != 2 || len(b.dead) != 0 {
					t.Fatalf("got %d answers, dead %s", len(after), b.dead)
				}
				expect(t, after[0], tt.want)
				return
			}
			if len(after) != 1 || fmt.Sprint(b.dead) != "["+tt.dead+"]" || fmt.Sprint(counted) != "["+tt.dead+"]" {
				t.Errorf("got dead %s, counted %s, want %s; %d answers", b.dead, counted, tt.dead, len(after)-1)
			}
		})
	}
}

// TestNumbersStayAsTheyAreThroughTheWholeLoop: command, event, state, reply, a
// restart, and around again by each kind of reducer.
func TestNumbersStayAsTheyAreThroughTheWholeLoop(t *testing.T) {
	const n = `9007199254740993,"m":{"n":[1e400,0.10,12345678901234567890123]}`
	const list = `[1e400,0.10,12345678901234567890123]`
	b := newBroker()
	typ := notes
	typ.On = map[string]Reducer[note]{"put": Put[note], "patch": Patch[note], "tag": same[note], "text": setText}
	typ.FullEvents = true
	commands(t, b, typ, Config{}, `"_command":"put","n":`+n)
	for i, command := range []string{
		`"_command":"patch","_ops":[{"op":"copy","from":"/m","path":"/copy"},{"op":"move","from":"/copy","path":"/m"},{"op":"add","path":"/x","value":9007199254740995}]`,
		`"_command":"text","text":"b"`,
		`"_command":"put","text":"c","x":9007199254740995,"n":` + n,
	} {
		got := commands(t, b, typ, Config{}, command)[0] // each by a service that has read the states
		expect(t, got, `"_outcome":"applied","n":9007199254740993,"x":9007199254740995,"m":{"n":`+list+`}`)
		states := b.topic(ebb.Aggregates)
		expect(t, states[i+1], `"n":9007199254740993,"x":9007199254740995,"m":{"n":`+list+`}`)
	}
	events := b.topic(ebb.Events)
	expect(t, events[0], `"_ops":[{"op":"add","path":"/m","value":{"n":`+list+`}},{"op":"add","path":"/n","value":9007199254740993}]`)
	expect(t, events[1], `"_ops":[{"op":"add","path":"/x","value":9007199254740995}]`)
	if after := string(b.topic(ebb.FullEvents)[3][fieldAfter]); !strings.Contains(after, list) {
		t.Errorf("got %s", after)
	}
}

func TestLanguagesGoFromTheCommandToTheEvent(t *testing.T) {
	b := newBroker()
	got := commands(t, b, notes, Config{}, `"_command":"put","text":"a","_languages":["nl","fr"]`)
	expect(t, b.topic(ebb.Events)[0], `"_languages":["nl","fr"]`)
	expect(t, got[0], `"_languages":null`)
	expect(t, b.topic(ebb.Aggregates)[0], `"_languages":null`)
}

func setText(_ context.Context, n note, cmd Command) (note, error) { return n, cmd.Decode(&n) }
