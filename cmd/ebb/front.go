package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/ebb-events/ebb/internal/serve"
)

// frontFlags are those of an address that browsers reach.
type frontFlags struct {
	TLSCert string        `name:"tls-cert" placeholder:"FILE" help:"Speak TLS with browsers: the certificate and its chain, in PEM, read again when it changes."`
	TLSKey  string        `name:"tls-key" placeholder:"FILE" help:"The certificate's key, in PEM."`
	HSTS    time.Duration `name:"hsts" default:"8760h" placeholder:"TIME" help:"How long browsers that came by TLS shall stay with it; 0: do not tell them."`
	Proxies []proxy       `default:"127.0.0.0/8,::1" placeholder:"CIDR" help:"Proxies whose X-Forwarded-For and -Proto count: networks, or addresses. The limits of addresses are not theirs."`

	AddressConnections int `group:"Limits:" default:"2000" placeholder:"N" help:"Most connections of one address that are no streams; 0: any number."`
}

// Validate says which flags do not go together.
func (f *frontFlags) Validate() error {
	switch {
	case (f.TLSCert == "") != (f.TLSKey == ""):
		return errors.New("--tls-cert and --tls-key go together")
	case f.HSTS < 0:
		return errors.New("--hsts cannot be negative")
	case f.AddressConnections < 0:
		return errors.New("--address-connections cannot be negative")
	}
	return nil
}

// secure returns how to speak TLS, if that is wanted. The certificate's expiry
// is a metric of part.
func (f *frontFlags) secure(p *process, part string) (scheme string, config *tls.Config, err error) {
	if f.TLSCert == "" {
		return "http", nil, nil
	}
	cert, err := serve.LoadCertificate(f.TLSCert, f.TLSKey, p.env.log)
	if err != nil {
		return "", nil, fmt.Errorf("%w (--tls-cert, --tls-key: a certificate with its chain, and its key without a password, both in PEM)", err)
	}
	p.admin.Gauge(part+"_certificate_expiry_timestamp_seconds", "When the certificate expires, in seconds since 1970.",
		func() float64 { return float64(cert.Expires().Unix()) })
	return "https", cert.TLS(), nil
}

// onFront puts the flags into a server.
func (f *frontFlags) onFront(s serve.Server, secure *tls.Config) serve.Server {
	s.TLS, s.HSTS = secure, f.HSTS
	s.Proxies, s.AddressConns = f.prefixes(), f.AddressConnections
	return s
}

// prefixes are the networks of the proxies.
func (f *frontFlags) prefixes() (list []netip.Prefix) {
	for _, p := range f.Proxies {
		list = append(list, p.Prefix)
	}
	return list
}

// proxy is a network, or one address.
type proxy struct{ netip.Prefix }

// UnmarshalText reads either.
func (p *proxy) UnmarshalText(text []byte) error {
	if ip, err := netip.ParseAddr(string(text)); err == nil {
		p.Prefix = netip.PrefixFrom(ip, ip.BitLen())
		return nil
	}
	prefix, err := netip.ParsePrefix(string(text))
	if err != nil {
		return fmt.Errorf("%q is no network like 10.0.0.0/8, and no address", text)
	}
	p.Prefix = prefix.Masked()
	return nil
}

// thisMachine are the proxies of ebb dev.
var thisMachine = []proxy{{netip.MustParsePrefix("127.0.0.0/8")}, {netip.MustParsePrefix("::1/128")}}
