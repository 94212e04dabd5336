package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
	"go.yaml.in/yaml/v3"

	"github.com/ebb-events/ebb/grip"
	"github.com/ebb-events/ebb/kafka"
)

// configFile gives flags the values of a file. It refuses keys that are no
// flags, which are mostly misspelt ones.
type configFile struct {
	values  map[string]any
	checked bool
}

func readConfig(r io.Reader) (kong.Resolver, error) {
	values := map[string]any{}
	err := yaml.NewDecoder(r).Decode(&values)
	if _, ok := errors.AsType[*yaml.TypeError](err); ok {
		err = errors.New("it has no names with values")
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("the config file cannot be read as YAML or JSON: %w", err)
	}
	return &configFile{values: values}, nil
}

// Validate has nothing to say before it is known which flags there are.
func (c *configFile) Validate(*kong.Application) error { return nil }

// Resolve returns the file's value of a flag, unless the environment has one.
func (c *configFile) Resolve(ctx *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	if !c.checked {
		c.checked = true
		if err := c.check(ctx.Flags()); err != nil {
			return nil, err
		}
	}
	value := c.values[flag.Name]
	if isSecret(flag) && value != nil && !areFiles(value) {
		return nil, fmt.Errorf("%w (%s)", errPlainSecret, strings.Join(flag.Envs, ", "))
	}
	for _, name := range flag.Envs {
		if _, ok := os.LookupEnv(name); ok {
			return nil, nil
		}
	}
	return value, nil
}

func (c *configFile) check(flags []*kong.Flag) error {
	for key := range c.values {
		if !slices.ContainsFunc(flags, func(f *kong.Flag) bool { return f.Name == key && key != "config" && key != "help" }) {
			return unknownKey(key)
		}
	}
	return nil
}

// unknownKey is a key of a config file that is no flag.
type unknownKey string

func (k unknownKey) Error() string {
	return fmt.Sprintf("the config file has %q, which is no flag of this command", string(k))
}

// secret is a key or a password: file:PATH, or what it is itself, which only
// the environment may say, since command lines and files are seen by others.
type secret string

var errPlainSecret = errors.New("takes file:PATH here; only the environment may hold the secret itself")

func isSecret(flag *kong.Flag) bool {
	switch flag.Target.Interface().(type) {
	case secret, []secret:
		return true
	}
	return false
}

// areFiles tells whether a value of a config file is a file: or a list of them.
func areFiles(value any) bool {
	list, ok := value.([]any)
	if !ok {
		list = []any{value}
	}
	return !slices.ContainsFunc(list, func(one any) bool { return !strings.HasPrefix(fmt.Sprint(one), "file:") })
}

// secretsAreFiles refuses secrets on the command line.
func secretsAreFiles(parsed *kong.Context) error {
	for _, path := range parsed.Path {
		if path.Flag == nil || path.Resolved || !isSecret(path.Flag) {
			continue
		}
		for _, one := range secretsOf(path.Flag) {
			if !strings.HasPrefix(string(one), "file:") {
				return fmt.Errorf("--%s %w (%s)", path.Flag.Name, errPlainSecret, strings.Join(path.Flag.Envs, ", "))
			}
		}
	}
	return nil
}

func secretsOf(flag *kong.Flag) []secret {
	if one, ok := flag.Target.Interface().(secret); ok {
		return []secret{one}
	}
	return flag.Target.Interface().([]secret)
}

// key reads a signing key or a shared secret, the zero key if there is none,
// and refuses one that others can guess or know.
func (s secret) key(flag string) (grip.Key, error) {
	k, err := s.anyKey(flag)
	if err != nil {
		return grip.Key{}, err
	}
	if err := k.Strong(); err != nil {
		return grip.Key{}, fmt.Errorf("%s: %w", flag, err)
	}
	return k, nil
}

// anyKey is key for a developer's machine, where weak ones do.
func (s secret) anyKey(flag string) (grip.Key, error) {
	if s == "" {
		return grip.Key{}, nil
	}
	k, err := grip.ParseKey(string(s))
	if err != nil {
		return grip.Key{}, fmt.Errorf("%s: %w", flag, err)
	}
	return k, nil
}

func keys(secrets []secret, flag string) (out []grip.Key, err error) {
	for _, s := range secrets {
		k, err := s.key(flag)
		if err != nil {
			return nil, err
		}
		out = append(out, k)
	}
	return out, nil
}

// current returns the secret itself, of a file what it has at the moment. The
// first look is now, so that a wrong name is told at the start.
func (s secret) current(flag string) (kafka.Secret, error) {
	path, ok := strings.CutPrefix(string(s), "file:")
	if !ok {
		return func(context.Context) (string, error) { return string(s), nil }, nil
	}
	read := func(context.Context) (string, error) {
		b, err := os.ReadFile(path)
		text := strings.TrimRight(string(b), "\r\n")
		if err == nil && text == "" {
			err = fmt.Errorf("%s is empty", path)
		}
		if err != nil {
			return "", fmt.Errorf("%s: %w", flag, err)
		}
		return text, nil
	}
	_, err := read(context.Background())
	return read, err
}
