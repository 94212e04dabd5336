package edge

import (
	"bytes"
	"encoding/hex"
	"errors"
	"slices"
	"strings"

	"github.com/ebb-events/ebb/channel"
	"github.com/ebb-events/ebb/grip"
	"github.com/ebb-events/ebb/internal/window"
)

// fate is what becomes of an item at one channel of one client.
type fate int

const (
	sent    fate = iota
	skipped      // the client shall not have it
	faulty       // its content cannot be made for the client
)

// publishedItem is what filters need of one.
type publishedItem struct {
	id      string
	meta    map[string]string
	content []string // content filters that a channel must have; nil: whatever it has
}

var plainItem = &publishedItem{} // most are

// size is about how many bytes it takes.
func (i *publishedItem) size() int {
	if i == plainItem {
		return 0
	}
	n := 64 + len(i.id)
	for name, value := range i.meta {
		n += 64 + len(name) + len(value)
	}
	for _, name := range i.content {
		n += 16 + len(name)
	}
	return n
}

func newItem(e *channel.Entry) *publishedItem {
	if e.Src.Item == "" && e.Meta == nil && e.Filters == nil {
		return plainItem
	}
	return &publishedItem{e.Src.Item, e.Meta, e.Filters}
}

// filter is what one channel of a client does to its items. A nil filter is of
// a channel that has none.
type filter struct {
	channel string
	names   []string
	client  *client
}

// client is whom the filters of a held request know: its meta, its channels,
// and the id of the last item of each.
type client struct {
	meta   map[string]string
	lastID map[string]string
}

// newFilters returns the filters of a hold's channels, by channel in
// the log. Channels without any have one only where another builds ids, which may want theirs.
func newFilters(hold *grip.Hold, prefix string) map[string]*filter {
	if !slices.ContainsFunc(hold.Channels, func(c grip.Channel) bool { return len(c.Filters) > 0 }) {
		return nil
	}
	who := &client{hold.Meta, map[string]string{}}
	filters := map[string]*filter{}
	for _, c := range hold.Channels {
		who.lastID[c.Name] = c.PrevID
		filters[channel.Foreign(prefix, c.Name)] = &filter{c.Name, c.Filters, who}
	}
	return filters
}

// ownIDs tells whether a back end numbers its events itself. It finds its own
// ids in Last-Event-ID then, and ours would be in their way.
func ownIDs(hold *grip.Hold) bool {
	return slices.ContainsFunc(hold.Channels, func(c grip.Channel) bool {
		return c.PrevID != "" || slices.Contains(c.Filters, grip.FilterBuildID)
	})
}

// entry returns an entry of the window as the client gets it.
func (f *filter) entry(e *window.Entry) (*window.Entry, fate) {
	item, ok := e.Extra.(*publishedItem)
	if !ok || f == nil && item.content == nil {
		return e, sent // an event of ours is for everyone on its channel
	}
	if fate := f.judge(item); fate != sent || len(f.contentFilters()) == 0 {
		return e, fate
	}
	content, err := f.change(whole(e))
	if err != nil {
		return e, faulty
	}
	changed := *e
	open, ok := openBlock(content)
	if !ok || e.Kind == kindRaw {
		changed.Kind, changed.Frame, changed.IDAt = kindRaw, content, len(content)
		return &changed, sent
	}
	changed.Frame, changed.IDAt = append(open, e.Frame[e.IDAt:]...), len(open)
	return &changed, sent
}

// whole returns an entry's content as it was published.
func whole(e *window.Entry) []byte {
	content := slices.Clip(e.Frame[:e.IDAt])
	switch {
	case e.Kind == kindRaw || e.Kind == kindAnswer:
		return e.Frame
	case bytes.HasSuffix(content, []byte("\r\n")):
		return append(content, "\r\n"...)
	}
	return append(content, '\n')
}

// judge tells whether the client gets an item, and notes its id.
func (f *filter) judge(item *publishedItem) fate {
	if f != nil && item.id != "" {
		f.client.lastID[f.channel] = item.id
	}
	if item.content != nil && !slices.Equal(item.content, f.contentFilters()) {
		return skipped
	}
	if f == nil {
		return sent
	}
	user := f.client.meta["user"]
	for _, name := range f.names {
		skip := false
		switch name {
		case grip.FilterSkipSelf:
			skip = user != "" && item.meta["sender"] == user
		case grip.FilterSkipUsers:
			skip = user != "" && inList(item.meta["skip_users"], user)
		case grip.FilterRequireSub:
			_, has := f.client.lastID[item.meta["require_sub"]]
			skip = item.meta["require_sub"] != "" && !has
		}
		if skip {
			return skipped
		}
	}
	return sent
}

// inList tells whether a list with commas has a name.
func inList(list, name string) bool {
	for one := range strings.SplitSeq(list, ",") {
		if strings.TrimSpace(one) == name {
			return true
		}
	}
	return false
}

// contentFilters are those that change content, in their order.
func (f *filter) contentFilters() (names []string) {
	if f == nil {
		return nil
	}
	for _, name := range f.names {
		if name == grip.FilterBuildID || name == grip.FilterVarSubst {
			names = append(names, name)
		}
	}
	return names
}

// change makes an item's content the client's own.
func (f *filter) change(content []byte) (_ []byte, err error) {
	for _, name := range f.contentFilters() {
		if name == grip.FilterVarSubst {
			content, err = substitute(content, variables(f.client.meta))
		} else {
			content, err = f.client.buildID(content)
		}
		if err != nil {
			return nil, err
		}
	}
	return content, nil
}

// variables are for %(name)s.
func variables(values map[string]string) func(byte, *string) (string, error) {
	return func(directive byte, name *string) (string, error) {
		if directive != 's' || name == nil {
			return "", errors.New("edge: filter: want %(name)s")
		}
		value, ok := values[*name]
		if !ok {
			return "", errors.New("edge: filter: no variable " + *name)
		}
		return value, nil
	}
}

// buildID puts the client's id in the place of %I, and any other in the place of
// %(id)I.
func (c *client) buildID(content []byte) ([]byte, error) {
	format, ok := c.meta["id_format"]
	if !ok {
		return nil, errors.New("edge: filter: no meta id_format")
	}
	encoding := c.meta["id_encoding"]
	if encoding != "" && encoding != "hex" {
		return nil, errors.New("edge: filter: meta id_encoding is " + encoding + ", want hex")
	}
	return substitute(content, func(directive byte, id *string) (string, error) {
		if directive != 'I' {
			return "", errors.New("edge: filter: want %I or %(id)I")
		}
		if id == nil {
			known := map[string]string{}
			for channel, last := range c.lastID {
				if last != "" {
					known[channel] = last
				}
			}
			text, err := substitute([]byte(format), variables(known))
			if err != nil {
				return "", err
			}
			id = new(string(text))
		}
		if encoding == "hex" {
			return hex.EncodeToString([]byte(*id)), nil
		}
		return *id, nil
	})
}

// substitute replaces %d and %(name)d, where d is any letter, by what value says,
// and %% by %. In a name a backslash stands before a parenthesis.
func substitute(content []byte, value func(directive byte, name *string) (string, error)) ([]byte, error) {
	if !bytes.ContainsRune(content, '%') {
		return content, nil
	}
	errEnd := errors.New("edge: filter: a directive without an end")
	out := make([]byte, 0, len(content)+64)
	for i := 0; i < len(content); i++ {
		if content[i] != '%' {
			out = append(out, content[i])
			continue
		}
		var name *string
		if i++; i < len(content) && content[i] == '(' {
			var text []byte
			for i++; i < len(content) && content[i] != ')'; i++ {
				if content[i] == '\\' && i+1 < len(content) {
					i++
				}
				text = append(text, content[i])
			}
			i++
			name = new(string(text))
		}
		if i >= len(content) {
			return nil, errEnd
		}
		if content[i] == '%' && name == nil {
			out = append(out, '%')
			continue
		}
		text, err := value(content[i], name)
		if err != nil {
			return nil, err
		}
		out = append(out, text...)
	}
	return out, nil
}

// buildInitial does to the body that a hold begins with what its filters do to
// responses: it builds ids.
func buildInitial(hold *grip.Hold, body []byte) ([]byte, error) {
	builds := func(c grip.Channel) bool { return slices.Contains(c.Filters, grip.FilterBuildID) }
	i := slices.IndexFunc(hold.Channels, builds)
	if i < 0 {
		return body, nil
	}
	return newFilters(hold, "")[hold.Channels[i].Name].client.buildID(body)
}

// faulty is what a stream gets in place of an item that cannot be made for it.
// It must read its state again; where we cannot tell it so, it must come back.
func (s *stream) faulty(b []byte, sub *sub, from int64) (out []byte, closed bool) {
	if !s.cursors {
		s.end(reasonFilter)
		return b, true
	}
	return s.reset(b, gone{resetFilter, from, sub.at.Offset}), false
}

const (
	reasonFilter = "filter" // in ebb.bye
	resetFilter  = "filter" // in ebb.reset
)
