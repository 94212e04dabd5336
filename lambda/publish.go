package lambda

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ebb-events/ebb/grip"
	"github.com/ebb-events/ebb/internal/dial"
)

// edges are all that a message is published to. One that is Ebb's is enough:
// its log is that of all. Several Pushpins know nothing of each other.
type edges []*publisher

// publisher publishes to one edge.
type publisher struct {
	url    string
	key    grip.Key // signs a token each time; none if zero
	issuer string
	fastly string // is sent as it is; none if empty
	client *http.Client
	log    *slog.Logger
}

func newEdges(s *Settings) (list edges, err error) {
	key, issuer := s.Key("EBB_PUBLISH_KEY"), s.Text("EBB_PUBLISH_ISS")
	fastly := s.opaque("EBB_FASTLY_KEY")
	if !key.IsZero() {
		if _, err := key.Sign(issuer, time.Now()); err != nil {
			return nil, fmt.Errorf("EBB_PUBLISH_KEY: %w", err)
		}
	}
	s.Required("EBB_PUBLISH_URL")
	for _, base := range s.List("EBB_PUBLISH_URL") {
		u, err := url.Parse(base)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
			return nil, errors.New("EBB_PUBLISH_URL: it must be a base URL, http or https, or several with commas")
		}
		list = append(list, &publisher{
			url: strings.TrimRight(base, "/") + "/publish/", key: key, issuer: issuer, fastly: fastly,
			client: &http.Client{
				Transport:     dial.Transport(dial.Dialer{}),
				CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
			},
			log: s.Log,
		})
	}
	return list, nil
}

// maxRequest is how much is published at once, in bytes, unless one item alone
// is larger. Ebb's edge takes a MiB.
const maxRequest = 512 << 10

// publish publishes the items of all messages that have no fault, in order, and
// gives those that are not published one.
func (es edges) publish(ctx context.Context, messages []*message) {
	ctx, cancel := inTime(ctx)
	defer cancel()
	holdBack(messages)
	faults := make([]map[*message]string, len(es))
	var all sync.WaitGroup
	for i, p := range es {
		all.Go(func() { faults[i] = p.publish(ctx, messages) })
	}
	all.Wait()
	for _, of := range faults {
		for m, fault := range of {
			m.fault = fault
		}
	}
	holdBack(messages)
}

// holdBack fails what comes after a failure in its group of a FIFO queue, which
// would come to be before it otherwise.
func holdBack(messages []*message) {
	broken := map[string]bool{}
	for _, m := range messages {
		if m.group == "" {
			continue
		}
		if broken[m.group] && m.fault == "" {
			m.fault = "behind a failure in its group"
		}
		broken[m.group] = broken[m.group] || m.fault != ""
	}
}

// inTime leaves a fifth of the time for saying how it went, five seconds at
// most.
func inTime(ctx context.Context) (context.Context, context.CancelFunc) {
	end, ok := ctx.Deadline()
	if !ok {
		return context.WithTimeout(ctx, time.Minute)
	}
	return context.WithDeadline(ctx, end.Add(-min(time.Until(end)/5, 5*time.Second)))
}

// part is what is published in one request.
type part struct {
	items []grip.Item
	of    []*message // those of the items, each once
	size  int
}

// parts cuts the items of messages into requests. once has a request for each
// message at least.
func parts(messages []*message, once bool) (list []part) {
	for _, m := range messages {
		fresh := once
		for _, item := range m.items {
			size := len(grip.FormatItems(item))
			if n := len(list); n == 0 || fresh || list[n-1].size+size > maxRequest {
				list = append(list, part{})
				fresh = false
			}
			p := &list[len(list)-1]
			p.items, p.size = append(p.items, item), p.size+size
			if !slices.Contains(p.of, m) {
				p.of = append(p.of, m)
			}
		}
	}
	return list
}

// publish publishes what has no fault and returns the faults there are.
func (p *publisher) publish(ctx context.Context, messages []*message) map[*message]string {
	well := slices.DeleteFunc(slices.Clone(messages), func(m *message) bool { return m.fault != "" })
	faults := map[*message]string{}
	for _, part := range parts(well, false) {
		err := p.send(ctx, part.items)
		if err == nil {
			continue
		}
		if refused, ok := errors.AsType[*refusal](err); ok && refused.ofContent() && len(part.of) > 1 {
			p.apart(ctx, part, faults)
			continue
		}
		for _, m := range part.of {
			faults[m] = err.Error()
		}
	}
	return faults
}

// apart publishes the messages of a request that was refused one by one, so
// that what is bad in one keeps back no other.
func (p *publisher) apart(ctx context.Context, together part, faults map[*message]string) {
	var alone []*message
	for _, m := range together.of {
		of := func(item grip.Item) bool { return item.ID != m.id }
		alone = append(alone, &message{id: m.id, items: slices.DeleteFunc(slices.Clone(together.items), of)})
	}
	for _, part := range parts(alone, true) {
		if err := p.send(ctx, part.items); err != nil {
			faults[together.of[slices.Index(alone, part.of[0])]] = err.Error()
		}
	}
}

// refusal is an answer that says no.
type refusal struct{ status int }

func (r *refusal) Error() string { return fmt.Sprintf("the edge answers %d", r.status) }

// ofContent tells whether it is about what was published.
func (r *refusal) ofContent() bool {
	return r.status == http.StatusBadRequest || r.status == http.StatusRequestEntityTooLarge || r.status == http.StatusUnprocessableEntity
}

// forGood tells whether to ask again is of no use.
func (r *refusal) forGood() bool {
	return r.status < 500 && r.status != http.StatusTooManyRequests && r.status != http.StatusRequestTimeout
}

const (
	attempt     = 5 * time.Second // longest
	firstPause  = 100 * time.Millisecond
	longestRest = 5 * time.Second
)

// send publishes items, again until it works, is refused, or ctx ends.
func (p *publisher) send(ctx context.Context, items []grip.Item) error {
	body := grip.FormatItems(items...)
	var last error
	for pause := firstPause; ; pause = min(2*pause, longestRest) {
		err := p.try(ctx, body)
		if refused, ok := errors.AsType[*refusal](err); err == nil || ok && refused.forGood() {
			return err
		}
		if last == nil || ctx.Err() == nil { // what came of the time's end is no cause
			last = err
		}
		select {
		case <-time.After(pause/2 + rand.N(pause/2)):
			p.log.Debug("publishing again", "url", p.url, "cause", err.Error())
		case <-ctx.Done():
			return last
		}
	}
}

// try publishes once.
func (p *publisher) try(ctx context.Context, body []byte) error {
	ctx, cancel := context.WithTimeout(ctx, attempt)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	if !p.key.IsZero() {
		token, err := p.key.Sign(p.issuer, time.Now())
		if err != nil {
			return err
		}
		r.Header.Set("Authorization", "Bearer "+token)
	}
	if p.fastly != "" {
		r.Header.Set(grip.FastlyKeyHeader, p.fastly)
	}
	resp, err := p.client.Do(r)
	if err != nil {
		return fmt.Errorf("the edge is away: %w", errors.Unwrap(err)) // without the URL
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10)) // or the connection is not used again
	if resp.StatusCode != http.StatusOK {
		return &refusal{resp.StatusCode}
	}
	return nil
}
