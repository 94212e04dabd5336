package serve

import (
	"net"
	"net/http"
	"sync"

	"github.com/ebb-events/ebb/internal/limit"
)

// conns bounds the connections of each address. A held stream of HTTP/1, which
// the server has let go of, is none of them.
type conns struct {
	most      int
	addresses limit.Addresses
	refused   func()

	mu   sync.Mutex
	open map[limit.Peer]int
}

// follow is for [http.Server.ConnState]. What is too much is hung up on, before
// it costs more than that.
func (cs *conns) follow(c net.Conn, state http.ConnState) {
	peer := cs.addresses.Of(c.RemoteAddr().String())
	if peer == 0 {
		return
	}
	switch state {
	case http.StateNew:
		if cs.enter(peer) > cs.most {
			cs.refused()
			c.Close() // the server notices, and tells that it is closed
		}
	case http.StateHijacked, http.StateClosed:
		cs.leave(peer)
	}
}

func (cs *conns) enter(peer limit.Peer) int {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	cs.open[peer]++
	return cs.open[peer]
}

func (cs *conns) leave(peer limit.Peer) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if cs.open[peer]--; cs.open[peer] == 0 {
		delete(cs.open, peer)
	}
}

// limitConns has a server bound the connections of each address, if it shall.
func (s Server) limitConns(srv *http.Server) {
	if s.AddressConns <= 0 {
		return
	}
	refused := s.Crowded
	if refused == nil {
		refused = func() {}
	}
	cs := &conns{most: s.AddressConns, addresses: limit.Addresses{Exempt: s.Proxies}, refused: refused, open: map[limit.Peer]int{}}
	srv.ConnState = cs.follow
}
