package main

import (
	"context"
	"net"
	"sync"
	"time"

	"github.com/ebb-events/ebb/dev"
	"github.com/ebb-events/ebb/internal/broker"
	"github.com/ebb-events/ebb/internal/serve"
)

// portWait is how long a broker tries to get its port back, which somebody may
// have taken meanwhile.
const portWait = 10 * time.Second

// devBroker is the embedded broker of ebb dev. It can be stopped for a while.
type devBroker struct {
	cfg broker.Config
	ask chan time.Time // has one when the broker shall stop, until then

	mu   sync.Mutex
	now  *broker.Broker // nil while it is stopped
	back time.Time      // zero while it runs
}

// startDevBroker runs an embedded broker for as long as the process, and
// returns where it is. It comes back early when ctx, the process's, ends: those
// who end have something to say to it.
func startDevBroker(ctx context.Context, p *process, cfg broker.Config) (b *devBroker, seeds []string, err error) {
	cfg.Log = p.env.log
	b = &devBroker{cfg: cfg, ask: make(chan time.Time, 1)}
	if b.now, err = broker.Start(cfg); err != nil {
		return nil, nil, err
	}
	host, _, _ := net.SplitHostPort(cfg.Addr)
	_, port, _ := net.SplitHostPort(b.now.Addr())
	b.cfg.Addr = net.JoinHostPort(host, port) // which was perhaps any
	p.atEnd(b.close)
	p.last = append(p.last, serve.Part{Name: "broker", Run: func(last context.Context) error { return b.run(ctx, last) }})
	p.env.log.Info("serving", "part", "kafka", "addr", b.now.Addr())
	return b, []string{b.now.Addr()}, nil
}

// run waits for the broker's end, and for somebody to ask for a pause.
func (b *devBroker) run(process, last context.Context) error {
	for {
		select {
		case <-last.Done():
			return nil
		case err := <-b.now.Failed():
			return err
		case until := <-b.ask:
			if err := b.pause(process, last, until); err != nil {
				return err
			}
		}
	}
}

// pause stops the broker until then.
func (b *devBroker) pause(process, last context.Context, until time.Time) error {
	b.cfg.Log.Warn("the embedded broker was stopped, as somebody asked for", "until", until.Format(time.TimeOnly))
	b.close()
	select {
	case <-process.Done():
	case <-last.Done():
		return nil
	case <-time.After(time.Until(until)):
	}
	for tried := time.Now(); ; {
		now, err := broker.Start(b.cfg)
		if err == nil {
			b.mu.Lock()
			b.now, b.back = now, time.Time{}
			b.mu.Unlock()
			b.cfg.Log.Info("the embedded broker runs again")
			return nil
		}
		if time.Since(tried) > portWait {
			return err
		}
		select {
		case <-last.Done():
			return nil
		case <-time.After(200 * time.Millisecond):
		}
	}
}

func (b *devBroker) close() {
	b.mu.Lock()
	now := b.now
	b.now = nil
	b.mu.Unlock()
	if now == nil {
		return
	}
	if err := now.Close(); err != nil {
		b.cfg.Log.Error("closing the embedded broker", "error", err)
	}
}

// Stop stops the broker for a while.
func (b *devBroker) Stop(d time.Duration) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.back.IsZero() {
		return dev.ErrStopped
	}
	b.back = time.Now().Add(d)
	b.ask <- b.back
	return nil
}

// Back is when the broker is back, zero if it is not away.
func (b *devBroker) Back() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.back
}
