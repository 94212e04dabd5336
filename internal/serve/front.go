package serve

import (
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"runtime/debug"
	"strings"
)

// maxURL is the longest request target, in bytes.
const maxURL = 4 << 10

const hstsHeader = "Strict-Transport-Security"

// guard is what every request passes first: a client's word on who it is, or
// came through whom, counts only where it is a proxy that we know; a bug costs
// one request; over TLS browsers are told to stay with it.
func (s Server) guard(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(r.RequestURI) > maxURL {
			w.Header().Set("Connection", "close")
			http.Error(w, fmt.Sprintf("a URL has at most %d bytes here", maxURL), http.StatusRequestURITooLong)
			return
		}
		if r.Method == http.MethodConnect { // a proxy before us would pass on all that follows, unread
			w.Header().Set("Connection", "close")
			http.Error(w, "this is no proxy", http.StatusMethodNotAllowed)
			return
		}
		s.unproxy(r)
		a := &answer{ResponseWriter: w}
		if r.TLS != nil && s.HSTS > 0 {
			w.Header().Set(hstsHeader, fmt.Sprintf("max-age=%d", int(s.HSTS.Seconds())))
		}
		defer s.isolate(a)
		a.begin()
		h.ServeHTTP(a, r)
		a.end()
		a.oneHSTS() // an answer without a word has its header still before it
	})
}

// isolate ends a request that panicked, and it alone. What was panicked with
// may quote the request, so it is not told.
func (s Server) isolate(a *answer) {
	v := recover()
	if v == nil {
		return
	}
	if v == http.ErrAbortHandler {
		panic(v)
	}
	if s.Panicked != nil {
		s.Panicked()
	}
	s.Log.Error("a request panicked", "value", fmt.Sprintf("%T", v), "stack", string(debug.Stack()))
	if a.begun {
		panic(http.ErrAbortHandler) // or half an answer would look like all of it
	}
	http.Error(a, "something went wrong here", http.StatusInternalServerError)
}

// answer knows whether it has begun, and does not wait for a client that takes
// nothing.
type answer struct {
	http.ResponseWriter
	begun bool
	free  bool // the handler has deadlines of its own, or the connection
}

// oneHSTS keeps that of an origin behind us, if it has its own.
func (a *answer) oneHSTS() {
	if all := a.Header()[hstsHeader]; len(all) > 1 {
		a.Header()[hstsHeader] = all[len(all)-1:]
	}
}

func (a *answer) WriteHeader(status int) {
	a.begun = a.begun || status >= http.StatusOK
	a.oneHSTS()
	a.ResponseWriter.WriteHeader(status)
}

func (a *answer) Write(b []byte) (int, error) {
	if !a.begun {
		a.WriteHeader(http.StatusOK)
	}
	return a.write(b)
}

// Unwrap is for [http.ResponseController].
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// unproxy gives a request that came through proxies of ours the address that it
// came from before them, and leaves out what nobody of ours has said.
func (s Server) unproxy(r *http.Request) {
	peer := addrOf(r.RemoteAddr)
	trusted := s.trusts(peer)
	if trusted {
		said := strings.Split(strings.Join(r.Header["X-Forwarded-For"], ","), ",")
		if client := s.clientBefore(peer, said); client != peer {
			r.RemoteAddr = net.JoinHostPort(client.String(), "0")
		}
	}
	delete(r.Header, "X-Forwarded-For")
	delete(r.Header, "Forwarded")
	if !trusted {
		delete(r.Header, "X-Forwarded-Proto")
		delete(r.Header, "X-Forwarded-Host")
	}
}

// clientBefore is who came to the first of our proxies. The last entry is what
// the peer has seen; each further one counts as long as a proxy of ours said it.
func (s Server) clientBefore(peer netip.Addr, said []string) netip.Addr {
	client := peer
	for i := len(said) - 1; i >= 0 && s.trusts(client); i-- {
		before := addrOf(strings.TrimSpace(said[i]))
		if !before.IsValid() {
			break
		}
		client = before
	}
	return client
}

func (s Server) trusts(ip netip.Addr) bool {
	for _, p := range s.Proxies {
		if p.Contains(ip) {
			return true
		}
	}
	return false
}

// addrOf reads an address with or without a port, invalid if it is none.
func addrOf(s string) netip.Addr {
	if at, err := netip.ParseAddrPort(s); err == nil {
		return at.Addr().Unmap().WithZone("")
	}
	ip, _ := netip.ParseAddr(strings.Trim(s, "[]"))
	return ip.Unmap().WithZone("")
}

// warnUnlessLoopback says that strangers may reach what is for operators.
func warnUnlessLoopback(ln net.Addr, log *slog.Logger) {
	if ip := addrOf(ln.String()); !ip.IsLoopback() {
		log.Warn("the address for operators is not of this machine alone: keep it from strangers; /debug/pprof/ answers this machine only", "addr", ln.String())
	}
}
