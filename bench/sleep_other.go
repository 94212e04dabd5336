//go:build !linux

package bench

import "time"

func nanosleep(d time.Duration) { time.Sleep(d) }
