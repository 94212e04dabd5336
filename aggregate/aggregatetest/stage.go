package aggregatetest

import (
	"context"
	"fmt"
	"time"

	"github.com/ebb-events/ebb"
)

// stage is an [aggregate.Log] that gives a test's commands one by one.
type stage struct {
	typ      string
	states   []ebb.Record // that there are before
	commands []ebb.Record
	results  []result // one for each command so far
	next     int
	buried   string
	end      context.CancelFunc
	moved    chan ebb.Record // commands on the topic of unique values; nil if there is none
	done     chan bool       // and when one of them was executed
}

// result is what came of a command.
type result struct {
	reply ebb.Message // nil if it was none
	event ebb.Message // nil if it made none
	state ebb.Message // of its instance, nil if it was not written
	dead  string      // why it was none
}

func (s *stage) Poll(ctx context.Context) (ebb.Batch, error) {
	if s.next == len(s.commands) {
		s.end()
		return ebb.Batch{}, ctx.Err()
	}
	s.buried = ""
	return ebb.Batch{Records: s.commands[s.next : s.next+1]}, nil
}

func (s *stage) Restore(_ context.Context, _ int32, apply func(ebb.Record)) (int32, error) {
	for _, r := range s.states {
		apply(r)
	}
	return 1, nil
}

func (s *stage) Dead(_ ebb.Record, reason string) { s.buried = reason }

func (s *stage) Commit(ctx context.Context, out []ebb.Record) error {
	if len(out) == 1 && out[0].Topic == ebb.Topic(s.typ, ebb.Uniques, "") {
		select {
		case s.moved <- out[0]:
		case <-ctx.Done():
			return ctx.Err()
		}
		select {
		case <-s.done:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return s.keep(out)
}

// keep notes what came of a command.
func (s *stage) keep(out []ebb.Record) error {
	r := result{dead: s.buried}
	for _, one := range out {
		m, err := ebb.ParseMessage(one.Value)
		if err != nil {
			return fmt.Errorf("%s: %w", one.Topic, err)
		}
		switch one.Topic {
		case ebb.Topic(s.typ, ebb.Replies, ""):
			r.reply = m
		case ebb.Topic(s.typ, ebb.Events, ""):
			r.event = m
		case ebb.Topic(s.typ, ebb.Aggregates, ""):
			r.state = m
		}
	}
	s.results = append(s.results, r)
	s.next++
	return nil
}

// add puts a command on the stage: fields, with what every command has.
func (s *stage) add(name string, jwt any, fields ebb.Message) {
	n := len(s.commands)
	m := ebb.Message{}
	m.Set(ebb.FieldID, "1")
	m.Set(ebb.FieldType, s.typ)
	m.Set(ebb.FieldCorr, fmt.Sprint(n+1))
	m.Set(ebb.FieldTimestamp, time.Date(2000, 1, 1, 0, 0, n, 0, time.UTC).UnixMilli())
	m.Set(ebb.FieldCommand, name)
	if jwt != nil {
		m.Set(ebb.FieldJWT, jwt)
	}
	for field, value := range fields {
		m[field] = value
	}
	s.commands = append(s.commands, ebb.Record{
		Topic:  ebb.Topic(s.typ, ebb.Commands, ""),
		Offset: int64(n),
		Key:    []byte(m.String(ebb.FieldID)),
		Value:  m.JSON(),
	})
}

// exist puts a state on the stage.
func (s *stage) exist(fields ebb.Message) {
	m := ebb.Message{}
	m.Set(ebb.FieldID, "1")
	m.Set(ebb.FieldType, s.typ)
	m.Set(ebb.FieldSeq, 0)
	for field, value := range fields {
		m[field] = value
	}
	s.states = append(s.states, ebb.Record{Key: []byte(m.String(ebb.FieldID)), Value: m.JSON()})
}

// uniques is the part of a stage where commands have their unique value as the
// key.
type uniques struct{ *stage }

// second returns the part of the stage for a type with unique values.
func (s *stage) second() uniques {
	s.moved, s.done = make(chan ebb.Record), make(chan bool)
	return uniques{s}
}

func (u uniques) Poll(ctx context.Context) (ebb.Batch, error) {
	select {
	case r := <-u.moved:
		u.buried = ""
		r.Partition = 0
		return ebb.Batch{Records: []ebb.Record{r}}, nil
	case <-ctx.Done():
		return ebb.Batch{}, ctx.Err()
	}
}

func (u uniques) Commit(_ context.Context, out []ebb.Record) error {
	err := u.keep(out)
	u.done <- true
	return err
}
