// Package serve runs what listens: parts that start and stop together, HTTP
// servers that end without hurting who they serve, the admin listener, metrics
// and logs.
//
// A server that is told to end goes on listening until its held streams have
// gone: one browser closes an event stream for good when a reconnect is
// refused.
package serve

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"time"
)

// Limits of every server. Nothing limits how long an answer takes: streams.
const (
	readHeaderTimeout = 10 * time.Second
	idleTimeout       = 75 * time.Second // longer than load balancers keep a connection, or they find it closed
	maxHeaderBytes    = 16 << 10

	defaultGrace = 3 * time.Second
	lastGrace    = time.Second // for requests, however long the streams took
)

// http2Limits suit many streams that say little: small buffers, and pings, by
// which peers that are gone without a word are noticed within half a minute.
var http2Limits = http.HTTP2Config{
	MaxConcurrentStreams:          250,
	MaxReadFrameSize:              16 << 10,
	MaxReceiveBufferPerConnection: 128 << 10,
	MaxReceiveBufferPerStream:     64 << 10,
	SendPingTimeout:               15 * time.Second,
	PingTimeout:                   15 * time.Second,
	WriteByteTimeout:              time.Minute,
}

// Server is an HTTP handler and the manner of its ending.
type Server struct {
	Handler http.Handler

	// Full answers what comes when there are no file descriptors left. Its
	// answers must be short. Handler if nil.
	Full http.Handler

	// Drain ends held streams within grace, and returns when the last has gone
	// or ctx has ended. Meanwhile the server goes on listening. May be nil.
	Drain func(ctx context.Context, grace time.Duration) error

	ConnContext func(ctx context.Context, c net.Conn) context.Context // as net/http's; may be nil

	Grace time.Duration // for streams and open requests to end; 3 s if zero
	TLS   *tls.Config   // speaks TLS, and HTTP/2 over it; plain HTTP/1 if nil
	HSTS  time.Duration // how long browsers shall stay with TLS; not told if zero

	Proxies []netip.Prefix // whose X-Forwarded-* count; nobody's if empty

	AddressConns int    // most connections of one address, streams of HTTP/1 aside; proxies have no limit, nobody has if zero
	Crowded      func() // counts connections beyond that; may be nil

	Panicked func()       // counts requests that panicked; may be nil
	Log      *slog.Logger // silent if nil
}

// Run serves on ln, which it closes, until ctx ends. Then it drains, lets open
// requests finish, and cuts off what is left: a second after the grace at the
// latest.
func (s Server) Run(ctx context.Context, ln net.Listener) error {
	if s.Grace == 0 {
		s.Grace = defaultGrace
	}
	if s.Log == nil {
		s.Log = slog.New(slog.DiscardHandler)
	}
	limits := http2Limits
	srv := &http.Server{
		Handler:           s.guard(shedding(limitBody(s.Handler), s.Full)),
		ReadHeaderTimeout: readHeaderTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			if s.ConnContext != nil {
				ctx = s.ConnContext(ctx, c)
			}
			return markShed(ctx, c)
		},
		TLSConfig: s.TLS,
		HTTP2:     &limits,
		ErrorLog:  log.New(complaints{s.Log}, "", 0),
	}
	s.limitConns(srv)
	ln = newSparing(ln, s.Log)
	ended := make(chan error, 1)
	go func() {
		if s.TLS != nil {
			ended <- srv.ServeTLS(ln, "", "")
		} else {
			ended <- srv.Serve(ln)
		}
	}()

	select {
	case err := <-ended:
		srv.Close()
		return err
	case <-ctx.Done():
	}
	ctx = context.WithoutCancel(ctx)
	over := time.Now().Add(s.Grace)
	if s.Drain != nil {
		srv.SetKeepAlivesEnabled(false)
		drain, cancel := context.WithDeadline(ctx, over)
		defer cancel()
		if err := s.Drain(drain, s.Grace); err != nil {
			s.Log.Warn("draining did not end", "grace", s.Grace, "error", err)
		}
	}
	shut, cancel := context.WithTimeout(ctx, max(time.Until(over), lastGrace))
	defer cancel()
	if err := srv.Shutdown(shut); err != nil {
		s.Log.Warn("cutting off open requests", "error", err)
		srv.Close() // its error is about connections that nobody wants any more
	}
	<-ended
	return nil
}

// complaints are what net/http has to say. What strangers get wrong about TLS
// and HTTP/2 is for debugging.
type complaints struct{ log *slog.Logger }

func (c complaints) Write(b []byte) (int, error) {
	level := slog.LevelWarn
	for _, theirs := range []string{"http: TLS handshake error", "http2: "} {
		if bytes.HasPrefix(b, []byte(theirs)) && !bytes.HasPrefix(b, []byte("http2: panic")) {
			level = slog.LevelDebug
		}
	}
	c.log.Log(context.Background(), level, string(bytes.TrimSpace(b)))
	return len(b), nil
}

// Listen listens on addr, which was given with flag.
func Listen(addr, flag string) (net.Listener, error) {
	config := net.ListenConfig{KeepAliveConfig: keepAlive}
	forget(&config)
	ln, err := config.Listen(context.Background(), "tcp", addr)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("%s is in use (%s); choose another or stop what listens there", addr, flag)
	case err != nil:
		return nil, fmt.Errorf("cannot listen on %q (%s): %w", addr, flag, cause(err))
	}
	return ln, nil
}

// cause leaves out what Listen says itself.
func cause(err error) error {
	if op, ok := errors.AsType[*net.OpError](err); ok {
		return op.Err
	}
	return err
}
