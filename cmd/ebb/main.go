// Command ebb is all parts of Ebb: one small file per subcommand.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime/debug"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/ebb-events/ebb/internal/serve"
)

// commands has a field for each subcommand, with its flags.
type commands struct {
	Dev       devCmd       `cmd:"" help:"Run every part in one process, with a demonstration to look at."`
	Gateway   gatewayCmd   `cmd:"" help:"Authenticate browsers, send them on to the edge, take their commands."`
	Edge      edgeCmd      `cmd:"" help:"Hold the browsers' streams."`
	Connector connectorCmd `cmd:"" help:"Carry replies to the channels of the users they are for."`
	Lambda    lambdaCmd    `cmd:"" help:"Run the AWS Lambda functions on this machine, with stand-ins for what is around them."`
	Revoke    revokeCmd    `cmd:"" help:"End a user's sessions, on all edges."`
	Demo      demoCmd      `cmd:"" help:"Execute the commands of the demonstration's task board."`
	Bench     benchCmd     `cmd:"" help:"Measure, from outside, what a server of its own does."`

	Config   kong.ConfigFlag  `group:"General:" placeholder:"FILE" help:"Read flags from a YAML or JSON file."`
	LogLevel logLevel         `group:"General:" default:"info" placeholder:"LEVEL" help:"Log from this level on: debug, info, warn or error."`
	Version  kong.VersionFlag `group:"General:" env:"-" help:"Show the version and exit."`
}

const about = `Commands flow in, events ebb back: what an event-driven back end does comes back to the browser that caused it.`

func main() {
	ctx, stop := serve.UntilSignal(context.Background())
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run is main with everything passed in. It returns the exit code: 1 for what
// went wrong, 2 for what was asked for in a wrong way.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) (code int) {
	var cmd commands
	exited := -1
	k, err := kong.New(&cmd,
		kong.Name("ebb"),
		kong.Description(about),
		kong.Writers(stdout, stderr),
		kong.Exit(func(code int) { exited = code }),
		kong.Help(help),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, FlagsLast: true, WrapUpperBound: 110}),
		kong.ValueFormatter(describe),
		kong.Configuration(readConfig),
		kong.DefaultEnvars("EBB"),
		kong.Vars{"version": version()},
	)
	if err != nil {
		panic(err) // the struct above is wrong
	}
	k.Model.HelpFlag.Help, k.Model.HelpFlag.Group = "Show this help and exit.", generalGroup
	if len(args) == 0 {
		args = []string{"--help"}
	}
	parsed, err := k.Parse(args)
	if exited >= 0 {
		return exited // help or version was printed
	}
	if err == nil {
		err = secretsAreFiles(parsed)
	}
	if err != nil {
		fmt.Fprintf(stderr, "%s: %s (%[1]s --help tells more)\n", commandOf(parsed, err), misuse(err))
		return 2
	}
	env := &environment{stdout: stdout, log: serve.Logger(stderr, cmd.LogLevel.Level)}
	parsed.BindTo(ctx, (*context.Context)(nil))
	if err := parsed.Run(env); err != nil && !errors.Is(err, context.Canceled) {
		text := strings.TrimPrefix(oneLine(err), parsed.Selected().Name+": ")
		fmt.Fprintf(stderr, "%s: %s\n", commandOf(parsed, nil), text)
		return 1
	}
	return 0
}

// environment is what every subcommand gets.
type environment struct {
	stdout io.Writer // one line: ready
	log    *slog.Logger
}

// version is that of the module, or of the commit it was built from.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "ebb (unknown version)"
	}
	v := info.Main.Version
	if v == "" || v == "(devel)" {
		v = "development"
	}
	return fmt.Sprintf("ebb %s (%s)", v, info.GoVersion)
}
