package serve

import (
	"net"
	"time"
)

// A peer that is gone without a word is let go within a minute: it answers
// neither keep-alives nor, within peerTimeout, what a stream sends every 15 to
// 20 s.
const peerTimeout = 35 * time.Second

var keepAlive = net.KeepAliveConfig{Enable: true, Idle: 15 * time.Second, Interval: 10 * time.Second, Count: 3}
