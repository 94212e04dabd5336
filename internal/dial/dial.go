// Package dial makes connections to where the configuration says, and nowhere
// else: what a name resolves to is judged at the moment it is dialed.
//
// Private addresses are fine, since back ends have them. Link-local ones and
// those where clouds hand out credentials are not, unless the configuration
// names the very address. A name that comes to mean one of them later changes
// nothing: the address that was checked is the one that is dialed.
package dial

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"syscall"
	"time"
)

// ErrRefused is what dialing returns for an address that is not for us.
var ErrRefused = errors.New("dial: refused")

// Limits of what is dialed and answered.
const (
	connectTimeout = 5 * time.Second
	maxHeader      = 64 << 10 // bytes of an answer's header
)

// Dialer dials what the configuration names.
type Dialer struct {
	Known   func(hostPort string) bool // whether it is named; everything is if nil
	resolve *net.Resolver              // of tests; the system's if nil
}

// DialContext is net.Dialer's.
func (d Dialer) DialContext(ctx context.Context, network, hostPort string) (net.Conn, error) {
	if d.Known != nil && !d.Known(hostPort) {
		return nil, fmt.Errorf("%w: %s is not in the configuration", ErrRefused, hostPort)
	}
	host, _, err := net.SplitHostPort(hostPort)
	if err != nil {
		return nil, fmt.Errorf("dial: %w", err)
	}
	literal, _ := netip.ParseAddr(host)
	dialer := net.Dialer{
		Timeout: connectTimeout, KeepAlive: 30 * time.Second, Resolver: d.resolve,
		Control: func(_, addr string, _ syscall.RawConn) error { return check(host, literal, addr) },
	}
	return dialer.DialContext(ctx, network, hostPort)
}

// check judges the address that host has turned out to be.
func check(host string, literal netip.Addr, addr string) error {
	at, err := netip.ParseAddrPort(addr)
	if err != nil {
		return fmt.Errorf("%w: %s is no address", ErrRefused, addr)
	}
	if at.Addr() != literal && Forbidden(at.Addr()) {
		return fmt.Errorf("%w: %s is %s, which is link-local or a cloud's metadata; name the address itself if it is meant", ErrRefused, host, at.Addr())
	}
	return nil
}

// metadata are addresses, beside the link-local ones, where clouds tell whoever
// asks from the machine its credentials.
var metadata = map[netip.Addr]bool{
	netip.MustParseAddr("fd00:ec2::254"):   true, // AWS
	netip.MustParseAddr("fd20:ce::254"):    true, // Google
	netip.MustParseAddr("168.63.129.16"):   true, // Azure
	netip.MustParseAddr("100.100.100.200"): true, // Alibaba
	netip.MustParseAddr("192.0.0.192"):     true, // Oracle
}

// embeds are prefixes of IPv6 addresses whose last four bytes are an IPv4 one.
var embeds = []netip.Prefix{
	netip.MustParsePrefix("64:ff9b::/96"), // NAT64
	netip.MustParsePrefix("::/96"),        // long out of use, and still understood
}

// Forbidden tells whether an address is one that no name may mean: link-local,
// multicast, none at all, or a cloud's metadata.
func Forbidden(ip netip.Addr) bool {
	ip = ip.Unmap().WithZone("")
	for _, p := range embeds {
		if b := ip.As16(); p.Contains(ip) && !ip.IsLoopback() {
			ip = netip.AddrFrom4([4]byte(b[12:]))
			break
		}
	}
	return !ip.IsValid() || ip.IsLinkLocalUnicast() || ip.IsMulticast() || ip.IsUnspecified() || metadata[ip]
}

// Transport returns a way to what the configuration names: answers have a header
// of 64 KiB at most, and nothing is unpacked. It takes no proxy.
func Transport(d Dialer) *http.Transport {
	return &http.Transport{
		DialContext:            d.DialContext,
		DisableCompression:     true,
		TLSHandshakeTimeout:    connectTimeout,
		ForceAttemptHTTP2:      true,
		ExpectContinueTimeout:  time.Second,
		MaxResponseHeaderBytes: maxHeader,
	}
}

// HostPort is how a transport names the target of a URL when it dials.
func HostPort(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return net.JoinHostPort(u.Hostname(), port)
}
