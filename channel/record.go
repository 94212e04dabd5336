// Package channel has what travels from connector to edge: the channel log's
// record, the cursor that is a position in it, and which partition a channel
// is in.
//
// The channel log is one topic. A channel is the exact bytes of a user's name
// and lies in one partition for as long as the topic lives, so each channel has
// one total order, chosen once, the same at every edge and on every replay.
package channel

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Topic is the name of the channel log, before an environment's suffix.
const Topic = "ebb-channels"

// Kind says what a record is.
type Kind string

// The kinds of record.
const (
	Event  Kind = "event"  // one event: a name and a payload
	Raw    Kind = "raw"    // bytes published for the stream as they are
	Answer Kind = "answer" // a response published for requests that are held for one
	Hint   Kind = "hint"   // asks the origin again for requests that are held for a response
	Close  Kind = "close"  // ends the channel's live streams; replay skips it
	Gap    Kind = "gap"    // records before this one are missing, for every channel of the partition
)

// Record is one record of the channel log.
type Record struct {
	Channel string // empty for a gap alone
	Kind    Kind
	Name    string // the SSE event's name, empty for "message"
	Data    []byte // the payload; of a gap the reason
	Src     Src
	Meta    map[string]string // of an item, for filters; nil if it has none
	Filters []string          // the content filters that a channel must have; nil: whatever it has
	Trace   string            // what it is of, as W3C's traceparent; empty for most
}

// Entry is a record where it lies in the log.
type Entry struct {
	Record
	Partition int32
	Offset    int64
	Epoch     int32     // the leader's when it was appended
	Time      time.Time // the broker's, when it was appended
}

// Src is where a record came from: a Kafka record, or an item that somebody
// published. Copies of one thing have the same Src.
type Src struct {
	TopicID   [16]byte // of the record it was made from; zero for an item
	Partition int32
	Offset    int64
	Publisher string // id of the key it was published with
	Item      string // the publisher's id for it; never a copy if empty
	Block     int    // of an item's events, from 0
}

// IsRecord tells whether s is a Kafka record.
func (s Src) IsRecord() bool { return s.TopicID != [16]byte{} }

// String writes s as ParseSrc reads it, "" for the zero value.
func (s Src) String() string {
	switch {
	case s.IsRecord():
		return "k:" + hex.EncodeToString(s.TopicID[:]) + ":" + strconv.Itoa(int(s.Partition)) + ":" + strconv.FormatInt(s.Offset, 10)
	case s.Block > 0:
		return "b:" + strconv.Itoa(s.Block) + ":" + s.Publisher + ":" + s.Item
	case s.Publisher != "" || s.Item != "":
		return "p:" + s.Publisher + ":" + s.Item
	}
	return ""
}

// ParseSrc reads what String wrote.
func ParseSrc(text string) (Src, error) {
	kind, rest, _ := strings.Cut(text, ":")
	f := strings.Split(rest, ":")
	switch {
	case text == "":
		return Src{}, nil
	case kind == "p" && len(f) >= 2:
		publisher, item, _ := strings.Cut(rest, ":")
		return Src{Publisher: publisher, Item: item}, nil
	case kind == "b" && len(f) >= 3:
		block, err := strconv.ParseUint(f[0], 10, 31)
		if err != nil {
			return Src{}, fmt.Errorf("channel: source %q: %w", text, err)
		}
		_, rest, _ = strings.Cut(rest, ":")
		publisher, item, _ := strings.Cut(rest, ":")
		return Src{Publisher: publisher, Item: item, Block: int(block)}, nil
	case kind == "k" && len(f) == 3 && len(f[0]) == 32:
		id, err1 := hex.DecodeString(f[0])
		partition, err2 := strconv.ParseInt(f[1], 10, 32)
		offset, err3 := strconv.ParseInt(f[2], 10, 64)
		if err := errors.Join(err1, err2, err3); err != nil {
			return Src{}, fmt.Errorf("channel: source %q: %w", text, err)
		}
		return Src{TopicID: [16]byte(id), Partition: int32(partition), Offset: offset}, nil
	}
	return Src{}, fmt.Errorf("channel: %q is no source", text)
}

// Short returns 12 characters that differ where sources differ, empty for an
// item without an id.
func (s Src) Short() string {
	if !s.IsRecord() && s.Item == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(s.String()))
	return base64.RawURLEncoding.EncodeToString(sum[:9])
}

// Header is a header of a record on Kafka.
type Header struct {
	Key   string
	Value []byte
}

// Encode returns the record as Kafka holds it.
func (r Record) Encode() (key, value []byte, headers []Header) {
	headers = []Header{{"kind", []byte(r.Kind)}}
	if r.Name != "" {
		headers = append(headers, Header{"name", []byte(r.Name)})
	}
	if src := r.Src.String(); src != "" {
		headers = append(headers, Header{"src", []byte(src)})
	}
	if r.Trace != "" {
		headers = append(headers, Header{"traceparent", []byte(r.Trace)})
	}
	if len(r.Meta) > 0 {
		b, _ := json.Marshal(r.Meta) // strings alone: cannot fail
		headers = append(headers, Header{"meta", b})
	}
	if r.Filters != nil {
		b, _ := json.Marshal(r.Filters)
		headers = append(headers, Header{"content-filters", b})
	}
	return []byte(r.Channel), r.Data, headers
}

// Decode reads what Encode wrote. It keeps value.
func Decode(key, value []byte, headers func(yield func(key string, value []byte) bool)) (Record, error) {
	r := Record{Channel: string(key), Data: value}
	var err error
	for k, v := range headers {
		switch k {
		case "kind":
			r.Kind = Kind(v)
		case "name":
			r.Name = string(v)
		case "src":
			r.Src, err = ParseSrc(string(v))
		case "traceparent":
			r.Trace = string(v)
		case "meta":
			err = json.Unmarshal(v, &r.Meta)
		case "content-filters":
			err = json.Unmarshal(v, &r.Filters)
		}
		if err != nil {
			return Record{}, fmt.Errorf("channel: header %q: %w", k, err)
		}
	}
	switch r.Kind {
	case Event, Raw, Answer, Hint, Close:
		if r.Channel == "" {
			return Record{}, fmt.Errorf("channel: %s record without a channel", r.Kind)
		}
	case Gap:
	default:
		return Record{}, fmt.Errorf("channel: record of kind %q", r.Kind)
	}
	return r, nil
}

// Partition returns where a channel lies among n partitions. It must never
// change: cursors depend on it. (FNV-1a with 64 bits, its halves folded.)
func Partition(channel string, n int32) int32 {
	channel = place(channel)
	h := uint64(14695981039346656037)
	for i := range len(channel) {
		h = (h ^ uint64(channel[i])) * 1099511628211
	}
	return int32((h>>32 ^ h) % uint64(n))
}
