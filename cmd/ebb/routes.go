package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"
	"time"

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

// routesLook is how often the file of routes is looked at.
const routesLook = 2 * time.Second

// followRoutes puts the routes of the file into use whenever it has changed.
// What is wrong with them is told once, and the former stay in use.
func (e *edgeCmd) followRoutes(ctx context.Context, log *slog.Logger, set func([]edge.Route) error, last []byte) error {
	tick := time.NewTicker(routesLook)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		text, err := os.ReadFile(e.Routes)
		if err != nil || bytes.Equal(text, last) { // a file that is being replaced is there again soon
			continue
		}
		last = text
		routes, err := e.readRoutes(text)
		if err == nil {
			err = set(routes)
		}
		if err != nil {
			log.Error("the changed routes cannot be used; the former stay in use", "part", "edge", "error", err)
			continue
		}
		log.Info("the routes have changed", "part", "edge", "routes", len(routes))
	}
}

// routes reads those of the file, whose text it returns too, and those of the
// command line.
func (e *edgeCmd) routes() (all []edge.Route, text []byte, err error) {
	if e.Routes != "" {
		if text, err = os.ReadFile(e.Routes); err != nil {
			return nil, nil, fmt.Errorf("--routes: %w", err)
		}
	}
	all, err = e.readRoutes(text)
	return all, text, err
}

// readRoutes reads those of the file, then those of the command line.
func (e *edgeCmd) readRoutes(text []byte) (all []edge.Route, err error) {
	if e.Routes != "" {
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
		return out, fmt.Errorf("origin: %w", err)
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
