package aggregatetest

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ebb-events/ebb/aggregate"
)

type account struct {
	Balance int `json:"balance"`
}

var accounts = aggregate.Type[account]{
	Name: "bank-account",
	On: map[string]aggregate.Reducer[account]{
		"deposit": func(_ context.Context, a account, cmd aggregate.Command) (account, error) {
			var given struct {
				Amount int `json:"amount"`
			}
			if err := cmd.Decode(&given); err != nil {
				return a, err
			}
			if given.Amount <= 0 {
				return a, aggregate.Reject("/amount", "POSITIVE", "An amount is greater than 0.")
			}
			a.Balance += given.Amount
			return a, nil
		},
		"close":   aggregate.Delete[account],
		"break":   func(context.Context, account, aggregate.Command) (account, error) { panic("broken") },
		"nothing": func(_ context.Context, a account, _ aggregate.Command) (account, error) { return a, nil },
	},
}

func TestPlay(t *testing.T) {
	Play(t, accounts, "testdata/account.txt")
}

func TestPlayOfATypeWithUniqueValues(t *testing.T) {
	typ := accounts
	typ.Unique = func(cmd aggregate.Command) (any, bool) {
		var of struct {
			Owner string `json:"owner"`
		}
		return of.Owner, cmd.Decode(&of) == nil && of.Owner != ""
	}
	Play(t, typ, "testdata/unique.txt")
}

// problems plays text and returns what is wrong with it, and what it becomes.
func problems(t *testing.T, text string, update bool) (all, fresh string) {
	s, err := parse("f.txt", text, update)
	if err != nil {
		return err.Error(), text
	}
	var lines []string
	for _, one := range s.tests {
		run := func(ctx context.Context, s *stage) error { return accounts.Run(ctx, s, aggregate.Config{}) }
		for _, problem := range one.play(t.Context(), accounts.Name, run, update) {
			lines = append(lines, problem.Error())
		}
	}
	return strings.Join(lines, "\n"), s.text()
}

// TestWhatIsWrongIsSaid is what Play fails with: it must not pass by playing
// nothing, or something else.
func TestWhatIsWrongIsSaid(t *testing.T) {
	const begin = "as ann\ntest a\n"
	tests := []struct{ name, text, want string }{
		{"nothing", "", `f.txt:1: there is no test`},
		{"comments", "# test\n\n", `f.txt:1: there is no test`},
		{"no when", begin + "given deposit {\"amount\": 1}\n", `f.txt:1: test a has no when`},
		{"no when in the first", begin + "test b\nwhen close\nthen unchanged\n", `f.txt:1: test a has no when`},
		{"no then", begin + "when close\n", `f.txt:3: this when has no then; -update writes one`},
		{"no then but an event", begin + "when close\nevent none\nwhen close\nthen unchanged\n", `f.txt:3: this when has no then; -update writes one`},
		{"then of a given", begin + "given close\nthen applied\n", `f.txt:4: then needs a when before it`},
		{"then of another test", begin + "when close\nthen unchanged\ntest b\nthen applied\n", `f.txt:6: then needs a when before it`},
		{"two thens", begin + "when close\nthen unchanged\nthen unchanged\n", `f.txt:5: there is a second then`},
		{"before the tests", "when close\n", `f.txt:1: when comes before the first test`},
		{"no name", "test\n", `f.txt:1: a test needs a name`},
		{"nobody", "as\n", `f.txt:1: as needs a user`},
		{"no statement", begin + "than applied\n", `f.txt:3: "than" is none of as, test, given, when, then, event, state; a line that goes on begins with a blank`},
		{"no command", begin + "when\nthen applied\n", `f.txt:3: when needs the name of a command`},
		{"no JSON", begin + "when deposit {\"amount\"}\nthen applied\n", "f.txt:3: ebb: parsing message: invalid character '}' after object key"},
		{"no sender", "test a\nwhen close\nthen unchanged\n", `f.txt:2: who sends this? write: as ann`},
		{"late state", begin + "given deposit {\"amount\":1}\ngiven {\"balance\":1}\nwhen close\nthen applied\n", `f.txt:4: a given state comes before all commands`},
		{"given that is refused", begin + "given deposit {\"amount\":0}\nwhen close\nthen unchanged\n",
			`f.txt:3: given deposit {"amount":0} was not applied but rejected [{"location": "/amount", "code": "POSITIVE", "message": "An amount is greater than 0."}]`},
		{"another outcome", begin + "when deposit {\"amount\":1}\nthen rejected\n",
			"f.txt:4: then of deposit {\"amount\":1}:\n\tgot  applied {\"balance\": 1}\n\twant rejected"},
		{"another field", begin + "when deposit {\"amount\":1}\nthen applied {\"balance\":2,\"x\":{\"y\":1},\"_seq\":0}\n",
			"f.txt:4: then of deposit {\"amount\":1}:\n\t/balance: got 1, want 2\n\t/x: got nothing, want {\"y\": 1}"},
		{"a field too many", begin + "when deposit {\"amount\":1}\nthen applied {\"balance\":null}\n",
			"f.txt:4: then of deposit {\"amount\":1}:\n\t/balance: got 1, want nothing"},
		{"another number", begin + "when deposit {\"amount\":1}\nthen applied {\"balance\":1.0}\n",
			"f.txt:4: then of deposit {\"amount\":1}:\n\t/balance: got 1, want 1.0"},
		{"another error", begin + "when deposit {\"amount\":0}\nthen rejected [{\"code\":\"SIGN\",\"location\":\"/amount\"}]\n",
			"f.txt:4: then of deposit {\"amount\":0}:\n\terror 0, code: got \"POSITIVE\", want \"SIGN\""},
		{"fewer errors", begin + "when deposit {\"amount\":0}\nthen rejected []\n",
			"f.txt:4: then of deposit {\"amount\":0}:\n\tgot  rejected [{\"location\": \"/amount\", \"code\": \"POSITIVE\", \"message\": \"An amount is greater than 0.\"}]\n\twant rejected []"},
		{"errors of what was applied", begin + "when deposit {\"amount\":1}\nthen applied [{}]\n",
			"f.txt:4: then of deposit {\"amount\":1}:\n\tgot  applied {\"balance\": 1}\n\twant applied [{}]"},
		{"more than JSON", begin + "when deposit {\"amount\":1}\nthen applied very much\n",
			"f.txt:4: then of deposit {\"amount\":1}:\n\tgot  applied {\"balance\": 1}\n\twant applied very much"},
		{"another event", begin + "when deposit {\"amount\":1}\nthen applied\nevent none\n",
			"f.txt:5: event of deposit {\"amount\":1}:\n\tgot  [{\"op\": \"add\", \"path\": \"/balance\", \"value\": 1}]\n\twant none"},
		{"no event", begin + "given deposit {\"amount\":1}\nwhen nothing\nthen unchanged\nevent []\n", "f.txt:6: event of nothing:\n\tgot  none\n\twant []"},
		{"another state", begin + "when deposit {\"amount\":1}\nthen applied\nstate {}\n", "f.txt:5: state of deposit {\"amount\":1}:\n\t/balance: got 1, want nothing"},
		{"state without JSON", begin + "when deposit {\"amount\":1}\nthen applied\nstate {\"balance\n", "f.txt:5: unexpected EOF"},
		{"dead for another reason", begin + "when close {\"_jwt\":{}}\nthen dead \"no _id\"\n", "f.txt:4: then of close {\"_jwt\":{}}:\n\tgot  dead \"no _jwt.sub\"\n\twant dead \"no _id\""},
		{"given state without JSON", begin + "given {\nwhen close\nthen applied\n", "f.txt:3: ebb: parsing message: unexpected end of JSON input"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got, _ := problems(t, tt.text, false); got != tt.want {
				t.Errorf("got\n%s\nwant\n%s", got, tt.want)
			}
		})
	}
}

func TestUpdateWritesWhatCameOut(t *testing.T) {
	const before = `as ann

test a
# first
when deposit {"amount": 1,
    "_id": "2"}
# then more
when deposit {"amount": 1}
then rejected
event none
state none
when deposit {"amount": 2}
then applied {"_seq": 7, "x": 1}
when deposit {"amount": 1}
then applied   {"balance":4}
when deposit`
	const after = `as ann

test a
# first
when deposit {"amount": 1,
    "_id": "2"}
then  applied {"balance": 1}
# then more
when deposit {"amount": 1}
then  applied {"balance": 1}
event [{"op": "add", "path": "/balance", "value": 1}]
state {"balance": 1}
when deposit {"amount": 2}
then  applied {"_seq": 1, "x": null}
when deposit {"amount": 1}
then applied   {"balance":4}
when deposit
then  rejected [{"location": "/amount", "code": "POSITIVE", "message": "An amount is greater than 0."}]`
	found, got := problems(t, before, true)
	if found != "" || got != after {
		t.Errorf("got %s\n%s\nwant\n%s", found, got, after)
	}
	if found, again := problems(t, after, false); found != "" || again != after {
		t.Errorf("what was written is wrong: %s\n%s", found, again)
	}
}

func TestUpdateBreaksLongLines(t *testing.T) {
	text := "as ann\ntest a\ngiven {\"balance\": 1, \"long\": \"" + strings.Repeat("x", 120) + "\"}\nwhen deposit {\"amount\": 1}\n"
	_, got := problems(t, text, true)
	want := text + "then  applied {\n    \"balance\": 2,\n    \"long\": \"" + strings.Repeat("x", 120) + "\"\n  }\n"
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if found, _ := problems(t, got, false); found != "" {
		t.Errorf("what was written is wrong: %s", found)
	}
}

// TestExampleOfTheDocPlays plays what the package comment shows.
func TestExampleOfTheDocPlays(t *testing.T) {
	source, err := os.ReadFile("play.go")
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(string(source), "a statement a line:\n//\n")
	text, _, ok := strings.Cut(text, "// The statements:")
	text = strings.ReplaceAll(strings.ReplaceAll(text, "//\t", ""), "//\n", "\n")
	if found, _ := problems(t, text, false); !ok || found != "" {
		t.Errorf("%s\nin\n%s", found, text)
	}
}

// TestBrokenTypeFails has a type that Run refuses.
func TestBrokenTypeFails(t *testing.T) {
	s, err := parse("f.txt", "as ann\ntest a\nwhen close\nthen unchanged\n", false)
	if err != nil {
		t.Fatal(err)
	}
	run := func(ctx context.Context, s *stage) error {
		return aggregate.Type[account]{Name: "bank-account"}.Run(ctx, s, aggregate.Config{})
	}
	got := s.tests[0].play(t.Context(), "bank-account", run, false)
	if len(got) != 1 || got[0].Error() != "f.txt:3: aggregate: bank-account has no reducers" {
		t.Errorf("got %v", got)
	}
	got = s.tests[0].play(t.Context(), "bank-account", func(context.Context, *stage) error { return nil }, false)
	if len(got) != 1 || got[0].Error() != "f.txt:3: only 0 of 1 commands were executed" {
		t.Errorf("got %v", got)
	}
}

// TestFlagWritesFiles plays a file as a team's test does, with -update.
func TestFlagWritesFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.txt")
	if err := os.WriteFile(path, []byte("as ann\ntest a\nwhen deposit {\"amount\": 1}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	*update = true
	defer func() { *update = false }()
	Play(t, accounts, path)
	got, err := os.ReadFile(path)
	if want := "as ann\ntest a\nwhen deposit {\"amount\": 1}\nthen  applied {\"balance\": 1}\n"; err != nil || string(got) != want {
		t.Errorf("got %s (%v), want %s", got, err, want)
	}
}
