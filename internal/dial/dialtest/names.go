// Package dialtest is a name server for tests, whose names mean what a test
// wants at the moment.
package dialtest

import (
	"context"
	"net"
	"sync/atomic"
	"testing"
)

// Names answers every question for an IPv4 address.
type Names struct {
	Resolver *net.Resolver
	answer   atomic.Value // [4]byte
}

// New runs a name server until the test ends. All names mean a, b, c, d.
func New(t testing.TB, a, b, c, d byte) *Names {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	n := &Names{}
	n.Mean(a, b, c, d)
	go func() {
		b := make([]byte, 1500)
		for {
			size, from, err := conn.ReadFrom(b)
			if err != nil {
				return
			}
			_, _ = conn.WriteTo(reply(b[:size], n.answer.Load().([4]byte)), from)
		}
	}()
	n.Resolver = &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		return net.Dial("udp", conn.LocalAddr().String())
	}}
	return n
}

// System makes it the name server of the whole process, until the test ends.
func (n *Names) System(t testing.TB) {
	before := net.DefaultResolver
	net.DefaultResolver = n.Resolver
	t.Cleanup(func() { net.DefaultResolver = before })
}

// Mean has all names mean another address from now on.
func (n *Names) Mean(a, b, c, d byte) { n.answer.Store([4]byte{a, b, c, d}) }

// reply answers a DNS question: with an address if it is for one of IPv4, else
// with none.
func reply(question []byte, ip [4]byte) []byte {
	end := 12
	for question[end] != 0 {
		end += int(question[end]) + 1
	}
	end += 5 // the root, type and class
	b := append([]byte(nil), question[:end]...)
	b[2], b[3] = 0x81, 0x80
	copy(b[6:12], make([]byte, 6))
	if question[end-3] == 1 {
		b[7] = 1
		b = append(b, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4)
		b = append(b, ip[:]...)
	}
	return b
}
