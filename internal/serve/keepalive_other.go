//go:build !linux

package serve

import "net"

// forget leaves it at keep-alives.
func forget(*net.ListenConfig) {}
