package grip

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"
)

// Actions of an item.
const (
	ActionSend  = "send"
	ActionClose = "close" // of streams alone
	ActionHint  = "hint"
)

// maxMeta is how long the names and values of an item's meta may be, in bytes.
const maxMeta = 8 << 10

// Item is one published item, as far as it concerns HTTP.
type Item struct {
	Channel string
	ID      string            // two items with one id are copies; none if empty
	Meta    map[string]string // for filters
	Stream  *Stream           // its http-stream format, nil if it has none
	Answer  *Answer           // its http-response format, nil if it has none
}

// Stream is an item's format for held streams.
type Stream struct {
	Content []byte
	Action  string   // send, close or hint
	Filters []string // the content filters that a channel must have; nil: whatever it has
}

// Answer is an item's format for held responses.
type Answer struct {
	Response
	Action  string   // send or hint
	Filters []string // as of a Stream
}

type itemJSON struct {
	Channel string            `json:"channel"`
	ID      string            `json:"id,omitempty"`
	Meta    map[string]string `json:"meta,omitempty"`
	Formats *formatJSON       `json:"formats,omitempty"`
	formatJSON
}

type formatJSON struct {
	Stream  *streamJSON `json:"http-stream,omitempty"`
	Answer  *answerJSON `json:"http-response,omitempty"`
	Message any         `json:"ws-message,omitempty"`
}

type streamJSON struct {
	Content    *string  `json:"content,omitempty"`
	ContentBin *string  `json:"content-bin,omitempty"`
	Action     string   `json:"action,omitempty"`
	Filters    []string `json:"content-filters,omitzero"`
}

type answerJSON struct {
	responseJSON
	Patch   json.RawMessage `json:"body-patch,omitempty"`
	Action  string          `json:"action,omitempty"`
	Filters []string        `json:"content-filters,omitzero"`
}

// ParseItems reads the body of a publish request. Formats may stand under
// "formats" or in the item itself: clients do both. One bad item refuses all.
func ParseItems(body []byte) ([]Item, error) {
	var req struct {
		Items []itemJSON `json:"items"`
	}
	if err := json.Unmarshal(body, &req); err != nil {
		return nil, fmt.Errorf("grip: body is not valid JSON: %w", err)
	}
	if req.Items == nil {
		return nil, errors.New(`grip: body has no list "items"`)
	}
	items := make([]Item, len(req.Items))
	for i := range req.Items {
		var err error
		if items[i], err = req.Items[i].parse(); err != nil {
			return nil, fmt.Errorf("grip: item %d: %w", i, err)
		}
	}
	return items, nil
}

func (j *itemJSON) parse() (Item, error) {
	item := Item{Channel: j.Channel, ID: j.ID, Meta: j.Meta}
	if j.Channel == "" {
		return item, errors.New("it has no channel")
	}
	size := 0
	for name, value := range j.Meta {
		size += len(name) + len(value)
	}
	if size > maxMeta {
		return item, fmt.Errorf("its meta has %d bytes, want at most %d", size, maxMeta)
	}
	formats := j.formatJSON
	if j.Formats != nil {
		formats = *j.Formats
	}
	if formats == (formatJSON{}) {
		return item, errors.New("it has none of the formats http-stream, http-response and ws-message")
	}
	var err error
	if item.Stream, err = formats.Stream.parse(); err != nil {
		return item, fmt.Errorf("http-stream: %w", err)
	}
	if item.Answer, err = formats.Answer.parse(); err != nil {
		return item, fmt.Errorf("http-response: %w", err)
	}
	return item, nil
}

func (j *streamJSON) parse() (*Stream, error) {
	if j == nil {
		return nil, nil
	}
	s := &Stream{Action: j.Action, Filters: j.Filters}
	switch j.Action {
	case "":
		s.Action = ActionSend
	case ActionSend:
	case ActionClose, ActionHint:
		return &Stream{Action: j.Action}, nil // whatever content there is, is not meant
	default:
		return nil, fmt.Errorf("action %q, want send, hint or close", j.Action)
	}
	switch {
	case j.ContentBin != nil:
		content, err := decode64(*j.ContentBin)
		s.Content = []byte(content)
		return s, err
	case j.Content != nil:
		s.Content = []byte(*j.Content)
		return s, nil
	}
	return nil, errors.New("it has neither content nor content-bin")
}

func (j *answerJSON) parse() (*Answer, error) {
	if j == nil {
		return nil, nil
	}
	a := &Answer{Action: j.Action, Filters: j.Filters}
	switch j.Action {
	case "":
		a.Action = ActionSend
	case ActionSend:
	case ActionHint:
		return &Answer{Action: j.Action}, nil
	default:
		return nil, fmt.Errorf("action %q, want send or hint", j.Action)
	}
	if j.Body == nil && j.BodyBin == nil {
		if len(j.Patch) > 0 {
			return nil, errors.New("body-patch is not supported; publish the whole body, or a hint to have the request made again")
		}
		return nil, errors.New("it has neither body nor body-bin")
	}
	return a, a.take(j.responseJSON)
}

// FormatItems writes the body of a publish request.
func FormatItems(items ...Item) []byte {
	req := struct {
		Items []itemJSON `json:"items"`
	}{Items: []itemJSON{}}
	for _, item := range items {
		j := itemJSON{Channel: item.Channel, ID: item.ID, Meta: item.Meta, Formats: &formatJSON{}}
		if s := item.Stream; s != nil {
			j.Formats.Stream = &streamJSON{Action: s.Action, Filters: s.Filters}
			j.Formats.Stream.Content, j.Formats.Stream.ContentBin = format(string(s.Content))
		}
		if a := item.Answer; a != nil {
			j.Formats.Answer = &answerJSON{Action: a.Action, Filters: a.Filters}
			j.Formats.Answer.responseJSON = a.json()
		}
		req.Items = append(req.Items, j)
	}
	b, _ := json.Marshal(req) // strings alone: cannot fail
	return b
}

// format returns content as text, or as base64 where it is none.
func format(content string) (text, bin *string) {
	if utf8.ValidString(content) {
		return &content, nil
	}
	content = base64.StdEncoding.EncodeToString([]byte(content))
	return nil, &content
}

func decode64(s string) (string, error) {
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		return "", fmt.Errorf("grip: base64: %w", err)
	}
	return string(b), nil
}
