package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"

	"go.yaml.in/yaml/v3"

	"github.com/ebb-events/ebb/edge"
	"github.com/ebb-events/ebb/grip"
)

// routeEntry is a route as it is written, in a --routes file or as a --route.
type routeEntry struct {
	Host       string `yaml:"host"`
	Path       string `yaml:"path"`
	Origin     string `yaml:"origin"`
	Prefix     string `yaml:"prefix"`
	GripKey    secret `yaml:"grip-key"`
	GripIss    string `yaml:"grip-iss"`
	PublishKey secret `yaml:"publish-key"`
	Streams    *bool  `yaml:"streams"`
}

// routes reads those of the file, then those of the command line.
func (e *edgeCmd) routes() (all []edge.Route, err error) {
	if e.Routes != "" {
		text, err := os.ReadFile(e.Routes)
		if err != nil {
			return nil, fmt.Errorf("--routes: %w", cause(err))
		}
		var entries []routeEntry
		if err := readYAML(text, &entries); err != nil {
			return nil, fmt.Errorf("--routes: %s is no list of routes: %w", e.Routes, err)
		}
		for i, entry := range entries {
			route, err := entry.route()
			if err != nil {
				return nil, fmt.Errorf("--routes: %s: route %d: %w", e.Routes, i+1, err)
			}
			all = append(all, route)
		}
	}
	for _, text := range e.Route {
		var entry routeEntry
		if err := readYAML([]byte(text), &entry); err != nil {
			return nil, fmt.Errorf("--route %q: want {host: ..., path: ..., origin: URL, prefix: NAME}: %w", text, err)
		}
		route, err := entry.route()
		if err != nil {
			return nil, fmt.Errorf("--route %q: %w", text, err)
		}
		all = append(all, route)
	}
	return all, nil
}

func readYAML(text []byte, into any) error {
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true) // what is misspelt
	err := d.Decode(into)
	if wrong, ok := errors.AsType[*yaml.TypeError](err); ok && len(wrong.Errors) > 0 {
		return errors.New(wrong.Errors[0])
	}
	if errors.Is(err, io.EOF) {
		return errors.New("it is empty")
	}
	return err
}

func (r routeEntry) route() (out edge.Route, err error) {
	out = edge.Route{Host: r.Host, Path: r.Path, Prefix: r.Prefix, GripIssuer: r.GripIss}
	out.NoStreams = r.Streams != nil && !*r.Streams
	if r.Origin == "" {
		return out, errors.New("it has no origin")
	}
	if out.Origin, err = url.Parse(r.Origin); err != nil {
		return out, fmt.Errorf("origin: %w", cause(err))
	}
	for _, own := range []struct {
		name   string
		secret secret
		key    *grip.Key
	}{{"grip-key", r.GripKey, &out.GripKey}, {"publish-key", r.PublishKey, &out.PublishKey}} {
		if own.secret != "" && !areFiles(own.secret) {
			return out, fmt.Errorf("%s takes file:PATH here", own.name)
		}
		if *own.key, err = own.secret.key(own.name); err != nil {
			return out, err
		}
	}
	return out, nil
}

// cause leaves out what the message around it says, or what must not be told.
func cause(err error) error {
	if wrong, ok := errors.AsType[*url.Error](err); ok {
		return wrong.Err
	}
	return err
}
