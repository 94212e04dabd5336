package edge

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"

	"github.com/ebb-events/ebb/grip"
)

const (
	maxInstruct = 100_000 // bytes of a JSON instruct
	maxBody     = 1 << 20 // bytes of the body that a stream begins with
)

// held is how a response that is to be held leaves the proxy.
type held struct {
	prefix   string // of the channels in the log
	instruct grip.Instruct
	status   int
	header   http.Header
	body     []byte
	opening  *opening
}

func (*held) Error() string { return "edge: held" }

// modify lets an ordinary response through, without a word of GRIP, and takes
// out one that is to be held.
func (e *Edge) modify(resp *http.Response) error {
	l := resp.Request.Context().Value(legKey{}).(*leg)
	e.count(l, resp.StatusCode)
	if resp.StatusCode != http.StatusSwitchingProtocols {
		stripGrip(resp.Trailer)
		resp.Body = trailed{resp.Body, resp}
	}
	if !grip.IsInstruct(resp.Header) {
		return l.pass(resp)
	}
	h, err := takeInstruct(resp)
	if err != nil {
		return err
	}
	if h.instruct.Hold != nil {
		return h
	}
	resp.StatusCode, resp.Header = h.status, h.header
	resp.Status = strconv.Itoa(h.status)
	if h.body != nil || !hasBody(h.status) {
		resp.Body.Close()
		resp.Trailer = nil
		resp.Body = io.NopCloser(bytes.NewReader(h.body))
		resp.ContentLength = int64(len(h.body))
		resp.Header.Del("Content-Length")
		if hasBody(h.status) {
			resp.Header.Set("Content-Length", strconv.Itoa(len(h.body)))
		}
	}
	return l.pass(resp)
}

// takeInstruct reads what the origin wants, and as much of the body as that
// needs: of a response with instructions in its header alone, nothing.
func takeInstruct(resp *http.Response) (h *held, err error) {
	h = &held{status: resp.StatusCode, header: resp.Header}
	isJSON := grip.IsJSON(resp.Header)
	if isJSON {
		if h.body, err = readAll(resp.Body, maxInstruct); err != nil {
			return nil, fmt.Errorf("edge: reading a JSON instruct: %w", err)
		}
	}
	if h.instruct, err = grip.ParseInstruct(resp.StatusCode, resp.Header, h.body); err != nil {
		return nil, err
	}
	if h.instruct.Status != 0 {
		h.status = h.instruct.Status
	}
	hold := h.instruct.Hold
	switch {
	case isJSON:
		h.unpack()
	case hold != nil:
		most := int64(maxBody)
		if hold.Mode == grip.ModeResponse {
			most = maxInstruct
		}
		if h.body, err = readAll(resp.Body, most); err != nil {
			return nil, fmt.Errorf("edge: reading the body of a response to hold: %w", err)
		}
	}
	if !isJSON {
		expose(h.header, h.instruct.Expose)
	}
	stripGrip(h.header)
	if hold != nil {
		h.body, err = buildInitial(hold, h.body)
	}
	return h, err
}

// expose leaves the headers that the origin names, if it names any.
func expose(h http.Header, names []string) {
	for name := range h {
		if len(names) > 0 && !slices.Contains(names, name) {
			delete(h, name)
		}
	}
}

// pass lets a response through, unless an EventSource would never come back
// for a fault that may be over soon.
func (l *leg) pass(resp *http.Response) error {
	if l.timer == nil {
		return nil
	}
	if resp.StatusCode >= 500 {
		return fmt.Errorf("edge: the origin answered %s", resp.Status)
	}
	if t := resp.Header.Get("Content-Type"); resp.StatusCode == http.StatusOK && !isStream(t) {
		return fmt.Errorf("edge: the origin answered an EventSource with %q", t)
	}
	if !l.timer.Stop() {
		return errWait
	}
	return nil
}

// readAll reads what may not be larger than most.
func readAll(r io.Reader, most int64) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, most+1))
	if err == nil && int64(len(b)) > most {
		err = fmt.Errorf("it has over %d bytes", most)
	}
	return b, err
}

// trailed is a body behind which trailers come, which are for us as headers are.
type trailed struct {
	io.ReadCloser
	resp *http.Response
}

func (t trailed) Read(b []byte) (int, error) {
	n, err := t.ReadCloser.Read(b)
	if err != nil {
		stripGrip(t.resp.Trailer)
	}
	return n, err
}

// unpack takes status, headers and body out of a JSON instruct.
func (h *held) unpack() {
	in := h.instruct.Response
	if in.Code != 0 {
		h.status = in.Code
	}
	h.header = http.Header{}
	maps.Copy(h.header, in.Header)
	for name := range ofMessage {
		h.header.Del(name)
	}
	h.body = []byte(in.Body)
	if !hasBody(h.status) {
		h.body = nil
	}
}
