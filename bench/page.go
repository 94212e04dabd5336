package bench

import (
	"fmt"
	"strings"
	"time"
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

%s
How it is measured:

- Memory is user space, the proportional set size of all processes of a server,
  the least until it has not changed for six seconds, or for a minute, since
  garbage comes and goes: with the streams less without them, divided. Before, the server has had some %s streams and broadcasts, %d at a
  time, so that what it needs but once is not counted. Of Ebb it is the edge's process with its embedded broker.
  How much of a burst's memory Go can give back differs by some 0.2 KiB a stream
  from run to run; of what is live, a test asserts at most 512 bytes.
- CPU is the server's own, user and system, out of its processes' clocks; the
  client's is not in it. Ebb and the floor take turns, %d each, with %d broadcasts in each.
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
  fast as it can when that is over. The p99 without it is of a second server,
  which has no slow reader and takes turns with the first, eight each. Its log
  grows too: the embedded broker's is in the same process.
%s- nchan runs with one worker process, Pushpin with its limits of messages lifted
  and 64 streams being opened at a time: with more it does not answer.
%s
For Mercure, which is not in Debian, see what was published elsewhere, measured
like this on 2 cores with 15,000 streams: 46 KiB a stream, 19.6 us a delivery,
339 events/s to single users, and 4.3 s to come back on one shared channel.

%s- The run took %v.
`, r.points(), thousands(min(warmOpenings, 30*e.warmup())), e.warmup(), blocks, e.Rounds, e.Size, inFlight, thousands(e.SlowEvents), e.SlowRate, burst, r.versions(), r.details(), about, r.Took.Round(time.Second))
	return b.String()
}

// details are numbers that explain others.
func (r *Report) details() string {
	var b strings.Builder
	if r.Floor != nil && len(r.Ebb.Blocks) > 0 {
		fmt.Fprintf(&b, "- The turns, us per delivery: Ebb %s; the floor %s.\n", r.Ebb.blocksEach(), r.Floor.blocksEach())
	}
	if s := r.Slow; s != nil {
		fmt.Fprintf(&b, "- While others were sent events, the slow reader read %s bytes; the server ended its\n  stream %d times.\n", thousands(s.Read), s.Cuts)
	}
	if r.Edge.has("secure") {
		fmt.Fprintf(&b, "- Streams over TLS have a connection each, as of one browser each. Over HTTP/1.1\n"+
			"  the loop holds them too: what is left is TLS itself, its keys and buffers. Over\n"+
			"  HTTP/2 net/http serves them: about 29 KiB are the stacks of three goroutines (of\n"+
			"  the connection, its reader, and the handler that holds), 8 KiB TLS, 4 KiB the\n"+
			"  stream's write buffer, the rest header tables and the request.\n")
	}
	return b.String()
}

// versions are those of the peers.
func (r *Report) versions() string {
	var all []string
	for _, p := range r.Peers {
		if p.Version != "" {
			all = append(all, p.Name+" "+p.Version)
		}
	}
	if all == nil {
		return ""
	}
	return "- Debian's packages: " + strings.Join(all, ", ") + ".\n"
}

// points are what the plot shows, as a table.
func (r *Report) points() string {
	servers := append([]*Server{r.Ebb}, r.Peers...)
	if r.Floor != nil {
		servers = append(servers, r.Floor)
	}
	head := []string{"streams"}
	for _, s := range servers {
		if len(s.Memory) > 0 {
			head = append(head, s.Name+", KiB")
		}
		if len(s.CPU) > 0 {
			head = append(head, s.Name+", us")
		}
	}
	if len(head) == 1 {
		return ""
	}
	var b strings.Builder
	writeRow(&b, head)
	fmt.Fprintf(&b, "|%s\n", strings.Repeat("---:|", len(head)))
	for _, n := range r.Edge.Sizes {
		cells := []string{thousands(n)}
		for _, s := range servers {
			if len(s.Memory) > 0 {
				cells = append(cells, at(s.Memory, n, func(v float64) string { return kib(v) }))
			}
			if len(s.CPU) > 0 {
				cells = append(cells, at(s.CPU, n, func(v float64) string { return us(time.Duration(v)) }))
			}
		}
		writeRow(&b, cells)
	}
	return b.String()
}

// at is the value at a number of streams, "" if it was not measured.
func at(points []Point, streams int, write func(float64) string) string {
	for _, p := range points {
		if p.Streams == streams {
			return write(p.Value)
		}
	}
	return ""
}
