package bench

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// CommandsTable writes what was measured on some brokers as Markdown.
func CommandsTable(brokers []*Serving) string {
	var b strings.Builder
	head := []string{"", "target"}
	for _, s := range brokers {
		head = append(head, s.Commands.Name)
	}
	writeRow(&b, head)
	fmt.Fprintf(&b, "|---|%s\n", strings.Repeat("---:|", len(head)-1))
	line := func(what, target string, value func(*Serving) string) {
		cells, some := []string{what, target}, false
		for _, s := range brokers {
			v := value(s)
			some = some || v != ""
			cells = append(cells, v)
		}
		if some {
			writeRow(&b, cells)
		}
	}
	c := brokers[0].Commands
	line(fmt.Sprintf("command to reply at %d/s: p50, ms", c.Rate), "2", reply(func(t *Taken) string { return ms(t.Event.Percentile(50)) }))
	line("- p90, ms", "", reply(func(t *Taken) string { return ms(t.Event.Percentile(90)) }))
	line("- p99, ms", "10", reply(func(t *Taken) string { return ms(t.Event.Percentile(99)) }))
	line("- of it until the command is acknowledged: p50, p99, ms", "", reply(func(t *Taken) string {
		return ms(t.Accepted.Percentile(50)) + ", " + ms(t.Accepted.Percentile(99))
	}))
	line("- lost or twice", "0", reply(func(t *Taken) string { return fmt.Sprint(t.Lost + t.Duplicates) }))
	for _, load := range []struct {
		what, target string
		of           func(*Serving) *Executed
	}{
		{"%s commands on the topic, to %s instances: executed, /s", "20,000", func(s *Serving) *Executed { return s.Waiting }},
		{"%s commands to %s instances, sent at the same time: executed, /s", "", func(s *Serving) *Executed { return s.Arriving }},
	} {
		executed := func(f func(*Executed) string) func(*Serving) string {
			return func(s *Serving) string {
				if load.of(s) == nil {
					return ""
				}
				return f(load.of(s))
			}
		}
		line(fmt.Sprintf(load.what, thousands(c.Load), thousands(c.Instances)), load.target, executed(func(e *Executed) string { return perSecond(e.Rate()) }))
		line("- CPU of the service for each, us", "", executed(func(e *Executed) string { return us(e.Service / time.Duration(e.Commands)) }))
		line("- CPU of the broker for each, us", "", executed(func(e *Executed) string {
			if e.Broker == 0 {
				return ""
			}
			return us(e.Broker / time.Duration(e.Commands))
		}))
		line("- wrong", "0", executed(func(e *Executed) string { return e.Wrong.String() }))
	}
	for i, store := range c.Stores {
		back := func(f func(Restored) string) func(*Serving) string {
			return func(s *Serving) string {
				if i >= len(s.Restored) {
					return ""
				}
				return f(s.Restored[i])
			}
		}
		target := ""
		if store == "disk" {
			target = "300"
		}
		line(fmt.Sprintf("%s instances of %d bytes restored, store %s, s", thousands(c.States), c.StateSize, store), "20", back(func(r Restored) string {
			return fmt.Sprintf("%.1f", r.Took.Seconds())
		}))
		line("- memory resident afterwards, MiB", target, back(func(r Restored) string { return mib(r.Resident) }))
		line("- at most, MiB", target, back(func(r Restored) string { return mib(r.Peak) }))
		line("- commands not executed on what was restored", "0", back(func(r Restored) string { return fmt.Sprint(r.Unknown) }))
	}
	return b.String()
}

func reply(f func(*Taken) string) func(*Serving) string {
	return func(s *Serving) string {
		if s.Replies == nil {
			return ""
		}
		return f(s.Replies)
	}
}

func mib(bytes int64) string { return fmt.Sprintf("%.0f", float64(bytes)/(1<<20)) }

// Wrong says what was lost, or done twice or wrongly, nil if nothing.
func (s *Serving) Wrong() error {
	var errs []error
	check := func(what string, bad bool, how any) {
		if bad {
			errs = append(errs, fmt.Errorf("%s: %s: %v", s.Commands.Name, what, how))
		}
	}
	if t := s.Replies; t != nil {
		check("replies lost", t.Lost > 0, t.Lost)
		check("replies that came twice", t.Duplicates > 0, t.Duplicates)
	}
	for what, e := range map[string]*Executed{"commands that were waiting": s.Waiting, "commands that were arriving": s.Arriving} {
		if e != nil {
			check(what, e.Wrong != Tally{}, e.Wrong.String()+"\n"+e.Said)
		}
	}
	for _, r := range s.Restored {
		check("commands not executed on what was restored, store "+r.Store, r.Unknown > 0, r.Unknown)
	}
	return errors.Join(errs...)
}

// CommandsPage is the results as a section. about says where and how they were
// made.
func CommandsPage(brokers []*Serving, about string) string {
	c := brokers[0].Commands
	return fmt.Sprintf(`# Commands

What a service does with commands: the time until they are answered, how many it
executes in a second, and how long it takes until it has its states back. One
service process and one broker process on this machine; whoever sends and reads
is a third, on the same processors.

%s
How it is measured:

- The service is a counter in some thirty lines of the packages aggregate and
  kafka, as a team would write it: a command makes an event, a state and a reply
  in one transaction, with the outcomes of the instance's last 64 commands.
  Topics have %d partitions.
- To the reply: commands are due at fixed times, whether or not those before
  were answered, for %v after %v, and are put on the command topic one by one.
  The time is from when one is due until its reply has been read, committed
  ones only.
- On the topic: all commands are there before the service is started. The time
  is from the start of its process until it has committed the last reply.
  Nothing reads meanwhile; afterwards every reply, event and state is read, and
  counted: each command has exactly one of the first two, events have no gap,
  states have the sum.
- At the same time: the service runs, and commands are sent as fast as the broker
  takes them, 512 under way. The time is from the first one. The sender takes its
  part of the processors.
- CPU is user and system time of the process, by its clock.
- Restored: states are copies of one that the service wrote after two commands,
  with an id and a text of their own, %d bytes, and its outcomes. The time is from the start of the
  process until the states of all partitions are there. Memory is VmRSS once it
  has settled, or after %v, and VmHWM. Then the service is sent commands, half of
  them repeats of what the states' outcomes tell of, to see that it goes on from
  there.

%s`, CommandsTable(brokers), partitions, c.Time, c.Warmup, c.StateSize, c.Settle, about)
}
