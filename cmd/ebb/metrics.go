package main

import (
	"strconv"
	"time"

	"github.com/ebb-events/ebb"
	"github.com/ebb-events/ebb/aggregate"
	"github.com/ebb-events/ebb/connector"
	"github.com/ebb-events/ebb/edge"
	"github.com/ebb-events/ebb/gateway"
	"github.com/ebb-events/ebb/internal/serve"
	"github.com/ebb-events/ebb/view"
)

// once is a counter that goes up by one.
func once(count func(int, ...string)) func() { return func() { count(1) } }

// by is a counter that goes up by one under a label.
func by(count func(int, ...string)) func(string) { return func(label string) { count(1, label) } }

func gatewayMetrics(m serve.Metrics) gateway.Metrics {
	took := m.Seconds("gateway_request", "Time to answer.", "route", "status")
	return gateway.Metrics{
		Answered: func(route string, status int, d time.Duration) { took(d, route, strconv.Itoa(status)) },
		Refused:  by(m.Counter("gateway_refused_total", "Requests refused, by what was wrong.", "reason")),
		Session:  by(m.Counter("gateway_sessions_total", "Sessions renewed, and revocations of one or all of a user.", "what")),
		Waited:   by(m.Counter("gateway_waits_total", "Requests that preferred to wait for a reply, by what came of it.", "outcome")),
	}
}

func viewMetrics(m serve.Metrics) view.Metrics {
	read := m.Counter("view_records_total", "State records read.")
	return view.Metrics{
		Read:     func(n int) { read(n) },
		Garbage:  once(m.Counter("view_garbage_total", "Records on aggregate topics that are no states.")),
		Restarts: once(m.Counter("view_restarts_total", "Times that all states were read anew.")),
	}
}

func edgeMetrics(m serve.Metrics) edge.Metrics {
	delivered := m.Counter("edge_deliveries_total", "Events written to streams.")
	sent := m.Counter("edge_delivered_bytes_total", "Bytes of events written to streams.")
	age := m.Seconds("edge_event_age", "From the broker's time of an event to a stream.")
	replayed := m.Counter("edge_replayed_events_total", "Events read from the log for streams that the window has passed by.")
	lag := m.GaugeOf("edge_lag_records", "Records of the channel log not yet seen here.", "partition")
	published := m.Counter("edge_published_items_total", "Items published over HTTP, durable.")
	window := m.GaugeOf("edge_window_bytes", "What the recent channel log takes in memory.")
	refused := m.Counter("edge_publish_refused_total", "Publish requests refused, by status.", "status")
	origin := m.Seconds("edge_origin", "Time that origins take to answer; status 0 is none.", "status")
	return edge.Metrics{
		Opened:    once(m.Counter("edge_streams_opened_total", "Streams opened.")),
		Closed:    by(m.Counter("edge_streams_closed_total", "Streams closed, by reason.", "reason")),
		SentAway:  by(m.Counter("edge_streams_sent_away_total", "Streams that were not to be had for now, by reason.", "reason")),
		Delivered: func(events, bytes int) { delivered(events); sent(bytes) },
		Age:       func(d time.Duration) { age(d) },
		Replayed:  func(n int) { replayed(n) },
		Stalled:   once(m.Counter("edge_write_stalls_total", "Times that a stream's socket took no more.")),
		Reset:     by(m.Counter("edge_resets_total", "Gaps announced to streams, by reason.", "reason")),
		Lag:       func(partition int32, n int64) { lag(float64(n), strconv.Itoa(int(partition))) },
		Published: func(n int) { published(n) },
		Window:    func(bytes int64) { window(float64(bytes)) },
		Refused:   func(status int) { refused(1, strconv.Itoa(status)) },
		Origin:    func(status int, d time.Duration) { origin(d, strconv.Itoa(status)) },
		Polled:    by(m.Counter("edge_polls_total", "Held responses that have ended.", "outcome")),
		Copies:    once(m.Counter("edge_copies_total", "Repeats in the channel log, removed.")),
	}
}

// edgeGauges show what an edge holds now.
func edgeGauges(m serve.Metrics, of func() *edge.Edge, limit int) {
	m.Gauge("edge_streams", "Streams held now.", func() float64 { return float64(of().Streams()) })
	m.Gauge("edge_streams_limit", "Most streams to be held; 0 is any number.", func() float64 { return float64(limit) })
	m.Gauge("edge_setups", "Set-up calls to origins under way.", func() float64 { return float64(of().Setups()) })
	m.Gauge("edge_window_span_seconds", "Age of the oldest event in memory.", func() float64 { return of().WindowSpan().Seconds() })
}

func connectorMetrics(m serve.Metrics) connector.Metrics {
	replies := m.Counter("connector_replies_total", "Replies carried.")
	events := m.Counter("connector_events_total", "Events made of them, one for each recipient.")
	gap := m.Counter("connector_gap_total", "Replies that were gone before they were carried.")
	delay := m.Seconds("connector_delay", "Age of a reply once it is in the channel log.")
	return connector.Metrics{
		Carried:   func(r, e int) { replies(r); events(e) },
		Dead:      by(m.Counter("connector_dead_total", "Replies put aside on a dead-letter topic.", "reason")),
		Truncated: once(m.Counter("connector_truncated_total", "Events too large, sent as a placeholder.")),
		Failed:    once(m.Counter("connector_failures_total", "Attempts that failed and were repeated.")),
		Gap:       func(n int64) { gap(int(n)) },
		Delay:     func(d time.Duration) { delay(d) },
	}
}

func aggregateMetrics(m serve.Metrics) aggregate.Metrics {
	executed := m.Counter("aggregate_commands_total", "Commands executed.", "outcome")
	batch := m.Seconds("aggregate_transaction", "Time of a transaction, with the execution of its commands.")
	lost := m.Counter("aggregate_lost_total", "Commands gone before they were executed.")
	restored := m.Seconds("aggregate_restore", "Time to restore the instances of a partition.")
	abandoned := m.GaugeOf("aggregate_abandoned_reducers", "Reducers that run beyond their deadline.")
	running := 0.0
	return aggregate.Metrics{
		Executed:  func(o ebb.Outcome) { executed(1, string(o)) },
		Committed: func(_ int, d time.Duration) { batch(d) },
		Retried:   once(m.Counter("aggregate_retries_total", "Transactions that failed and were repeated.")),
		Dead:      by(m.Counter("aggregate_dead_total", "Records that were no commands.", "reason")),
		Lost:      func(n int64) { lost(int(n)) },
		Restored:  func(_ int, d time.Duration) { restored(d) },
		Abandoned: func(change int) { running += float64(change); abandoned(running) },
	}
}
