package edge

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/ebb-events/ebb/channel"
	"github.com/ebb-events/ebb/internal/window"
)

// chunk is about how many bytes of frames are read for a stream at a time. A
// socket that takes none keeps no lane: the next chunk is read when this one is
// gone.
const chunk = 256 << 10

// patience is how long one answer of the log may take.
const patience = 30 * time.Second

// behind is one question to the log itself, asked for one stream. Its fields
// are set when done is closed.
type behind struct {
	done    chan struct{}
	entries []window.Entry
	at      window.Position // how far entries go
	reset   string          // or why there is no going on
}

// replay is what one channel keeps between chunks.
type replay struct {
	begun   bool
	scanned int64
	repeats repeats
}

// judge asks the leader whether the channel can go on where it is.
func (s *stream) judge(sub *sub) { s.ask(sub, false) }

// catchUp reads what lies between the channel's position and the window.
func (s *stream) catchUp(sub *sub) { s.ask(sub, true) }

func (s *stream) ask(sub *sub, read bool) {
	b := &behind{done: make(chan struct{}), at: sub.at}
	sub.behind = b
	job := lane{edge: s.edge, sub: *sub, behind: b, replay: sub.replay, until: sub.reader.Start()}
	go func() {
		defer s.holder.Wake()
		defer close(b.done)
		job.run(s.ctx, read)
	}()
}

// takeBehind appends what the log has answered; wait is true while it has not.
func (s *stream) takeBehind(b []byte, sub *sub) (out []byte, wait bool) {
	answer := sub.behind
	select {
	case <-answer.done:
	default:
		return b, true
	}
	if answer.reset != "" {
		sub.lose(answer.reset, sub.at.Offset, sub.tail.window.At(sub.part))
		return b, false
	}
	b, closed := s.appendEntries(b, sub, answer.entries)
	call1(s.edge.cfg.Metrics.Replayed, len(answer.entries))
	if !closed {
		sub.at = answer.at
	}
	sub.behind = nil
	return b, false
}

// lane is one use of the bounded way to the log.
type lane struct {
	edge   *Edge
	sub    sub // a copy: the stream goes on with its own
	behind *behind
	replay *replay
	until  int64 // the window's start
}

// run asks until there is an answer, or ctx ends.
func (l *lane) run(ctx context.Context, read bool) {
	for wait := 250 * time.Millisecond; ; wait = min(2*wait, 5*time.Second) {
		if err := l.once(ctx, read); err == nil || ctx.Err() != nil {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait/2 + rand.N(wait/2)): // the broker is away
		}
	}
}

func (l *lane) once(ctx context.Context, read bool) error {
	lanes := l.edge.asks
	if read {
		lanes = l.edge.lanes
	}
	select {
	case lanes <- struct{}{}:
		defer func() { <-lanes }()
	case <-ctx.Done():
		return ctx.Err()
	}
	ctx, cancel := context.WithTimeout(ctx, patience) // nobody may keep a lane
	defer cancel()
	bounds, err := l.edge.cfg.Log.Bounds(ctx, l.sub.part, l.sub.at.Epoch)
	if err != nil {
		return err
	}
	if l.behind.reset = verdict(l.sub.at, bounds); l.behind.reset != "" || !read {
		return nil
	}
	return l.read(ctx)
}

// read collects the next chunk.
func (l *lane) read(ctx context.Context) error {
	from := l.behind.at.Offset + 1
	warm := keep
	if l.replay.begun {
		warm = 0
	}
	size := 0
	err := l.edge.cfg.Log.Read(ctx, l.sub.part, from, l.until, warm, func(e channel.Entry) bool {
		copied := l.replay.repeats.copy(&e)
		if e.Offset < from {
			return true
		}
		l.behind.at = window.Position{Offset: e.Offset, Epoch: e.Epoch}
		l.replay.scanned += int64(len(e.Data)) + 100 // about what a record costs beside its value
		if !copied && (e.Channel == l.sub.channel || e.Channel == "") {
			f := frame(l.sub.log, &e)
			l.behind.entries = append(l.behind.entries, f)
			size += len(f.Frame)
		}
		return size < chunk && l.replay.scanned < l.edge.cfg.Scan
	})
	l.replay.begun = true
	switch {
	case err != nil:
		return err
	case l.replay.scanned >= l.edge.cfg.Scan:
		// What was found may not be sent: a gap would follow it.
		l.behind.entries = nil
		l.behind.reset = resetDistance
	case size < chunk:
		l.behind.at.Offset = l.until - 1
	}
	return nil
}
