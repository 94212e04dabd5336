package aws

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Async invokes a function as Lambda does for events of other services: nobody
// waits, what fails is tried twice again, and then goes to the failure
// destination.
type Async struct {
	Invoke func(ctx context.Context, event []byte) ([]byte, error) // required
	Name   string                                                  // of the function
	Pause  func(retry int) time.Duration                           // before the first retry (1) and the second; a minute and two if nil
	Failed func(record []byte)                                     // the failure destination: gets what Lambda would write there; may be nil

	mu      sync.Mutex
	ctx     context.Context
	stop    context.CancelFunc
	going   sync.WaitGroup
	stopped bool
}

// retries is how often Lambda tries again.
const retries = 2

// Go invokes the function with an event, sooner or later.
func (a *Async) Go(event []byte) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.stopped {
		return
	}
	if a.ctx == nil {
		a.ctx, a.stop = context.WithCancel(context.Background())
	}
	ctx := a.ctx
	a.going.Go(func() { a.carry(ctx, event) })
}

// Wait returns when every event was carried, or has failed for good.
func (a *Async) Wait() { a.going.Wait() }

// Close ends everything that goes on.
func (a *Async) Close() {
	a.mu.Lock()
	a.stopped = true
	if a.stop != nil {
		a.stop()
	}
	a.mu.Unlock()
	a.going.Wait()
}

func (a *Async) carry(ctx context.Context, event []byte) {
	id := newID()
	var err error
	for n := 0; n <= retries; n++ {
		if n > 0 && !sleep(ctx, a.pause(n)) {
			return
		}
		if _, err = a.Invoke(ctx, event); err == nil || ctx.Err() != nil {
			return
		}
	}
	if a.Failed != nil {
		a.Failed(a.record(id, event, err))
	}
}

func (a *Async) pause(n int) time.Duration {
	if a.Pause == nil {
		return time.Duration(n) * time.Minute
	}
	return a.Pause(n)
}

// record is what Lambda writes to a failure destination.
func (a *Async) record(id string, event []byte, err error) []byte {
	failed, ok := errors.AsType[*FunctionError](err)
	if !ok {
		failed = &FunctionError{"Unknown", err.Error()}
	}
	b, _ := json.Marshal(map[string]any{ // texts, and JSON that was sent: cannot fail
		"version":   "1.0",
		"timestamp": time.Now().UTC().Format(time.RFC3339Nano),
		"requestContext": map[string]any{
			"requestId": id, "functionArn": ARN("lambda", "function:"+a.Name+":$LATEST"),
			"condition": "RetriesExhausted", "approximateInvokeCount": retries + 1,
		},
		"requestPayload":  json.RawMessage(event),
		"responseContext": map[string]any{"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
		"responsePayload": failed,
	})
	return b
}

// sleep tells whether it slept the whole time.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// newID returns a UUID.
func newID() string {
	b := make([]byte, 16)
	rand.Read(b)
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
