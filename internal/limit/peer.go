package limit

import (
	"encoding/binary"
	"net/netip"
)

// Peer is who is at an address: one of IPv4, or a network of 64 bits of IPv6,
// of which everybody has all addresses. Zero is nobody, who has no limits.
type Peer uint64

// PeerOf returns who is at an address.
func PeerOf(a netip.Addr) Peer {
	a = a.Unmap()
	if a.Is4() {
		b := a.As4()
		return 0xffff<<32 | Peer(binary.BigEndian.Uint32(b[:])) // of a network that IPv6 has reserved
	}
	b := a.As16()
	return Peer(binary.BigEndian.Uint64(b[:]))
}

// Addresses tells who is where.
type Addresses struct {
	Exempt []netip.Prefix // who has no limits: proxies, behind which anybody may be
}

// Of returns who is at host:port, nobody if that cannot be told.
func (as Addresses) Of(hostPort string) Peer {
	at, err := netip.ParseAddrPort(hostPort)
	if err != nil {
		return 0
	}
	a := at.Addr().Unmap().WithZone("")
	for _, p := range as.Exempt {
		if p.Contains(a) {
			return 0
		}
	}
	return PeerOf(a)
}
