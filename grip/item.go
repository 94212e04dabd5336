package grip

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"
)

// Actions of an item on a held stream.
const (
	ActionSend  = "send"
	ActionClose = "close"
	ActionHint  = "hint"
)

// Item is one published item, as far as it concerns streams.
type Item struct {
	Channel string
	ID      string  // two items with one id are copies; none if empty
	Stream  *Stream // its http-stream format, nil if it has none
}

// Stream is an item's format for held streams.
type Stream struct {
	Content []byte
	Action  string // send, close or hint
}

type itemJSON struct {
	Channel string      `json:"channel"`
	ID      string      `json:"id,omitempty"`
	Formats *formatJSON `json:"formats,omitempty"`
	formatJSON
}

type formatJSON struct {
	Stream *streamJSON `json:"http-stream,omitempty"`
}

type streamJSON struct {
	Content    *string `json:"content,omitempty"`
	ContentBin *string `json:"content-bin,omitempty"`
	Action     string  `json:"action,omitempty"`
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
		return nil, errors.New(`grip: body has no "items"`)
	}
	items := make([]Item, len(req.Items))
	for i, j := range req.Items {
		if j.Channel == "" {
			return nil, fmt.Errorf("grip: item %d has no channel", i)
		}
		formats := j.formatJSON
		if j.Formats != nil {
			formats = *j.Formats
		}
		stream, err := formats.Stream.parse()
		if err != nil {
			return nil, fmt.Errorf("grip: item %d: %w", i, err)
		}
		items[i] = Item{j.Channel, j.ID, stream}
	}
	return items, nil
}

func (j *streamJSON) parse() (*Stream, error) {
	if j == nil {
		return nil, nil
	}
	s := &Stream{Action: j.Action}
	switch j.Action {
	case "":
		s.Action = ActionSend
	case ActionSend:
	case ActionClose, ActionHint:
		return s, nil // whatever content there is, is not meant
	default:
		return nil, fmt.Errorf("http-stream action %q, want send, close or hint", j.Action)
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
	return nil, errors.New("http-stream has neither content nor content-bin")
}

// FormatItems writes the body of a publish request.
func FormatItems(items ...Item) []byte {
	req := struct {
		Items []itemJSON `json:"items"`
	}{Items: []itemJSON{}}
	for _, item := range items {
		j := itemJSON{Channel: item.Channel, ID: item.ID, Formats: &formatJSON{}}
		if s := item.Stream; s != nil {
			j.Formats.Stream = &streamJSON{Action: s.Action}
			content := string(s.Content)
			if utf8.ValidString(content) {
				j.Formats.Stream.Content = &content
			} else {
				content = base64.StdEncoding.EncodeToString(s.Content)
				j.Formats.Stream.ContentBin = &content
			}
		}
		req.Items = append(req.Items, j)
	}
	b, _ := json.Marshal(req) // strings alone: cannot fail
	return b
}

func decode64(s string) (string, error) {
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		return "", fmt.Errorf("grip: base64: %w", err)
	}
	return string(b), nil
}
