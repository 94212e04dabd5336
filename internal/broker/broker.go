// Package broker is the embedded broker: one process that speaks Kafka's
// protocol and keeps its data in a directory, or in memory.
//
// It is kfake, made safe to keep data in. One process at a time has the
// directory. Nothing is ever compacted. Leader epochs rise with every start,
// so that clients notice a log that lost its end. Retention never removes the
// last record of a partition, with which kfake would forget where offsets were.
// A transaction that a crash cut in the middle of its commit is completed.
// And when the disk fails, the broker stops before it acknowledges what it did
// not keep.
package broker

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"syscall"

	"github.com/twmb/franz-go/pkg/kfake"
)

// Config says where the broker keeps its data and listens.
type Config struct {
	Dir       string       // data directory; in memory if empty
	Addr      string       // host:port to listen on; port 0 picks a free one
	Advertise string       // host that clients are told; Addr's, or this machine's name where that has none
	Sync      bool         // an acknowledgement survives a power loss too
	Log       *slog.Logger // silent if nil
}

// Broker is a running broker.
type Broker struct {
	cluster *kfake.Cluster
	ln      *listener
	lock    *os.File // nil in memory
	failed  chan error
	stop    chan struct{}
	stopped sync.WaitGroup
	watch   watch
	once    sync.Once
}

// Start runs a broker until Close. It refuses a directory that another process
// uses, and one that another version of ebb wrote.
func Start(cfg Config) (_ *Broker, err error) {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	b := &Broker{failed: make(chan error, 1), stop: make(chan struct{})}
	starts, opts := int32(1), []kfake.Opt(nil)
	if cfg.Dir != "" {
		if b.lock, err = lockDir(cfg.Dir); err != nil {
			return nil, err
		}
		defer func() {
			if err != nil {
				b.lock.Close()
			}
		}()
		if starts, err = openDir(cfg.Dir); err != nil {
			return nil, err
		}
		if err = endTorn(cfg.Dir, cfg.Log); err != nil {
			return nil, err
		}
		opts = append(opts, kfake.DataDir(filepath.Join(cfg.Dir, "broker")))
		if cfg.Sync {
			opts = append(opts, kfake.SyncWrites())
		}
	}
	ln, err := net.Listen("tcp", cfg.Addr)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("%s is in use, perhaps by a real Kafka (--kafka-addr)", cfg.Addr)
	case err != nil:
		return nil, fmt.Errorf("broker: %w (--kafka-addr)", err)
	}
	b.ln = newListener(ln, cfg.advertised(ln))
	b.cluster, err = kfake.NewCluster(append(opts,
		kfake.NumBrokers(1),
		kfake.ListenFn(func(string, string) (net.Listener, error) { return b.ln, nil }),
		kfake.WithLogger(&logger{cfg.Log, b.fail}),
		kfake.BrokerConfigs(map[string]string{
			"log.cleaner.backoff.ms":    "3153600000000", // compaction and kfake's own retention: in a century
			"offsets.retention.minutes": "52560000",      // as long: a group must find where it stopped
			"log.segment.bytes":         "67108864",      // what retention frees at a time
		}),
	)...)
	if err != nil {
		b.ln.Close()
		return nil, fmt.Errorf("broker: %w", err)
	}
	defer func() {
		if err != nil {
			b.cluster.Close()
		}
	}()
	b.refuseCompaction()
	if cfg.Dir != "" {
		b.noteReuse(cfg.Dir)
	}
	b.watchMembers()
	if err = b.raiseEpochs(starts); err != nil {
		return nil, fmt.Errorf("broker: raising leader epochs: %w", err)
	}
	b.stopped.Go(b.retain)
	b.stopped.Go(b.expire)
	b.stopped.Go(b.ln.serve)
	return b, nil
}

// advertised returns the host:port that clients are told.
func (cfg Config) advertised(ln net.Listener) string {
	host, _, _ := net.SplitHostPort(cfg.Addr)
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	if ip := net.ParseIP(host); cfg.Advertise != "" {
		host = cfg.Advertise
	} else if host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
		if name, err := os.Hostname(); err == nil {
			if _, err := net.LookupHost(name); err == nil {
				host = name
			}
		}
	}
	return net.JoinHostPort(host, port)
}

// Addr returns the host:port that clients connect to.
func (b *Broker) Addr() string { return b.ln.Addr().String() }

// Failed delivers the error of a disk that failed. The broker has hung up on
// all clients then, and only Close is left to do.
func (b *Broker) Failed() <-chan error { return b.failed }

// fail stops serving at once, so that nothing is acknowledged any more.
func (b *Broker) fail(err error) {
	b.ln.Close()
	select {
	case b.failed <- err:
	default:
	}
}

// Close stops the broker and gives its directory back.
func (b *Broker) Close() error {
	b.once.Do(func() {
		close(b.stop)
		b.ln.Close()
		b.stopped.Wait()
		b.cluster.Close()
		if b.lock != nil {
			b.lock.Close() // and with it the lock
		}
	})
	return nil
}
