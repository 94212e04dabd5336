package aggregate

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ebb-events/ebb"
	"github.com/ebb-events/ebb/internal/tracing"
)

// lane is an instance's share of a batch.
type lane struct {
	place
	id       string // of the instance; empty while none has it
	was, now instance
	jobs     []*job
}

// place is where the store has an instance. The key is its id, or its unique
// value if the type has those.
type place struct {
	partition int32
	key       string
}

// job is a command and its answer.
type job struct {
	lane    *lane
	command Command
	taken   bool // its _id, by another unique value
	answer  answer
	trace   jobTrace
}

// transact executes a batch, and keeps what it led to once the broker does.
func (s *service) transact(ctx context.Context, records []ebb.Record) error {
	start := time.Now()
	jobs, lanes, dead := s.sort(records)
	if err := s.load(lanes); err != nil {
		return err
	}
	if s.unique {
		others, err := s.nameAll(lanes)
		if err == nil {
			err = s.load(others)
		}
		if err != nil {
			return err
		}
		lanes = append(lanes, others...)
	}
	stood := s.watch()
	s.executeAll(ctx, lanes)
	still := stood()
	if ctx.Err() != nil {
		return ctx.Err() // and with it the reducers
	}
	late := slices.ContainsFunc(jobs, func(j *job) bool { return j.answer.late })
	if err := excuse(&s.still, still && late); err != nil {
		return err
	}
	s.beginCommit(jobs)
	var out []ebb.Record
	for _, j := range jobs {
		l := j.lane
		if j.answer.event != nil {
			out = append(out, j.trace.mark(s.output(ebb.Events, l.partition, j.command.ID, j.answer.event)))
		}
		if j.answer.full != nil {
			out = append(out, j.trace.mark(s.output(ebb.FullEvents, l.partition, j.command.ID, j.answer.full)))
		}
		reply := j.trace.mark(s.output(ebb.Replies, l.partition, j.command.ID, j.answer.reply))
		if asked := j.command.asked(); asked != j.command.ID {
			reply.Headers = append(reply.Headers, ebb.Header{Key: ebb.HeaderAsked, Value: []byte(asked)})
		}
		out = append(out, reply)
	}
	far := reached(records)
	out = s.appendStates(out, lanes, far)
	err := s.log.Commit(ctx, out)
	endCommit(jobs, err)
	if err != nil {
		return fmt.Errorf("committing: %w", err)
	}
	maps.Copy(s.done, far)
	if err := s.keep(lanes); err != nil {
		return err
	}
	for _, j := range jobs {
		s.Metrics.Executed(j.answer.outcome)
	}
	for _, reason := range dead {
		s.Metrics.Dead(reason)
	}
	s.Metrics.Committed(len(jobs), time.Since(start))
	return nil
}

// sort parses records into jobs, in order, and gives each instance its lane.
// dead says why some are no commands.
func (s *service) sort(records []ebb.Record) (jobs []*job, lanes []*lane, dead []string) {
	byPlace := map[place]*lane{}
	for _, r := range records {
		cmd, reason := parse(r)
		key := strings.ToLower(string(r.Key))
		switch {
		case s.unique:
			key = string(r.Key)
		case reason == "" && cmd.ID != key:
			reason = "key is not _id"
		}
		if reason != "" {
			s.log.Dead(r, reason)
			dead = append(dead, reason)
			continue
		}
		at := place{r.Partition, key}
		l := byPlace[at]
		if l == nil {
			l = &lane{place: at, id: cmd.ID}
			byPlace[at] = l
			lanes = append(lanes, l)
		}
		j := &job{lane: l, command: cmd, trace: jobTrace{text: tracing.Read(r.Header(tracing.Header))}}
		l.jobs = append(l.jobs, j)
		jobs = append(jobs, j)
	}
	return jobs, lanes, dead
}

// load reads the instances of all lanes.
func (s *service) load(lanes []*lane) error {
	var failed atomic.Pointer[error]
	sideBySide(s.Parallel, len(lanes), func(i int) {
		l := lanes[i]
		b, err := s.Store.Get(l.partition, l.key)
		if err == nil {
			l.was, err = unpack(b)
		}
		if l.now = l.was; err != nil {
			failed.Store(&err)
		}
	})
	if err := failed.Load(); err != nil {
		return fatal{fmt.Errorf("aggregate: %s: reading the store: %w", s.typ, *err)}
	}
	return nil
}

// changed tells whether there is something new to store.
func (l *lane) changed() bool { return !bytes.Equal(l.was.outcomes, l.now.outcomes) }

// keep puts what was committed into the store.
func (s *service) keep(lanes []*lane) error {
	entries := map[int32][]Entry{}
	for _, l := range lanes {
		if l.changed() {
			entries[l.partition] = append(entries[l.partition], Entry{l.key, l.now.pack()})
			if s.unique && l.was.state == nil {
				entries[l.partition] = append(entries[l.partition], Entry{holder(l.id), []byte(l.key)})
			}
		}
	}
	for partition, e := range entries {
		if err := s.Store.Put(partition, e); err != nil {
			return fatal{fmt.Errorf("aggregate: %s: writing the store: %w", s.typ, err)}
		}
	}
	return nil
}

// executeAll executes lanes side by side, and the jobs of each in turn.
func (s *service) executeAll(ctx context.Context, lanes []*lane) {
	// Hanging reducers must not hold a batch until the group gives up on us.
	patience := time.Now().Add(2 * s.Deadline)
	sideBySide(s.Parallel, len(lanes), func(i int) {
		l := lanes[i]
		for _, j := range l.jobs {
			if ctx.Err() != nil {
				return
			}
			if j.taken {
				j.answer = s.refuseTaken(j.command)
				continue
			}
			limit := min(s.Deadline, max(time.Until(patience), s.Deadline/100))
			ctx := s.beginExecute(ctx, j)
			l.now, j.answer = s.execute(ctx, limit, l.now, j.command)
			j.endExecute()
		}
	})
}

// sideBySide calls do with 0 to n-1, so many at a time.
func sideBySide(most, n int, do func(int)) {
	if n == 1 {
		do(0)
		return
	}
	var next atomic.Int64
	var workers sync.WaitGroup
	for range min(most, n) {
		workers.Go(func() {
			for i := int(next.Add(1) - 1); i < n; i = int(next.Add(1) - 1) {
				do(i)
			}
		})
	}
	workers.Wait()
}
