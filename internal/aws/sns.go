package aws

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// SNS stands in for the service: topics, and who has subscribed to them. There
// is every topic that somebody names. Its zero value is ready.
type SNS struct {
	// Copies is how often a message is delivered: SNS says once or more. Once
	// if nil.
	Copies func(Message) int

	// Fault is asked before a request is served, by its action, and may say
	// what to answer instead; nothing goes wrong if nil.
	Fault func(action string) *Fault

	mu          sync.Mutex
	subscribers map[string][]func(Message)
	kept        []Message // the latest
	repeats     map[string]Message
	last        map[string]chan struct{} // of each group
	going       sync.WaitGroup
}

// Fault is an error as SNS tells it.
type Fault struct {
	Status int
	Code   string
	After  bool // the message is published, and only its sender does not hear of it
}

// Message is what was published.
type Message struct {
	ID         string
	TopicARN   string
	Subject    string
	Text       string
	Attributes map[string]Attribute
	Time       time.Time
	Group      string // of a FIFO topic
	Repeat     string // the same for what is one message, of a FIFO topic
}

// Attribute is a message's, of the type String, Number or Binary.
type Attribute struct {
	Type  string
	Value string
}

const (
	keep       = 1000            // messages, for who wants them again
	keepRepeat = 10_000          // before old ones are looked for
	repeatTime = 5 * time.Minute // within which a FIFO topic knows a repeat
)

// Subscribe has a func get the messages of a topic, each in a goroutine of its
// own, in no order; those of one group of a FIFO topic one after the other.
func (s *SNS) Subscribe(topic string, deliver func(Message)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.subscribers == nil {
		s.subscribers = map[string][]func(Message){}
	}
	s.subscribers[topic] = append(s.subscribers[topic], deliver)
}

// Publish takes a message and returns its id.
func (s *SNS) Publish(m Message) (id string) {
	m.ID, m.Time = newID(), time.Now()
	s.mu.Lock()
	if m.Repeat != "" {
		key := m.TopicARN + "\x00" + m.Repeat
		if first, ok := s.repeats[key]; ok && m.Time.Sub(first.Time) < repeatTime {
			s.mu.Unlock()
			return first.ID
		}
		if s.repeats == nil {
			s.repeats = map[string]Message{}
		}
		if len(s.repeats) >= keepRepeat {
			maps.DeleteFunc(s.repeats, func(_ string, old Message) bool { return m.Time.Sub(old.Time) >= repeatTime })
		}
		s.repeats[key] = m
	}
	if s.kept = append(s.kept, m); len(s.kept) > keep {
		s.kept = slices.Delete(s.kept, 0, len(s.kept)-keep)
	}
	s.mu.Unlock()
	copies := 1
	if s.Copies != nil {
		copies = s.Copies(m)
	}
	s.deliver(m, copies)
	return m.ID
}

func (s *SNS) deliver(m Message, copies int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, to := range s.subscribers[m.TopicARN] {
		for range copies {
			before, done := s.queue(m)
			s.going.Go(func() {
				if before != nil {
					<-before
				}
				to(m)
				s.done(m, done)
			})
		}
	}
}

// queue returns what must be done before a message of a FIFO topic is delivered,
// and what is to be closed when it is.
func (s *SNS) queue(m Message) (before, done chan struct{}) {
	done = make(chan struct{})
	if m.Group == "" {
		return nil, done
	}
	if s.last == nil {
		s.last = map[string]chan struct{}{}
	}
	before, s.last[m.group()] = s.last[m.group()], done
	return before, done
}

// done lets the next of a group be delivered.
func (s *SNS) done(m Message, done chan struct{}) {
	close(done)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.last[m.group()] == done {
		delete(s.last, m.group())
	}
}

func (m Message) group() string { return m.TopicARN + "\x00" + m.Group }

// Redeliver delivers the last n messages again, those of a topic if one is
// named, and returns how many there were.
func (s *SNS) Redeliver(n int, topic string) int {
	var again []Message
	s.mu.Lock()
	for _, m := range slices.Backward(s.kept) {
		if len(again) < n && (topic == "" || m.TopicARN == topic) {
			again = append(again, m)
		}
	}
	s.mu.Unlock()
	for _, m := range slices.Backward(again) {
		s.deliver(m, 1)
	}
	return len(again)
}

// Wait returns when all that was to be delivered has been.
func (s *SNS) Wait() { s.going.Wait() }

// ToFunction is a subscriber that invokes a function with each message alone, as
// SNS does.
func ToFunction(a *Async) func(Message) {
	return func(m Message) { a.Go(SNSEvent(m)) }
}

// SNSEvent is the event that a function gets for messages.
func SNSEvent(messages ...Message) []byte {
	type attribute struct{ Type, Value string }
	var records []any
	for _, m := range messages {
		attributes := map[string]attribute{}
		for name, a := range m.Attributes {
			attributes[name] = attribute(a)
		}
		var subject *string
		if m.Subject != "" {
			subject = &m.Subject
		}
		records = append(records, map[string]any{
			"EventVersion": "1.0", "EventSource": "aws:sns", "EventSubscriptionArn": m.TopicARN + ":subscription",
			"Sns": map[string]any{
				"Type": "Notification", "MessageId": m.ID, "TopicArn": m.TopicARN, "Subject": subject, "Message": m.Text,
				"Timestamp": m.Time.UTC().Format("2006-01-02T15:04:05.000Z"), "MessageAttributes": attributes,
				"SignatureVersion": "1", "Signature": "none", "SigningCertUrl": "", "UnsubscribeUrl": "",
			},
		})
	}
	b, _ := json.Marshal(map[string]any{"Records": records}) // texts alone: cannot fail
	return b
}

func isFIFO(topic string) bool { return strings.HasSuffix(topic, ".fifo") }
