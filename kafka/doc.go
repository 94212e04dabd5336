// Package kafka connects the boxes to Kafka: it satisfies the small interfaces
// that they declare, and is the only importer of a Kafka client.
//
// Every reader reads committed records only, and none resets its position by
// itself. What is missing is reported: to a group as an [ebb.Gap], to a reader
// of the channel log or of states as an error that says why, after which it
// starts over. CBOR, the other form of values, ends here: boxes see JSON.
//
// A [Stage] is what services and reactors have: a member of a group that reads
// one topic of a type and writes others, offsets and all in one transaction.
//
// Four things have bitten. A transactional id is never used by two processes,
// nor again after a doubt: on the embedded broker what an id commits after a
// crash is invisible. The embedded broker is never asked to compact. A record
// in flight cannot be taken back, so a send that gave up may still arrive. And
// a high watermark may lie behind a transaction's marker, so a position counts
// markers.
package kafka
