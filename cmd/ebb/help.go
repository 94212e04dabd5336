package main

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/alecthomas/kong"
)

// generalGroup has the flags of every subcommand.
var generalGroup = &kong.Group{Key: "General:", Title: "General:"}

const aboutFlags = `
Flags can also be given in the environment, --edge-addr as EBB_EDGE_ADDR, and in
a --config file, as edge-addr. The environment wins over the file, the command
line over both. Keys and passwords are file:PATH, but in the environment they
may be what they are.
`

// help prints the help of ebb or of a subcommand.
func help(options kong.HelpOptions, ctx *kong.Context) error {
	options.NoAppSummary = true // it would list all required flags in one line
	usage := "ebb <command>"
	if cmd := ctx.Selected(); cmd != nil {
		usage = cmd.FullPath()
	}
	fmt.Fprintf(ctx.Stdout, "Usage: %s [flags]\n", usage)
	if err := kong.DefaultHelpPrinter(options, ctx); err != nil {
		return err
	}
	_, err := fmt.Fprint(ctx.Stdout, aboutFlags)
	return err
}

// describe is the help of a flag, with what its own words leave out.
func describe(v *kong.Value) string {
	var more []string
	if v.Required && len(v.Flag.Xor) == 0 {
		more = append(more, "required")
	}
	if v.HasDefault {
		more = append(more, "default "+v.Default)
	}
	if isSecret(v.Flag) {
		more = append(more, v.Flag.Envs...)
	}
	if len(more) == 0 {
		return v.Help
	}
	return strings.TrimSuffix(v.Help, ".") + " (" + strings.Join(more, ", ") + ")."
}

// commandOf is what to call the command that was meant, as far as it was told.
func commandOf(parsed *kong.Context, err error) string {
	if wrong, ok := errors.AsType[*kong.ParseError](err); ok {
		parsed = wrong.Context
	}
	if parsed != nil && parsed.Selected() != nil {
		return parsed.Selected().FullPath()
	}
	return "ebb"
}

// misuse says what is wrong with a command line.
func misuse(err error) string {
	if key, ok := errors.AsType[unknownKey](err); ok {
		return key.Error() // without the flag that was looked up first
	}
	command := commandOf(nil, err)
	if command == "ebb" {
		return strings.Replace(oneLine(err), "unexpected argument", "unknown command", 1)
	}
	return strings.TrimPrefix(oneLine(err), strings.TrimPrefix(command, "ebb ")+": ")
}

// oneLine is the text of an error, of several joined ones too.
func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }

// logLevel is a level whose error says which there are.
type logLevel struct{ slog.Level }

func (l *logLevel) UnmarshalText(text []byte) error {
	if l.Level.UnmarshalText(text) != nil {
		return fmt.Errorf("%q is none of debug, info, warn, error", text)
	}
	return nil
}
