package bench

import (
	"fmt"
	"strings"
)

// Page is the results as a page. about says where and how they were made.
func (r *Report) Page(about string) string {
	e := r.Edge
	var b strings.Builder
	fmt.Fprintf(&b, `# Very many streams

What holding them takes, and what sending events to them costs: of Ebb, of a
floor in C below which nothing can be (one epoll loop, one write(2) for each
delivery), and of other servers. All in one run on one machine, every server in
processes of its own, one after the other, with the same client.

%s
`, r.Table())
	if len(r.LeftOut) > 0 {
		fmt.Fprintf(&b, "Not measured:\n\n- %s\n\n", strings.Join(r.LeftOut, "\n- "))
	}
	fmt.Fprintf(&b, `![Memory per stream and CPU per delivery over the number of streams](streams.svg)

How it is measured:

- Memory is user space, the proportional set size of all processes of a server,
  when it changes no more: with the streams less without them, divided. Before,
  the server has had %d streams and some broadcasts, so that what it needs but
  once is not counted. Of Ebb it is the edge's process with its embedded broker.
- CPU is the server's own, user and system, out of its processes' clocks; the
  client's is not in it. Ebb and the floor take turns, %d each, of %d broadcasts.
- Events have %d bytes of data, with a number and the time in it: the client
  checks on each stream that none is missing, comes twice, or is another
  user's. "Out of order" counts events that others came instead of.
- Streams are plain HTTP/1.1 and are opened %d at a time. Ebb's are set up by
  its gateway, in a process of its own, without Kafka, which opening a stream
  does not need: it opens the ticket, checks the signature and names the
  channel. Tickets are got before. A stream is open when it has its ebb.hello.
- Events to single users are published in requests of 1,000, each user's from one of 4
  connections, go into the channel log, which is a Kafka topic, and come out of
  it. To nchan they go one at a time over 8 connections: it takes no more.
- Coming back: all connections are cut at once (reset), the events are
  published, then all come back with their last id, and the time is until the
  last has everything. nchan's have no set-up call.
- The slow reader has a receive buffer of 4 KiB, reads 256 bytes four times a
  second while %s events of 1 KiB are sent at %d/s, %d at a time, and the rest as
  fast as it can when that is over. The others' p99 without it is of as many
  events, half before it came and half after it went.
- nchan runs with one worker process, Pushpin with its limits of messages lifted.
%s

For Mercure, which is not in Debian, see what was published elsewhere, measured
like this on 2 cores with 15,000 streams: 46 KiB a stream, 19.6 us a delivery,
339 events/s to single users, and 4.3 s to come back on one shared channel.

%s`, e.warmup(), blocks, e.Rounds, e.Size, inFlight, thousands(e.SlowEvents), e.SlowRate, burst, r.slowDetail(), about)
	return b.String()
}

func (r *Report) slowDetail() string {
	s := r.Slow
	if s == nil {
		return ""
	}
	return fmt.Sprintf("- While others were sent events, the slow reader read %s bytes; the server ended its\n  stream %d times.", thousands(s.Read), s.Cuts)
}
