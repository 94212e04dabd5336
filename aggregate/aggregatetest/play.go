// Package aggregatetest plays given / when / then files against an aggregate
// type, through the very code that runs it, without a broker.
//
//	func TestAccounts(t *testing.T) {
//		aggregatetest.Play(t, Accounts(), "testdata/*.txt")
//	}
//
// A file is text, a statement a line:
//
//	as ann
//
//	test money is paid in
//	given deposit {"amount": 7}
//	when  deposit {"amount": 3}
//	then  applied {"balance": 10}
//	event [{"op": "replace", "path": "/balance", "value": 10}]
//
//	test nothing is no amount
//	given {"balance": 7, "_acl": {"write": ["clerk"]}}
//	as eve with clerk, boss
//	when  deposit {"amount": 0}
//	then  rejected [{"location": "/amount", "code": "POSITIVE"}]
//
// The statements:
//
//   - as says who sends what follows, and with which roles. Before the first
//     test it is for all of them.
//   - test begins one, with a name. Each has a world of its own.
//   - given has a command, which must be applied. Or only the fields of a state,
//     before any command.
//   - when has the command that is tested.
//   - then has its outcome, and what the reply must have besides. In an object,
//     the fields that it names must be as it has them, and those with null must
//     not be there; others may be. A list has all errors, in order; of each, the
//     members that it names.
//   - event has the event's _ops, all of them, or the word none.
//   - state has the state's own fields afterwards, all of them.
//
// Numbers count as they are written: 1.0 is not 1. A line that begins with a
// blank goes on with the statement before it; one that begins with # is a
// comment. Commands have an _id ("1"), a _corr, a _timestamp (from 2000 on, a
// second more for each) and the _jwt of who sends them; their JSON may say
// otherwise. A type with Unique begins with commands: it has no given states.
// A record that is no command at all is answered with dead and the
// reason, which can be expected too: then dead "no _id".
//
// With the flag -update, what came out is written into the files: a then of an
// object keeps to the fields that it names, and a when without then gets one
// with everything. Read it before you commit it. A file without a test, a when
// without a then, and a pattern without a file fail.
package aggregatetest

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/ebb-events/ebb/aggregate"
)

var update = flag.Bool("update", false, "write what came out into given / when / then files")

// Play plays the tests of all files that match pattern, as filepath.Glob has
// it, as subtests.
func Play[T any](t *testing.T, typ aggregate.Type[T], pattern string) {
	t.Helper()
	paths, err := filepath.Glob(pattern)
	if err != nil || len(paths) == 0 {
		t.Fatalf("no file matches %s (%v)", pattern, err)
	}
	for _, path := range paths {
		t.Run(filepath.Base(path), func(t *testing.T) {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			s, err := parse(path, string(text), *update)
			if err != nil {
				t.Fatal(err)
			}
			for _, one := range s.tests {
				t.Run(one.name, func(t *testing.T) {
					log := slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
					run := func(ctx context.Context, s *stage) error {
						cfg := aggregate.Config{Logger: log}
						if typ.Unique != nil {
							cfg.Unique = s.second()
						}
						return typ.Run(ctx, s, cfg)
					}
					for _, problem := range one.play(t.Context(), typ.Name, run, *update) {
						t.Error(problem)
					}
				})
			}
			if s.changed() {
				if err := os.WriteFile(path, []byte(s.text()), 0o600); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// problem is what is wrong at a line of a file.
type problem struct {
	path string
	line int
	what string
}

func (p problem) Error() string { return fmt.Sprintf("%s:%d: %s", p.path, p.line, p.what) }
