package aggregatetest

import (
	"context"
	"fmt"
	"strings"

	"github.com/ebb-events/ebb"
)

// play runs a test and returns what is not as it is expected, or has it
// written.
func (t *test) play(ctx context.Context, typ string, run func(context.Context, *stage) error, update bool) (problems []error) {
	ctx, end := context.WithCancel(ctx)
	defer end()
	s := &stage{typ: typ, end: end}
	var sent []*step // a step for each command
	for _, one := range t.steps {
		isCommand, err := one.prepare(s)
		if err != nil {
			return []error{err}
		}
		if isCommand {
			sent = append(sent, one)
		}
	}
	if err := run(ctx, s); err != nil {
		return []error{t.steps[0].wrong("%v", err)}
	}
	if len(s.results) != len(sent) {
		return []error{t.steps[0].wrong("only %d of %d commands were executed", len(s.results), len(sent))}
	}
	for i, one := range sent {
		problems = append(problems, one.judge(s.results[i], update)...)
	}
	return problems
}

// prepare puts a step on the stage.
func (one *step) prepare(s *stage) (isCommand bool, err error) {
	if one.word == "given" && strings.HasPrefix(one.rest, "{") {
		fields, err := ebb.ParseMessage([]byte(one.rest))
		if err != nil {
			return false, one.wrong("%v", err)
		}
		if len(s.commands) > 0 {
			return false, one.wrong("a given state comes before all commands")
		}
		s.exist(fields)
		return false, nil
	}
	name, text := cut(one.rest)
	if name == "" {
		return false, one.wrong("%s needs the name of a command", one.word)
	}
	fields := ebb.Message{}
	if text != "" {
		if fields, err = ebb.ParseMessage([]byte(text)); err != nil {
			return false, one.wrong("%v", err)
		}
	}
	if one.as == nil && fields[ebb.FieldJWT] == nil {
		return false, one.wrong("who sends this? write: as ann")
	}
	s.add(name, one.jwt(), fields)
	return true, nil
}

// jwt is who sends the command: "as ann with clerk, boss".
func (one *step) jwt() any {
	if one.as == nil {
		return nil
	}
	name, roles, _ := strings.Cut(one.as.rest, " with ")
	u := ebb.User{Name: strings.TrimSpace(name)}
	for role := range strings.SplitSeq(roles, ",") {
		if role = strings.TrimSpace(role); role != "" {
			u.Roles = append(u.Roles, role)
		}
	}
	return u
}

// judge compares what came of a step with what is expected.
func (one *step) judge(r result, update bool) (problems []error) {
	if one.word == "given" {
		if got := outcome(r); got != string(ebb.Applied) {
			problems = append(problems, one.wrong("given %s was not applied but %s", one.rest, told(r)))
		}
		return problems
	}
	for _, want := range one.expect {
		differences, fresh, err := want.compare(r)
		switch {
		case err != nil:
			problems = append(problems, want.wrong("%v", err))
		case len(differences) > 0 && update:
			want.fresh = fresh + want.ending()
		case len(differences) > 0:
			problems = append(problems, want.wrong("%s of %s:\n\t%s", want.word, one.rest, strings.Join(differences, "\n\t")))
		}
	}
	if one.expected("then") == nil {
		one.fresh = strings.TrimRight(one.written, "\n") + "\n" + written("then", told(r)) + one.ending()
	}
	return problems
}

// ending is the end of a statement's last line.
func (s *statement) ending() string {
	if strings.HasSuffix(s.written, "\n") {
		return "\n"
	}
	return ""
}

func outcome(r result) string {
	if r.reply == nil {
		return "dead"
	}
	return r.reply.String(ebb.FieldOutcome)
}

// told is all of an answer that a then can have.
func told(r result) string {
	switch {
	case r.reply == nil:
		return fmt.Sprintf("dead %q", r.dead)
	case r.reply.Bool(ebb.FieldError):
		return outcome(r) + " " + spaced(r.reply[ebb.FieldErrors])
	}
	return outcome(r) + " " + spaced(own(r.reply).JSON())
}
