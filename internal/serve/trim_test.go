package serve

import (
	"context"
	"runtime"
	"testing"
	"testing/synctest"
	"time"
)

func TestTrimGivesMemoryBackWhenABurstIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		garbage := make([][]byte, 64)
		for i := range garbage {
			garbage[i] = make([]byte, 1<<20)
			for at := 0; at < len(garbage[i]); at += 4096 {
				garbage[i][at] = 1 // or the system would not have given it
			}
		}
		runtime.KeepAlive(garbage)
		garbage = nil
		ctx, stop := context.WithCancel(t.Context())
		go Trim(ctx)
		time.Sleep(2 * look)
		synctest.Wait()
		stop()
		synctest.Wait()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		if kept := m.HeapIdle - m.HeapReleased; kept > 16<<20 || m.HeapAlloc > 32<<20 {
			t.Errorf("kept %d MiB, %d MiB in use", kept>>20, m.HeapAlloc>>20)
		}
	})
}
