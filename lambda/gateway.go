package lambda

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/ebb-events/ebb/gateway"
)

// Connect redirects browsers to the edge.
func Connect(s *Settings) (Handler, error) {
	return serve(s, gateway.Config{
		EdgeURL:    s.Required("EBB_EDGE_URL"),
		TicketKeys: s.Keys("EBB_TICKET_KEY"),
		FirstUse:   s.Duration("EBB_FIRST_USE"),
		Issuers:    issuers(s),
		Cookie:     s.Text("EBB_COOKIE"),
	})
}

// Setup tells the edge which channel a stream is held on.
func Setup(s *Settings) (Handler, error) {
	return serve(s, gateway.Config{
		EdgeURL:    s.Required("EBB_EDGE_URL"),
		TicketKeys: s.Keys("EBB_TICKET_KEY"),
		GripKeys:   s.Keys("EBB_GRIP_KEY"),
		GripIssuer: s.Text("EBB_GRIP_ISS"),
		KeepAlive:  s.Duration("EBB_KEEP_ALIVE"),
	})
}

// MaxMessage is the longest message of SNS, with its attributes, in bytes.
const MaxMessage = 256 << 10

// Command takes commands and gives them to a sender.
func Command(sender func(*Settings) (gateway.Sender, error)) Function {
	return func(s *Settings) (Handler, error) {
		to, err := sender(s)
		if err != nil {
			return nil, err
		}
		return serve(s, gateway.Config{
			Sender:        to,
			Issuers:       issuers(s),
			Cookie:        s.Text("EBB_COOKIE"),
			ACLTypes:      s.List("EBB_ACL_TYPES"),
			Roles:         roles(s),
			DenyByDefault: s.Bool("EBB_DENY_BY_DEFAULT"),
			MaxBody:       MaxMessage,
		})
	}
}

// serve answers requests by a gateway that is configured by cfg and by what all
// functions have.
func serve(s *Settings, cfg gateway.Config) (Handler, error) {
	f := front{host: s.Text("EBB_HOST"), viewer: s.Text("EBB_VIEWER_ADDRESS"), hsts: 365 * 24 * time.Hour}
	if s.Text("EBB_HSTS") != "" {
		f.hsts = s.Duration("EBB_HSTS")
	}
	cfg.Origins, cfg.Log = s.List("EBB_ORIGINS"), s.Log
	if err := s.Err(); err != nil {
		return nil, err
	}
	g, err := gateway.New(cfg)
	if err != nil {
		return nil, err
	}
	f.handler = g
	return f.serve, nil
}

// roles reads rules as ebb gateway does: <app>-<type>.<command>=role,role;...
func roles(s *Settings) map[string][]string {
	const name = "EBB_ROLES"
	rules := map[string][]string{}
	for rule := range strings.SplitSeq(s.Text(name), ";") {
		if rule = strings.TrimSpace(rule); rule == "" {
			continue
		}
		what, who, ok := strings.Cut(rule, "=")
		if !ok {
			s.wrong(name, fmt.Errorf("%q is no rule: want <app>-<type>.<command>=role,role", rule))
			continue
		}
		rules[what] = strings.Split(who, ",")
	}
	return rules
}

// issuers returns whose access tokens are good: those of a list, or one.
func issuers(s *Settings) []gateway.Issuer {
	if s.Text("EBB_ISSUERS") == "" {
		i := gateway.Issuer{
			Name: s.Text("EBB_ISSUER"), Audiences: s.List("EBB_AUDIENCE"), Algorithms: s.List("EBB_ALGORITHMS"),
			MaxLife: s.Duration("EBB_MAX_TOKEN_LIFE"), JWKS: s.Text("EBB_JWKS"), Key: s.Key("EBB_JWT_KEY"),
		}
		if i.JWKS == "" && i.Key.IsZero() && !strings.Contains(i.Name, "://") {
			s.wrong("EBB_ISSUER", errors.New("it is no URL of an OpenID provider; EBB_JWKS, EBB_JWT_KEY or EBB_ISSUERS is required then"))
		}
		keySetOf(s, "EBB_JWKS", &i)
		return []gateway.Issuer{i}
	}
	var list []gateway.Issuer
	for _, e := range entries(s) {
		life, err := time.Duration(0), error(nil)
		if e.MaxLife != "" {
			life, err = time.ParseDuration(e.MaxLife)
		}
		if err != nil {
			s.wrong("EBB_ISSUERS", err)
		}
		i := gateway.Issuer{
			Name: e.Issuer, Namespace: e.Namespace, Audiences: e.Audience, Algorithms: e.Algorithms, MaxLife: life, JWKS: e.JWKS,
			Key: s.key("EBB_ISSUERS: jwt-key", e.JWTKey),
		}
		keySetOf(s, "EBB_ISSUERS: jwks", &i)
		list = append(list, i)
	}
	return list
}

// keySetOf reads the keys of an issuer that are in a file beside the function.
func keySetOf(s *Settings, name string, i *gateway.Issuer) {
	path, ok := strings.CutPrefix(i.JWKS, "file:")
	if !ok {
		return
	}
	var err error
	if i.KeySet, err = os.ReadFile(path); err != nil {
		s.wrong(name, err)
	}
	i.JWKS = ""
}

// entry is an issuer in EBB_ISSUERS, as in a file of ebb gateway's --issuers.
type entry struct {
	Issuer     string    `json:"issuer"`
	Namespace  string    `json:"namespace"`
	Audience   oneOrMore `json:"audience"`
	Algorithms oneOrMore `json:"algorithms"`
	MaxLife    string    `json:"max-token-life"`
	JWKS       string    `json:"jwks"`
	JWTKey     string    `json:"jwt-key"`
}

// oneOrMore is a list that may be written as its only element.
type oneOrMore []string

func (l *oneOrMore) UnmarshalJSON(b []byte) error {
	var one string
	if json.Unmarshal(b, &one) == nil {
		*l = oneOrMore{one}
		return nil
	}
	return json.Unmarshal(b, (*[]string)(l))
}

// entries reads EBB_ISSUERS.
func entries(s *Settings) (list []entry) {
	const name = "EBB_ISSUERS"
	text := []byte(s.Text(name))
	if path, ok := strings.CutPrefix(string(text), "file:"); ok {
		var err error
		if text, err = os.ReadFile(path); err != nil {
			s.wrong(name, err)
			return nil
		}
	}
	d := json.NewDecoder(strings.NewReader(string(text)))
	d.DisallowUnknownFields()
	if err := d.Decode(&list); err != nil || len(list) == 0 {
		s.wrong(name, errors.New("it is no JSON list of issuers"))
	}
	return list
}

// namespaces is what a connector knows of several issuers.
func namespaces(s *Settings) map[string]string {
	if s.Text("EBB_ISSUERS") == "" {
		return nil
	}
	of := map[string]string{}
	for _, e := range entries(s) {
		if e.Namespace == "" {
			return nil // it is alone
		}
		of[e.Issuer] = e.Namespace
	}
	return of
}
