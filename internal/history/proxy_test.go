//go:build unix

package history_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// session is how long members of groups and transactions may be silent here.
const session = 2 * time.Second

// moment is one in the life of a service: it has sent a request, or the broker
// has answered it. The other side does not know yet.
type moment struct {
	key      kmsg.Key
	answered bool
}

func (m moment) String() string {
	if m.answered {
		return m.key.Name() + " answered"
	}
	return m.key.Name() + " sent"
}

// proxy is all that one service sees of the brokers. It tells of every moment,
// and shortens the time-outs that the service asks for.
type proxy struct {
	passed  func(moment) (forward bool) // is called at every moment, and may take its time
	session time.Duration               // the longest that is passed on

	remembered func(offset int64) int64 // of what a transaction confirms; as it is if nil

	mu     sync.Mutex
	fronts map[string]*front // by the broker's address
	conns  map[net.Conn]bool
	away   bool // nobody gets through
	closed bool
	open   sync.WaitGroup
}

// front stands for one broker.
type front struct {
	broker string
	ln     net.Listener
}

func newProxy(t testing.TB, longest time.Duration, passed func(moment) bool) *proxy {
	p := &proxy{passed: passed, session: longest, fronts: map[string]*front{}, conns: map[net.Conn]bool{}}
	t.Cleanup(p.close)
	return p
}

// addr returns where the service finds a broker.
func (p *proxy) addr(broker string) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return "", net.ErrClosed
	}
	f := p.fronts[broker]
	if f == nil {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return "", err
		}
		f = &front{broker, ln}
		p.fronts[broker] = f
		p.open.Go(func() { p.accept(f) })
	}
	return f.ln.Addr().String(), nil
}

func (p *proxy) accept(f *front) {
	for {
		service, err := f.ln.Accept()
		if err != nil {
			return
		}
		p.open.Go(func() { p.serve(f, service) })
	}
}

// serve connects a service with a broker until one of them hangs up.
func (p *proxy) serve(f *front, service net.Conn) {
	broker, err := net.Dial("tcp", f.broker)
	if err != nil {
		service.Close()
		return
	}
	hangUp := func() {
		service.Close()
		broker.Close()
	}
	if !p.note(service, broker) {
		hangUp()
		return
	}
	w := &wire{proxy: p, asked: map[int32]kmsg.Request{}}
	var both sync.WaitGroup
	both.Go(func() { defer hangUp(); pass(broker, service, w.request) })
	both.Go(func() { defer hangUp(); pass(service, broker, w.response) })
	both.Wait()
	p.note(nil, nil, service, broker)
}

// note remembers connections, and forgets others.
func (p *proxy) note(service, broker net.Conn, gone ...net.Conn) (ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range gone {
		delete(p.conns, c)
	}
	if p.closed || p.away || service == nil {
		return false
	}
	p.conns[service], p.conns[broker] = true, true
	return true
}

// cutOff hangs up, and lets nobody through until it is called again.
func (p *proxy) cutOff(away bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.away = away
	for c := range p.conns {
		c.Close()
	}
}

func (p *proxy) close() {
	p.mu.Lock()
	p.closed = true
	for _, f := range p.fronts {
		f.ln.Close()
	}
	for c := range p.conns {
		c.Close()
	}
	p.mu.Unlock()
	p.open.Wait()
}

// pass copies messages until there are no more, or change says so.
func pass(to io.Writer, from io.Reader, change func([]byte) ([]byte, error)) {
	for {
		var size [4]byte
		if _, err := io.ReadFull(from, size[:]); err != nil {
			return
		}
		b := make([]byte, binary.BigEndian.Uint32(size[:]))
		if _, err := io.ReadFull(from, b); err != nil {
			return
		}
		b, err := change(b)
		if err != nil {
			return
		}
		if _, err := to.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(b))), b...)); err != nil {
			return
		}
	}
}

// wire is a connection. Answers come in the order of the requests, but nobody
// relies on that here.
type wire struct {
	*proxy
	mu    sync.Mutex
	asked map[int32]kmsg.Request
}

var errCut = errors.New("not to be forwarded")

// request reads one, has its moment noted, and shortens its time-outs.
func (w *wire) request(b []byte) ([]byte, error) {
	if len(b) < 10 {
		return nil, fmt.Errorf("%d bytes are no request", len(b))
	}
	key, version, correlation := int16(binary.BigEndian.Uint16(b)), int16(binary.BigEndian.Uint16(b[2:])), int32(binary.BigEndian.Uint32(b[4:]))
	req := kmsg.RequestForKey(key)
	if req == nil {
		return nil, fmt.Errorf("no request has key %d", key)
	}
	req.SetVersion(version)
	w.mu.Lock()
	w.asked[correlation] = req
	w.mu.Unlock()
	head := 10 + max(0, int(int16(binary.BigEndian.Uint16(b[8:])))) // the client's id
	if req.IsFlexible() && kmsg.Key(key) != kmsg.ControlledShutdown {
		head++ // no tags
	}
	switch r := req.(type) {
	case *kmsg.JoinGroupRequest:
		if err := r.ReadFrom(b[head:]); err != nil {
			return nil, err
		}
		most := int32(w.session.Milliseconds())
		r.SessionTimeoutMillis, r.RebalanceTimeoutMillis = min(r.SessionTimeoutMillis, most), min(r.RebalanceTimeoutMillis, most)
		b = r.AppendTo(b[:head:head])
	case *kmsg.InitProducerIDRequest:
		if err := r.ReadFrom(b[head:]); err != nil {
			return nil, err
		}
		if r.TransactionalID != nil {
			r.TransactionTimeoutMillis = min(r.TransactionTimeoutMillis, int32(w.session.Milliseconds()))
		}
		b = r.AppendTo(b[:head:head])
	case *kmsg.TxnOffsetCommitRequest:
		if w.remembered == nil {
			break
		}
		if err := r.ReadFrom(b[head:]); err != nil {
			return nil, err
		}
		for _, t := range r.Topics {
			for i := range t.Partitions {
				t.Partitions[i].Offset = w.remembered(t.Partitions[i].Offset)
			}
		}
		b = r.AppendTo(b[:head:head])
	}
	if !w.passed(moment{kmsg.Key(key), false}) {
		return nil, errCut
	}
	return b, nil
}

// response reads one, has its moment noted, and puts the proxy in the brokers'
// place.
func (w *wire) response(b []byte) ([]byte, error) {
	correlation := int32(binary.BigEndian.Uint32(b))
	w.mu.Lock()
	req := w.asked[correlation]
	delete(w.asked, correlation)
	w.mu.Unlock()
	if req == nil {
		return nil, fmt.Errorf("nobody asked for answer %d", correlation)
	}
	resp := req.ResponseKind()
	head := 4
	if resp.IsFlexible() && resp.Key() != kmsg.ApiVersions.Int16() {
		head++ // no tags
	}
	telling := true // an answer without a record tells nothing
	switch resp := resp.(type) {
	case *kmsg.MetadataResponse, *kmsg.FindCoordinatorResponse, *kmsg.ProduceResponse:
		if err := resp.ReadFrom(b[head:]); err != nil {
			return nil, err
		}
		if err := w.redirect(resp); err != nil {
			return nil, err
		}
		b = resp.AppendTo(b[:head:head])
	case *kmsg.FetchResponse:
		if err := resp.ReadFrom(b[head:]); err != nil {
			return nil, err
		}
		telling = hasRecords(resp)
		if len(resp.Brokers) > 0 {
			if err := w.redirect(resp); err != nil {
				return nil, err
			}
			b = resp.AppendTo(b[:head:head])
		}
	}
	if telling && !w.passed(moment{kmsg.Key(req.Key()), true}) {
		return nil, errCut
	}
	return b, nil
}

func hasRecords(resp *kmsg.FetchResponse) bool {
	for _, t := range resp.Topics {
		for _, p := range t.Partitions {
			if len(p.RecordBatches) > 0 {
				return true
			}
		}
	}
	return false
}

// redirect puts the proxy's addresses in the place of the brokers'.
func (w *wire) redirect(resp kmsg.Response) (err error) {
	swap := func(host *string, port *int32) {
		if *port <= 0 || err != nil {
			return // nobody
		}
		var addr string
		if addr, err = w.addr(net.JoinHostPort(*host, fmt.Sprint(*port))); err == nil {
			h, p, _ := net.SplitHostPort(addr)
			*host = h
			_, err = fmt.Sscan(p, port)
		}
	}
	switch r := resp.(type) {
	case *kmsg.MetadataResponse:
		for i := range r.Brokers {
			swap(&r.Brokers[i].Host, &r.Brokers[i].Port)
		}
	case *kmsg.FindCoordinatorResponse:
		swap(&r.Host, &r.Port)
		for i := range r.Coordinators {
			swap(&r.Coordinators[i].Host, &r.Coordinators[i].Port)
		}
	case *kmsg.ProduceResponse:
		for i := range r.Brokers {
			swap(&r.Brokers[i].Host, &r.Brokers[i].Port)
		}
	case *kmsg.FetchResponse:
		for i := range r.Brokers {
			swap(&r.Brokers[i].Host, &r.Brokers[i].Port)
		}
	}
	return err
}
