package dev

import (
	"net"
	"sync"
)

// Cutter is a listener whose connections can be cut all at once, as a load
// balancer does it.
type Cutter struct {
	net.Listener

	mu   sync.Mutex
	open map[*cuttable]struct{}
}

// NewCutter returns a listener that accepts from ln.
func NewCutter(ln net.Listener) *Cutter {
	return &Cutter{Listener: ln, open: map[*cuttable]struct{}{}}
}

// Accept waits for the next connection.
func (c *Cutter) Accept() (net.Conn, error) {
	conn, err := c.Listener.Accept()
	if err != nil {
		return nil, err
	}
	cut := &cuttable{conn, c}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.open[cut] = struct{}{}
	return cut, nil
}

// Cut resets all open connections and returns how many there were.
func (c *Cutter) Cut() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	for conn := range c.open {
		if tcp, ok := conn.Conn.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0) // no goodbye: a reset
		}
		_ = conn.Conn.Close()
	}
	n := len(c.open)
	clear(c.open)
	return n
}

type cuttable struct {
	net.Conn
	of *Cutter
}

func (c *cuttable) Close() error {
	c.of.mu.Lock()
	delete(c.of.open, c)
	c.of.mu.Unlock()
	return c.Conn.Close()
}
