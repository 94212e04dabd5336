package aggregate

import (
	"errors"
	"time"
)

// errStill is that of a batch in which reducers were late because the whole
// process stood still. It is executed again.
var errStill = errors.New("the process stood still while reducers had their time")

const (
	stillTick = 50 * time.Millisecond
	stillMin  = 250 * time.Millisecond // what counts
	stillMost = 3                      // batches in a row; then who is late has failed
)

// excuse returns errStill where reducers were late because nothing ran, unless
// that happened too often in a row.
func excuse(inARow *int, late bool) error {
	if !late {
		*inARow = 0
		return nil
	}
	if *inARow++; *inARow > stillMost {
		return nil
	}
	return errStill
}

// watchStill begins to watch whether the process runs. A machine that was
// paused, or had no processor to spare, lets deadlines pass in which nobody
// could work. stood ends it and tells.
func watchStill() (stood func() bool) {
	end, told := make(chan struct{}), make(chan bool)
	last := time.Now()
	go func() {
		t := time.NewTicker(stillTick)
		defer t.Stop()
		longest := time.Duration(0)
		look := func() {
			now := time.Now()
			longest = max(longest, now.Sub(last))
			last = now
		}
		for {
			select {
			case <-t.C:
				look()
			case <-end:
				look()
				told <- longest >= stillMin
				return
			}
		}
	}()
	return func() bool {
		close(end)
		return <-told
	}
}
