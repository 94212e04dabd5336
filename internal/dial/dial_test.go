package dial

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/ebb-events/ebb/internal/dial/dialtest"
)

func TestForbiddenAddresses(t *testing.T) {
	for addr, want := range map[string]bool{
		"127.0.0.1": false, "::1": false, "10.0.0.1": false, "192.168.1.1": false, "172.16.0.1": false, "fd00::1": false,
		"93.184.216.34": false, "2606:2800::1": false, "100.64.0.1": false, "64:ff9b::5db8:d822": false,

		"169.254.169.254": true, "169.254.170.2": true, "169.254.0.1": true, "fe80::1": true, "fe80::1%eth0": true, "febf::1": true,
		"::ffff:169.254.169.254": true, "64:ff9b::a9fe:a9fe": true, "::a9fe:a9fe": true,
		"fd00:ec2::254": true, "fd20:ce::254": true, "168.63.129.16": true, "::ffff:168.63.129.16": true, "100.100.100.200": true, "192.0.0.192": true,
		"0.0.0.0": true, "::": true, "224.0.0.1": true, "ff02::1": true,
	} {
		if got := Forbidden(netip.MustParseAddr(addr)); got != want {
			t.Errorf("%s: got %v, want %v", addr, got, want)
		}
	}
	if !Forbidden(netip.Addr{}) {
		t.Error("no address at all is let through")
	}
}

// TestCheckIsOfWhatIsDialed: a name is judged by what it means at that moment,
// and an address that was configured as such is meant.
func TestCheckIsOfWhatIsDialed(t *testing.T) {
	for _, tt := range []struct {
		host, addr string
		want       bool
	}{
		{"backend.example", "10.0.0.7:80", true},
		{"backend.example", "169.254.169.254:80", false},
		{"backend.example", "[fe80::1]:80", false},
		{"169.254.169.254", "169.254.169.254:80", true},
		{"169.254.169.254", "169.254.169.253:80", false},
		{"backend.example", "nonsense", false},
	} {
		literal, _ := netip.ParseAddr(tt.host)
		if err := check(tt.host, literal, tt.addr); (err == nil) != tt.want {
			t.Errorf("%s as %s: %v", tt.host, tt.addr, err)
		}
	}
}

// TestRebinding: a name that is good once, and the metadata's the next time.
func TestRebinding(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	names := dialtest.New(t, 127, 0, 0, 1)
	d := Dialer{resolve: names.Resolver}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()

	conn, err := d.DialContext(ctx, "tcp", "rebinds.example:"+port)
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	names.Mean(169, 254, 169, 254)
	_, err = d.DialContext(ctx, "tcp", "rebinds.example:"+port)
	if !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "169.254.169.254") {
		t.Errorf("got %v", err)
	}
}

func TestOnlyWhatIsKnownIsDialed(t *testing.T) {
	d := Dialer{Known: func(hostPort string) bool { return hostPort == "127.0.0.1:1" }}
	if _, err := d.DialContext(t.Context(), "tcp", "127.0.0.1:2"); !errors.Is(err, ErrRefused) {
		t.Errorf("got %v", err)
	}
	if _, err := d.DialContext(t.Context(), "tcp", "127.0.0.1:1"); err == nil || errors.Is(err, ErrRefused) {
		t.Errorf("got %v, want one of the network", err)
	}
}

func TestHostPort(t *testing.T) {
	for in, want := range map[string]string{
		"http://a": "a:80", "https://a/x": "a:443", "https://a:8443": "a:8443", "http://[::1]:7": "[::1]:7", "http://[::1]": "[::1]:80",
	} {
		u, err := url.Parse(in)
		if err != nil {
			t.Fatal(err)
		}
		if got := HostPort(u); got != want {
			t.Errorf("%s: got %s, want %s", in, got, want)
		}
	}
}
