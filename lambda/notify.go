package lambda

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/ebb-events/ebb/channel"
	"github.com/ebb-events/ebb/connector"
	"github.com/ebb-events/ebb/grip"
	"github.com/ebb-events/ebb/sse"
)

// Notify publishes the replies of SNS messages to the channels of the users
// they are for.
func Notify(s *Settings) (Handler, error) {
	n, err := newNotifier(s)
	if err != nil {
		return nil, err
	}
	return n.handle, nil
}

type notifier struct {
	translator *connector.Translator
	edges      edges
	log        *slog.Logger
}

func newNotifier(s *Settings) (*notifier, error) {
	translator, err1 := connector.NewTranslator(connector.Config{
		MaxEvent: s.Int("EBB_MAX_EVENT"), EventName: s.Text("EBB_EVENT_NAME"), NameField: s.Text("EBB_NAME_FIELD"),
		Exclude: s.List("EBB_EXCLUDE"), Issuers: namespaces(s),
	})
	edges, err2 := newEdges(s)
	return &notifier{translator, edges, s.Log}, errors.Join(s.Err(), err1, err2)
}

// notification is an event of SNS, or of an SQS queue behind it.
type notification struct {
	Records []notice
}

// notice is one record of it. Of SNS's fields and SQS's, one kind is there.
type notice struct {
	Sns *struct {
		MessageID string `json:"MessageId"`
		Message   string
	} `json:"Sns"`

	MessageID  string `json:"messageId"`
	Body       string `json:"body"`
	Attributes struct {
		Group string `json:"MessageGroupId"`
	} `json:"attributes"`
}

// message is a reply, and what came of it.
type message struct {
	id    string // SNS's, or that of SQS where delivery is raw
	queue string // SQS's, empty if it came from SNS
	group string // of a FIFO queue
	value string
	items []grip.Item
	fault string // why it is not published
}

// errNoRecords is for what is no event of SNS or SQS.
var errNoRecords = errors.New("notify: the event has no records of SNS or SQS")

func (n *notifier) handle(ctx context.Context, event []byte) ([]byte, error) {
	messages, err := read(event)
	if err != nil {
		return nil, err
	}
	for _, m := range messages {
		m.items, m.fault = n.items(m)
	}
	n.edges.publish(ctx, messages)
	return n.report(messages)
}

// read returns the messages of an event.
func read(event []byte) (messages []*message, err error) {
	var in notification
	if json.Unmarshal(event, &in) != nil || len(in.Records) == 0 {
		return nil, errNoRecords
	}
	for _, r := range in.Records {
		switch {
		case r.Sns != nil && r.Sns.MessageID != "":
			messages = append(messages, &message{id: r.Sns.MessageID, value: r.Sns.Message})
		case r.Sns == nil && r.MessageID != "":
			messages = append(messages, fromQueue(r))
		default:
			return nil, errNoRecords
		}
	}
	return messages, nil
}

// fromQueue takes off what SNS has put around a message, if it has.
func fromQueue(r notice) *message {
	m := &message{id: r.MessageID, queue: r.MessageID, group: r.Attributes.Group, value: r.Body}
	var envelope struct {
		Type      string
		MessageID string `json:"MessageId"`
		TopicArn  string
		Message   *string
	}
	if json.Unmarshal([]byte(r.Body), &envelope) == nil && envelope.Type == "Notification" &&
		envelope.TopicArn != "" && envelope.MessageID != "" && envelope.Message != nil {
		m.id, m.value = envelope.MessageID, *envelope.Message
	}
	return m
}

// items is what a message is to the edge, or why it can be nothing.
func (n *notifier) items(m *message) (items []grip.Item, reason string) {
	records, truncated, reason := n.translator.Translate([]byte(m.value), channel.Src{})
	if truncated {
		n.log.Warn("reply is too large, a placeholder is published", "id", m.id)
	}
	for _, r := range records {
		items = append(items, grip.Item{
			Channel: r.Channel,
			ID:      m.id,
			Stream:  &grip.Stream{Content: sse.Event{Name: r.Name, Data: r.Data}.Append(nil), Action: grip.ActionSend},
		})
	}
	return items, reason
}

// Unpublished is why an event failed.
type Unpublished struct {
	Failed, All int
	Faults      []string // id: reason
}

func (e *Unpublished) Error() string {
	return fmt.Sprintf("notify: %d of %d records not published: %s", e.Failed, e.All, strings.Join(e.Faults, "; "))
}

// maxFaults are told in an error, all in the log.
const maxFaults = 20

// report tells what was not published: to SQS which, to Lambda that.
func (n *notifier) report(messages []*message) ([]byte, error) {
	type failure struct {
		ID string `json:"itemIdentifier"`
	}
	var answer struct {
		Failures []failure `json:"batchItemFailures"`
	}
	answer.Failures = []failure{}
	failed := &Unpublished{All: len(messages)}
	for _, m := range messages {
		if m.fault == "" {
			continue
		}
		n.log.Error("not published", "id", m.id, "reason", m.fault)
		answer.Failures = append(answer.Failures, failure{m.queue})
		if failed.Failed++; len(failed.Faults) < maxFaults {
			failed.Faults = append(failed.Faults, m.id+": "+m.fault)
		}
	}
	if failed.Failed > 0 && messages[0].queue == "" {
		return nil, failed
	}
	return json.Marshal(answer)
}
