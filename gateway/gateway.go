// Package gateway is where browsers come in: they are authenticated, sent on
// to the edge with a ticket, and their commands go to Kafka.
//
// Two things hold. A 202 is written only after the broker has acknowledged the
// command. And nothing that opens a stream (token, ticket, proof) is ever
// logged, nor the query of a URL, nor a token put on a topic.
package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/otel/trace"
	"golang.org/x/time/rate"

	"github.com/ebb-events/ebb/grip"
	"github.com/ebb-events/ebb/internal/audit"
	"github.com/ebb-events/ebb/session"
)

// Config says whom to believe and where to send things. A route whose parts
// are missing does not exist, so that one that only redirects needs no broker.
type Config struct {
	Sender Sender // takes commands; there are no commands if nil
	Reader Reader // gives states; there is no reading if nil

	Tail     Tail     // where a stream hears the reply to a command; not told if nil
	Sessions Sessions // what becomes of sessions; none is renewed or revoked if nil

	Answers Answers // heard while requests wait for replies; nobody can if nil

	EdgeURL    string     // base URL that browsers are sent to for streams; there are none if empty
	TicketKeys []grip.Key // shared secrets; the first seals, all open; needed by streams
	GripKeys   []grip.Key // the edge signs its set-up calls with one of them; there is no set-up if none
	GripIssuer string     // who must have signed set-up calls; anybody with the key if empty

	// KeepAlive is how often an edge that is not Ebb's sends something on a
	// stream that is silent; not at all if zero. Ebb's own does so by itself.
	KeepAlive time.Duration

	Issuers   []Issuer          // whose access tokens are good; there is only set-up if none
	Transport http.RoundTripper // fetches their keys; net/http's if nil
	Cookie    string            // where browsers have a token; access_token if empty
	Origins   []string          // pages elsewhere that may call, as scheme://host[:port]; none if empty

	FirstUse   time.Duration // how long a ticket alone opens a stream; 60 s if zero, and at most
	MaxSession time.Duration // longest session, however long the token is good; 12 h if zero, [session.Longest] at most
	ACLTypes   []string      // aggregate types whose clients may set _acl and _subscriptions
	MaxBody    int64         // longest body of a command in bytes; 1 MiB if zero

	// Roles says who may send a command, or get instances, by
	// <app>-<type>.<command>: one of the roles is enough, "*" is everybody.
	Roles         map[string][]string
	DenyByDefault bool // refuse what Roles does not mention; else it is allowed

	Limits Limits // of users and addresses; none if zero

	Log     *slog.Logger     // silent if nil; audit lines go there too
	Tracer  trace.Tracer     // of OpenTelemetry, for commands and streams; no traces if nil
	Metrics Metrics          // each func may be nil
	Now     func() time.Time // [time.Now] if nil
}

// Metrics is told what happens.
type Metrics struct {
	Answered func(route string, status int, took time.Duration)
	Refused  func(reason string) // token, ticket, signature, origin, navigation, role, session, user-rate or address-rate
	Session  func(what string)   // renew or revoke
	Waited   func(how string)    // answered, late, gone, full, user-full, unheard, ending or failed
}

// Gateway answers the requests under /api. It is an [http.Handler].
type Gateway struct {
	cfg     Config
	routes  routes
	tokens  *checker
	tickets *sealer
	origins *http.CrossOriginProtection
	edges   *grip.Verifier
	desk    *desk         // nil if nobody can wait
	book    *session.Book // what became of sessions; nil if nothing does
	drain   sync.Once
	audit   *audit.Log

	counters counters
	trouble  rate.Sometimes // for the log
}

// New returns a gateway, or says what is wrong with cfg.
func New(cfg Config) (*Gateway, error) {
	g := &Gateway{
		cfg: cfg, origins: http.NewCrossOriginProtection(),
		edges: &grip.Verifier{Keys: cfg.GripKeys, Issuer: cfg.GripIssuer},
	}
	g.trouble.Interval = 10 * time.Second
	if err := errors.Join(g.limits(), cfg.Limits.check(), g.oneUsePerKey(), g.trust(), g.streams(), g.rules()); err != nil {
		return nil, fmt.Errorf("gateway: %w", err)
	}
	g.audit, g.counters = audit.New(g.cfg.Log), newCounters(cfg.Limits)
	var err error
	if g.tokens, err = newChecker(cfg.Issuers, keysClient(cfg.Transport), g.cfg.Now, g.cfg.Log); err != nil {
		return nil, fmt.Errorf("gateway: %w", err)
	}
	if cfg.Answers != nil {
		g.desk = newDesk(cfg.Answers, cfg.Limits.UserWaits, g.cfg.Metrics.Waited, func(err error) {
			g.trouble.Do(func() { g.cfg.Log.Warn("replies cannot be heard", "cause", err) })
		})
	}
	if cfg.Sessions != nil && g.tickets != nil {
		g.book = new(session.Book)
	}
	g.routes = g.newRoutes()
	return g, nil
}

// Run hears replies for requests that wait, and what becomes of sessions, until
// ctx ends. A gateway that has neither needs no Run.
func (g *Gateway) Run(ctx context.Context) error {
	var following sync.WaitGroup
	defer following.Wait()
	if g.book != nil {
		following.Go(func() { g.follow(ctx) })
	}
	if g.desk == nil {
		<-ctx.Done()
		return nil
	}
	return g.desk.run(ctx)
}

// Drain ends all waiting: what is accepted is answered with 202. It returns at
// once.
func (g *Gateway) Drain(context.Context, time.Duration) error {
	g.drain.Do(func() {
		if g.desk != nil {
			close(g.desk.over)
		}
	})
	return nil
}

func (g *Gateway) limits() error {
	c := &g.cfg
	if c.FirstUse < 0 || c.FirstUse > time.Minute {
		return fmt.Errorf("FirstUse is %v, want at most a minute", c.FirstUse)
	}
	if c.MaxSession < 0 || c.MaxBody < 0 || c.KeepAlive < 0 {
		return errors.New("MaxSession, MaxBody and KeepAlive cannot be negative")
	}
	if c.MaxSession > session.Longest {
		return fmt.Errorf("MaxSession is %v, want %v at most", c.MaxSession, session.Longest)
	}
	if c.FirstUse == 0 {
		c.FirstUse = time.Minute
	}
	if c.MaxSession == 0 {
		c.MaxSession = 12 * time.Hour
	}
	if c.MaxBody == 0 {
		c.MaxBody = 1 << 20
	}
	if c.Cookie == "" {
		c.Cookie = "access_token"
	}
	if (&http.Cookie{Name: c.Cookie}).Valid() != nil {
		return fmt.Errorf("the name of the Cookie is %q, which none can have", c.Cookie)
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Metrics.Answered == nil {
		c.Metrics.Answered = func(string, int, time.Duration) {}
	}
	if c.Metrics.Refused == nil {
		c.Metrics.Refused = func(string) {}
	}
	if c.Metrics.Session == nil {
		c.Metrics.Session = func(string) {}
	}
	if c.Metrics.Waited == nil {
		c.Metrics.Waited = func(string) {}
	}
	return nil
}

// oneUsePerKey refuses a secret that would serve two purposes.
func (g *Gateway) oneUsePerKey() error {
	purpose := map[string]int{}
	var tokens []grip.Key
	for _, i := range g.cfg.Issuers {
		tokens = append(tokens, i.Key)
	}
	for i, keys := range [][]grip.Key{g.cfg.TicketKeys, g.cfg.GripKeys, tokens} {
		for _, k := range keys {
			if k.IsZero() {
				continue
			}
			if other, ok := purpose[k.ID()]; ok && other != i {
				return fmt.Errorf("key %s has more than one purpose", k.ID())
			}
			purpose[k.ID()] = i
		}
	}
	return nil
}

func (g *Gateway) trust() error {
	for _, origin := range g.cfg.Origins {
		u, err := url.Parse(origin)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || origin != strings.ToLower(u.Scheme+"://"+u.Host) {
			return fmt.Errorf("origin %q, want scheme://host[:port] in lower case", origin)
		}
		if err := g.origins.AddTrustedOrigin(origin); err != nil {
			return err
		}
	}
	return nil
}

func (g *Gateway) streams() error {
	if g.cfg.EdgeURL == "" {
		return nil
	}
	u, err := url.Parse(g.cfg.EdgeURL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || strings.ContainsAny(g.cfg.EdgeURL, "?#") {
		return errors.New("EdgeURL must be a base URL, http or https")
	}
	g.cfg.EdgeURL = strings.TrimRight(u.String(), "/")
	g.tickets, err = newSealer(g.cfg.TicketKeys, g.cfg.EdgeURL)
	return err
}
