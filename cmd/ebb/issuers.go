package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/alecthomas/kong"
	"go.yaml.in/yaml/v3"

	"github.com/ebb-events/ebb/gateway"
)

// tokenFlags say whose access tokens are good: one issuer's, or those of a
// file.
type tokenFlags struct {
	JWKS         string        `name:"jwks" group:"Access tokens:" xor:"token" required:"" placeholder:"URL" help:"The issuer's keys, or file:PATH of them. This, or one of the next two, or the URL of an OpenID provider as --issuer is required."`
	JWTKey       secret        `name:"jwt-key" group:"Access tokens:" xor:"token" required:"" placeholder:"file:PATH" help:"The key that checks them."`
	Issuers      string        `group:"Access tokens:" xor:"token" required:"" placeholder:"FILE" help:"Several issuers, in YAML or JSON; docs/operating.md shows one."`
	Issuer       string        `group:"Access tokens:" placeholder:"NAME" help:"The iss they must have. That of an OpenID provider is its URL, and tells where its keys are."`
	Audience     []string      `group:"Access tokens:" placeholder:"NAME" help:"The aud they must have, one of these."`
	Algorithms   []string      `group:"Access tokens:" placeholder:"NAME" help:"What they may be signed with, as ES256; what the issuer's keys are for if not given."`
	MaxTokenLife time.Duration `group:"Access tokens:" placeholder:"TIME" help:"How long one may still be good at most; any time if not given."`
	Cookie       string        `group:"Access tokens:" default:"access_token" placeholder:"NAME" help:"The cookie they may be in; __Host-access_token is the safest."`
}

// Validate says which flags do not go together. Keys are not asked for where
// the issuer tells where they are.
func (f *tokenFlags) Validate(parsed *kong.Context) error {
	if f.Issuers != "" && (f.Issuer != "" || len(f.Audience) > 0 || len(f.Algorithms) > 0 || f.MaxTokenLife != 0) {
		return errors.New("--issuers has all that is to be said about tokens, for each issuer: leave out --issuer, --audience, --algorithms and --max-token-life")
	}
	if !isURL(f.Issuer) {
		return nil
	}
	for _, flag := range parsed.Flags() {
		if slices.Contains(flag.Xor, "token") {
			flag.Required = false
		}
	}
	return nil
}

func isURL(s string) bool {
	return strings.HasPrefix(s, "https://") || strings.HasPrefix(s, "http://")
}

// issuers returns those of the file, or the one of the command line.
func (f *tokenFlags) issuers() (all []gateway.Issuer, err error) {
	if f.Issuers == "" {
		one := issuerEntry{
			Issuer: f.Issuer, Audience: f.Audience, Algorithms: f.Algorithms, MaxLife: f.MaxTokenLife, JWKS: f.JWKS, JWTKey: f.JWTKey,
		}
		i, err := one.issuer("--")
		return []gateway.Issuer{i}, err
	}
	entries, err := readIssuers(f.Issuers)
	if err != nil {
		return nil, err
	}
	for n, entry := range entries {
		i, err := entry.complete()
		if err != nil {
			return nil, fmt.Errorf("--issuers: %s: issuer %d (%s): %w", f.Issuers, n+1, entry.Issuer, err)
		}
		all = append(all, i)
	}
	return all, nil
}

// issuerEntry is an issuer as it is written in an --issuers file.
type issuerEntry struct {
	Issuer     string        `yaml:"issuer"`
	Namespace  string        `yaml:"namespace"`
	Audience   oneOrMore     `yaml:"audience"`
	Algorithms oneOrMore     `yaml:"algorithms"`
	MaxLife    time.Duration `yaml:"max-token-life"`
	JWKS       string        `yaml:"jwks"`
	JWTKey     secret        `yaml:"jwt-key"`
}

// oneOrMore is a list that may be written as its only element.
type oneOrMore []string

func (l *oneOrMore) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind == yaml.ScalarNode {
		*l = oneOrMore{node.Value}
		return nil
	}
	return node.Decode((*[]string)(l))
}

// readIssuers reads an --issuers file. Its keys are not looked at, since who
// wants to know the namespaces alone need not have them.
func readIssuers(path string) (entries []issuerEntry, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("--issuers: %w", err)
	}
	if err := readYAML(text, &entries); err != nil {
		return nil, fmt.Errorf("--issuers: %s is no list of issuers: %w", path, err)
	}
	if len(entries) == 0 {
		return nil, fmt.Errorf("--issuers: %s has no issuers", path)
	}
	for n, entry := range entries {
		if entry.Issuer == "" {
			return nil, fmt.Errorf("--issuers: %s: issuer %d: it has no issuer, which is the iss of its tokens", path, n+1)
		}
		if entry.Namespace == "" && len(entries) > 1 {
			return nil, fmt.Errorf("--issuers: %s: issuer %d (%s): it has no namespace, which tells its users from the others'; give it one of a-z and 0-9, such as %q",
				path, n+1, entry.Issuer, fmt.Sprint("i", n+1))
		}
	}
	return entries, nil
}

// complete is issuer for an entry of a file.
func (e issuerEntry) complete() (gateway.Issuer, error) {
	switch {
	case e.JWTKey != "" && !areFiles(string(e.JWTKey)):
		return gateway.Issuer{}, errors.New("jwt-key takes file:PATH here")
	case e.JWTKey != "" && e.JWKS != "":
		return gateway.Issuer{}, errors.New("jwks and jwt-key are both there; leave one out")
	case e.JWTKey == "" && e.JWKS == "" && !isURL(e.Issuer):
		return gateway.Issuer{}, errors.New("it has neither jwks nor jwt-key, and is not the URL of an OpenID provider, which would tell where its keys are")
	}
	return e.issuer("")
}

// issuer reads the keys. dashes come before names in errors.
func (e issuerEntry) issuer(dashes string) (i gateway.Issuer, err error) {
	i = gateway.Issuer{
		Name: e.Issuer, Namespace: e.Namespace, Audiences: e.Audience, Algorithms: e.Algorithms, MaxLife: e.MaxLife, JWKS: e.JWKS,
	}
	if path, ok := strings.CutPrefix(e.JWKS, "file:"); ok {
		i.JWKS = ""
		if i.KeySet, err = os.ReadFile(path); err != nil {
			return i, fmt.Errorf("%sjwks: %w", dashes, err)
		}
	}
	i.Key, err = e.JWTKey.key(dashes + "jwt-key")
	return i, err
}

// namespaces returns that of each issuer in an --issuers file, nil if there is
// none.
func namespaces(path string) (map[string]string, error) {
	if path == "" {
		return nil, nil
	}
	entries, err := readIssuers(path)
	if err != nil {
		return nil, err
	}
	of := map[string]string{}
	for _, entry := range entries {
		if entry.Namespace == "" {
			return nil, nil // it is alone
		}
		of[entry.Issuer] = entry.Namespace
	}
	return of, nil
}
