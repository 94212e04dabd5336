package kafka

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/ebb-events/ebb"
)

// Time-outs that all parts share.
const (
	awayAfter   = 5 * time.Second  // a broker that is silent for so long is away
	sessionTime = 10 * time.Second // for groups and transactions
	metadataAge = 10 * time.Second // new topics are seen after so long
)

// Config says where Kafka is and how its topics are used.
type Config struct {
	Seeds             []string // host:port of some of the brokers; required
	Environment       string   // suffix of all topics; none if empty
	Types             []string // the aggregate types; all that exist if empty
	Embedded          bool     // the broker is ours, and does not compact
	CBOR              bool     // write gzip'd CBOR, not JSON
	ChannelPartitions int32    // of a channel log that does not exist yet; 12 if zero

	TLS   TLS   // with the brokers; none if zero
	Login Login // at the brokers; none if zero

	Lost func()       // counts records that were too large for the channel log; may be nil
	Log  *slog.Logger // silent if nil
}

// Client is the way to Kafka for the boxes of one process. Its methods may be
// called at the same time.
type Client struct {
	cfg  Config
	away time.Duration // awayAfter, but in tests
	age  time.Duration // metadataAge, but in tests
	cl   *kgo.Client   // for requests, and for what may be given up
	log  *kgo.Client   // for the channel log, where nothing is given up

	mu     sync.Mutex
	topics map[string]int32 // that exist and were checked, with their partitions

	looking chan struct{} // holds one, who looks for topics
	looked  time.Time     // when all topics were looked for; of who looks

	leadMu sync.Mutex
	lead   map[string]led // who led topics a moment ago
}

// Open returns a client, or says what is wrong with cfg. It does not wait for
// a broker: [Client.Ping] does.
func Open(cfg Config) (*Client, error) {
	switch {
	case len(cfg.Seeds) == 0:
		return nil, errors.New("kafka: Seeds is empty, want host:port of a broker")
	case cfg.Environment == deadSuffix[1:]:
		return nil, fmt.Errorf("kafka: Environment %q would hide dead-letter topics", cfg.Environment)
	case cfg.ChannelPartitions < 0:
		return nil, fmt.Errorf("kafka: ChannelPartitions is %d, want one or more", cfg.ChannelPartitions)
	}
	if err := cfg.Login.check(cfg.TLS.on()); err != nil {
		return nil, fmt.Errorf("kafka: %w", err)
	}
	for _, typ := range cfg.Types {
		if !ebb.ValidType(typ) {
			return nil, fmt.Errorf("kafka: type %q is not of the form <app>-<type>", typ)
		}
	}
	if cfg.ChannelPartitions == 0 {
		cfg.ChannelPartitions = partitions
	}
	if cfg.Lost == nil {
		cfg.Lost = func() {}
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	c := &Client{cfg: cfg, away: awayAfter, age: metadataAge, topics: map[string]int32{}, lead: map[string]led{}, looking: make(chan struct{}, 1)}
	if err := c.dial(); err != nil {
		return nil, err
	}
	return c, nil
}

// dial makes the clients that all parts share.
func (c *Client) dial() (err error) {
	if c.cl, err = c.connect(kgo.AllowIdempotentProduceCancellation(), kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil))); err != nil {
		return err
	}
	if c.log, err = c.connect(kgo.RecordPartitioner(byRecord)); err != nil {
		c.cl.Close()
	}
	return err
}

// Close lets go of the brokers. What the client handed out is closed before.
func (c *Client) Close() {
	c.log.Close()
	c.cl.Close()
}

// Ping returns once a broker answers, or says in one line that none does.
func (c *Client) Ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, c.away)
	defer cancel()
	if err := c.cl.Ping(ctx); err != nil {
		return fmt.Errorf("kafka: no broker answers at %s: %w", strings.Join(c.cfg.Seeds, ", "), c.cfg.explain(err))
	}
	return nil
}

// connect makes a client with the settings that all share.
func (c *Client) connect(opts ...kgo.Opt) (*kgo.Client, error) {
	all := []kgo.Opt{
		kgo.SeedBrokers(c.cfg.Seeds...),
		kgo.ClientID("ebb"),
		kgo.WithLogger(quiet{c.cfg.Log}),
		kgo.MetadataMaxAge(c.age),
		kgo.MetadataMinAge(100 * time.Millisecond),
		kgo.DialTimeout(c.away),
		kgo.RequestTimeoutOverhead(c.away), // or one that accepts and is silent costs 10 s
		kgo.RetryBackoffFn(backoff),
		kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.ProducerLinger(0),
		kgo.ProducerBatchMaxBytes(maxBatch),
		kgo.TransactionTimeout(sessionTime),
	}
	if c.cfg.Embedded {
		all = append(all, kgo.ProducerBatchCompression(kgo.NoCompression()))
	}
	if c.cfg.TLS.on() {
		secure, err := c.cfg.TLS.config()
		if err != nil {
			return nil, fmt.Errorf("kafka: %w", err)
		}
		all = append(all, kgo.DialTLSConfig(secure))
	}
	if c.cfg.Login.Mechanism != "" {
		all = append(all, kgo.SASL(c.cfg.Login.mechanism()))
	}
	cl, err := kgo.NewClient(append(all, opts...)...)
	if err != nil {
		return nil, fmt.Errorf("kafka: %w", err)
	}
	return cl, nil
}

// backoff is how long to wait after so many failures: at most a second, since
// a broker that is back should be noticed.
func backoff(fails int) time.Duration {
	return min(time.Second, 20*time.Millisecond<<min(fails, 10))
}

// wait waits for backoff, or until ctx ends.
func wait(ctx context.Context, fails int) {
	t := time.NewTimer(backoff(fails))
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// byRecord sends a record to the partition that it names, or, if that is -1, to
// the one of its key. Dead letters keep theirs as far as their topic has it.
var byRecord = kgo.BasicConsistentPartitioner(func(topic string) func(*kgo.Record, int) int {
	if strings.HasSuffix(topic, deadSuffix) {
		return func(r *kgo.Record, n int) int { return int(r.Partition) % n }
	}
	byKey := kgo.StickyKeyPartitioner(nil).ForTopic(topic)
	return func(r *kgo.Record, n int) int {
		if r.Partition < 0 {
			return byKey.Partition(r, n)
		}
		return int(r.Partition)
	}
})

// quiet passes what the Kafka client says on for debugging only: whatever an
// operator must act on comes back as an error.
type quiet struct{ log *slog.Logger }

func (q quiet) Level() kgo.LogLevel {
	if q.log.Enabled(context.Background(), slog.LevelDebug) {
		return kgo.LogLevelInfo
	}
	return kgo.LogLevelNone
}

func (q quiet) Log(_ kgo.LogLevel, msg string, facts ...any) {
	q.log.Debug("kafka client", append([]any{"said", msg}, facts...)...)
}
