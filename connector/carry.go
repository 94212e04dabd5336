package connector

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/ebb-events/ebb"
	"github.com/ebb-events/ebb/channel"
)

// gapReason is what the channels are told about replies that nobody saw.
const gapReason = "source retention"

// load is what becomes of a batch.
type load struct {
	records   []channel.Record
	dead      []letter
	truncated int
	spans     []trace.Span // of the replies whose traces are kept
}

// letter is a reply that cannot be carried.
type letter struct {
	ebb.Record
	reason string
}

// step carries one batch, in this order: the log, what is put aside, the
// confirmation.
func (c *Connector) step(ctx context.Context) error {
	batch, err := c.cfg.Source.Poll(ctx)
	if err != nil {
		return fmt.Errorf("polling: %w", err)
	}
	l := c.load(batch)
	if len(l.records) > 0 {
		if err := c.cfg.Sink.Append(ctx, l.records); err != nil {
			l.end("the channel log has not taken it")
			c.lower(err)
			return fmt.Errorf("appending: %w", err)
		}
	}
	l.end("")
	for _, d := range l.dead {
		if err := c.cfg.Sink.Dead(ctx, d.Record, d.reason); err != nil {
			return fmt.Errorf("putting aside: %w", err)
		}
	}
	if err := c.cfg.Source.Commit(ctx); err != nil {
		return fmt.Errorf("committing: %w", err)
	}
	c.report(batch, l)
	return nil
}

// load says what a batch is on the channel log: a gap before everything, then
// the replies in order, each for its recipients in byte order.
func (c *Connector) load(batch ebb.Batch) load {
	l := load{records: make([]channel.Record, 0, 2*len(batch.Records)+1)}
	if len(batch.Gaps) > 0 {
		l.records = append(l.records, channel.Record{Kind: channel.Gap, Data: []byte(gapReason)})
	}
	for _, record := range batch.Records {
		if reason := c.add(&l, record); reason != "" {
			l.dead = append(l.dead, letter{record, reason})
		}
	}
	return l
}

// add adds a reply to l, unless there is a reason not to.
func (c *Connector) add(l *load, record ebb.Record) (reason string) {
	src := channel.Src{TopicID: record.TopicID, Partition: record.Partition, Offset: record.Offset}
	records, large, reason := c.translator.Translate(record.Value, src)
	if len(records) > 0 {
		of := c.trace(l, record)
		for i := range records {
			records[i].Trace = of
		}
	}
	if large {
		l.truncated++
	}
	l.records = append(l.records, records...)
	return reason
}

// lower makes placeholders of more, where the log takes less than was said.
func (c *Connector) lower(err error) {
	if t := c.translator; errors.Is(err, ebb.ErrTooLarge) && t.maxEvent > minMaxEvent {
		c.cfg.Log.Error("the channel log refuses long events; raise its max.message.bytes", "bytes", t.maxEvent)
		t.maxEvent = max(t.maxEvent/2, minMaxEvent)
	}
}

func (c *Connector) report(batch ebb.Batch, l load) {
	m, log := c.cfg.Metrics, c.cfg.Log
	for _, g := range batch.Gaps {
		m.Gap(g.To - g.From)
		log.Error("replies expired before they were carried", "topic", g.Topic, "partition", g.Partition, "from", g.From, "to", g.To)
	}
	for i, d := range l.dead {
		m.Dead(d.reason)
		if i == 0 {
			log.Warn("put replies aside", "count", len(l.dead), "reason", d.reason, "topic", d.Topic, "partition", d.Partition, "offset", d.Offset)
		}
	}
	for range l.truncated {
		m.Truncated()
	}
	if len(batch.Records) > 0 {
		m.Carried(len(batch.Records), len(l.records))
		m.Delay(time.Since(oldest(batch.Records)))
	}
}

func oldest(records []ebb.Record) time.Time {
	t := records[0].Timestamp
	for _, r := range records {
		if r.Timestamp.Before(t) {
			t = r.Timestamp
		}
	}
	return t
}
