package aggregatetest

import (
	"fmt"
	"strings"
)

// script is a file.
type script struct {
	statements []*statement
	tests      []*test
}

// statement is a line of it, with those that go on with it. One without a word
// is a comment or a blank line.
type statement struct {
	problem        // where it stands
	word, rest     string
	written, fresh string // as the file has it, and what -update makes of it
}

func (s *statement) wrong(format string, args ...any) error {
	return problem{s.path, s.line, fmt.Sprintf(format, args...)}
}

// test is one of the script's.
type test struct {
	name  string
	steps []*step
}

// step is a given or a when, with what is expected of it.
type step struct {
	*statement
	as     *statement // nil for nobody
	expect []*statement
}

// parse reads a file. All whens have a then, unless they are to get one.
func parse(path, text string, update bool) (*script, error) {
	s := &script{}
	for i, line := range strings.SplitAfter(text, "\n") {
		trimmed := strings.TrimSpace(line)
		if n := len(s.statements); n > 0 && trimmed != "" && strings.TrimLeft(line, " \t") != line && s.statements[n-1].word != "" {
			last := s.statements[n-1]
			last.written += line
			last.rest += " " + trimmed
			continue
		}
		one := &statement{problem: problem{path, i + 1, ""}, written: line}
		if trimmed != "" && trimmed[0] != '#' {
			one.word, one.rest = cut(trimmed)
		}
		s.statements = append(s.statements, one)
	}
	return s, s.sort(path, update)
}

// cut returns the first word of s, and the rest.
func cut(s string) (word, rest string) {
	if i := strings.IndexAny(s, " \t"); i >= 0 {
		return s[:i], strings.TrimSpace(s[i:])
	}
	return s, ""
}

// sort gives each statement its place in a test.
func (s *script) sort(path string, update bool) error {
	var forAll, as *statement
	var last *step
	for _, one := range s.statements {
		n := len(s.tests)
		switch one.word {
		case "":
		case "as":
			if one.rest == "" {
				return one.wrong("as needs a user")
			}
			if as = one; n == 0 {
				forAll = one
			}
		case "test":
			if one.rest == "" {
				return one.wrong("a test needs a name")
			}
			s.tests = append(s.tests, &test{name: one.rest})
			as, last = forAll, nil
		case "given", "when":
			if n == 0 {
				return one.wrong("%s comes before the first test", one.word)
			}
			last = &step{statement: one, as: as}
			s.tests[n-1].steps = append(s.tests[n-1].steps, last)
		case "then", "event", "state":
			if last == nil || last.word != "when" {
				return one.wrong("%s needs a when before it", one.word)
			}
			if last.expected(one.word) != nil {
				return one.wrong("there is a second %s", one.word)
			}
			last.expect = append(last.expect, one)
		default:
			return one.wrong("%q is none of as, test, given, when, then, event, state; a line that goes on begins with a blank", one.word)
		}
	}
	return s.complete(path, update)
}

// complete refuses what would test nothing.
func (s *script) complete(path string, update bool) error {
	if len(s.tests) == 0 {
		return problem{path, 1, "there is no test"}
	}
	for _, t := range s.tests {
		whens := 0
		for _, one := range t.steps {
			if one.word != "when" {
				continue
			}
			whens++
			if one.expected("then") == nil && !update {
				return one.wrong("this when has no then; -update writes one")
			}
		}
		if whens == 0 {
			return problem{path, 1, fmt.Sprintf("test %s has no when", t.name)}
		}
	}
	return nil
}

func (s *step) expected(word string) *statement {
	for _, one := range s.expect {
		if one.word == word {
			return one
		}
	}
	return nil
}

// changed tells whether -update has something to write.
func (s *script) changed() bool {
	for _, one := range s.statements {
		if one.fresh != "" {
			return true
		}
	}
	return false
}

func (s *script) text() string {
	var b strings.Builder
	for _, one := range s.statements {
		if one.fresh != "" {
			b.WriteString(one.fresh)
		} else {
			b.WriteString(one.written)
		}
	}
	return b.String()
}
