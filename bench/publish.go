package bench

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// appendEvent adds an item as an event of a stream.
func (it item) appendEvent(b []byte) []byte {
	b = it.appendData(append(b, "data: "...))
	return append(b, "\n\n"...)
}

// appendData adds the data of an item that is sent now.
func (it item) appendData(b []byte) []byte {
	return mark{it.number, it.user, time.Now().UnixNano()}.appendData(b, it.size)
}

// appendItems adds the body of a GRIP publish request. Nothing in it has to be
// escaped but the ends of lines.
func appendItems(b []byte, items []item) []byte {
	b = append(b, `{"items":[`...)
	for i, it := range items {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(b, `{"channel":"`...), channel(it.user)...)
		b = it.appendData(append(b, `","formats":{"http-stream":{"content":"data: `...))
		b = append(b, `\n\n"}}}`...)
	}
	return append(b, `]}`...)
}

// publishers is an HTTP client that keeps a connection for each of those who
// publish at a time.
func publishers() *http.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 64
	transport.Proxy = nil
	return &http.Client{Transport: transport, Timeout: time.Minute}
}

// gripPublisher publishes at a GRIP control address, with a key if it is not
// empty.
func gripPublisher(url, key string) func(context.Context, []item) error {
	client := publishers()
	return func(ctx context.Context, items []item) error {
		body := appendItems(make([]byte, 0, len(items)*(items[0].size+100)+20), items)
		return post(ctx, client, url, body, http.StatusOK, "Authorization", "Bearer "+key)
	}
}

// post sends a body and wants a status of that kind.
func post(ctx context.Context, client *http.Client, url string, body []byte, want int, header, value string) error {
	_, err := fetch(ctx, client, url, body, want, header, value)
	return err
}

// fetch is post that returns the answer.
func fetch(ctx context.Context, client *http.Client, url string, body []byte, want int, header, value string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set(header, value)
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode/100 != want/100 {
		err = fmt.Errorf("POST %s: got %s: %.200s", url, resp.Status, answer)
	}
	return answer, err
}

// hostOf is the host and port of a URL.
func hostOf(url string) string {
	_, rest, _ := strings.Cut(url, "://")
	host, _, _ := strings.Cut(rest, "/")
	return host
}

// same is n times the same.
func same(path string, n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = path
	}
	return all
}
