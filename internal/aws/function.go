// Package aws stands in for what AWS has around functions: Lambda with its
// Runtime API, function URLs and HTTP APIs, also behind CloudFront, and SNS.
//
// What runs in it is the real thing: the programs that are deployed, and the
// SDK that they have. It is for a developer's machine and for tests, checks no
// signature, and keeps nothing on a disk.
package aws

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"
)

// Function is a program, run as Lambda runs it: in environments that have one
// event at a time each. One more starts when all are busy.
type Function struct {
	Name    string        // required
	Path    string        // of its program, required
	Env     []string      // name=value, beside those that Lambda itself sets
	Timeout time.Duration // of an invocation; 30 s if zero
	Most    int           // environments at a time; 10 if zero
	Log     io.Writer     // what the program says; nowhere if nil

	Cold func(took time.Duration) // is told how long a start took, from exec to the first next; may be nil

	mu     sync.Mutex
	idle   []*environment
	places chan struct{}
	closed bool
	all    map[*environment]bool
}

// FunctionError is what a function's failure is.
type FunctionError struct {
	Type    string `json:"errorType"`
	Message string `json:"errorMessage"`
}

func (e *FunctionError) Error() string { return e.Type + ": " + e.Message }

var errClosed = errors.New("aws: the function is closed")

// Invoke has the function answer one event. What it says no with, or does not
// survive, is a [FunctionError].
func (f *Function) Invoke(ctx context.Context, event []byte) ([]byte, error) {
	select {
	case f.room() <- struct{}{}:
		defer func() { <-f.places }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	timeout := f.Timeout
	if timeout == 0 {
		timeout = 30 * time.Second
	}
	for {
		e, used, err := f.environment()
		if err != nil {
			return nil, err
		}
		answer, taken, err := e.invoke(event, timeout)
		if !e.ended() {
			f.rest(e)
			return answer, err
		}
		f.forget(e)
		if taken || !used {
			return answer, err
		}
		// It ended by what it did before, and never saw the event.
	}
}

// rest keeps an environment for the next event.
func (f *Function) rest(e *environment) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.idle = append(f.idle, e)
}

// room has a place for each environment.
func (f *Function) room() chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.places == nil {
		most := f.Most
		if most == 0 {
			most = 10
		}
		f.places, f.all = make(chan struct{}, most), map[*environment]bool{}
	}
	return f.places
}

// environment returns one that was used, the latest, or a new one.
func (f *Function) environment() (e *environment, used bool, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return nil, false, errClosed
	}
	for n := len(f.idle); n > 0; n = len(f.idle) {
		e := f.idle[n-1]
		f.idle = f.idle[:n-1]
		if !e.ended() {
			return e, true, nil
		}
		delete(f.all, e)
	}
	if e, err = f.start(); err != nil {
		return nil, false, fmt.Errorf("aws: starting %s: %w", f.Name, err)
	}
	f.all[e] = true
	return e, false, nil
}

func (f *Function) forget(e *environment) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.all, e)
}

// Close ends all environments.
func (f *Function) Close() {
	f.mu.Lock()
	f.closed = true
	all := f.all
	f.all = nil
	f.mu.Unlock()
	for e := range all {
		e.end()
		<-e.gone
	}
}
