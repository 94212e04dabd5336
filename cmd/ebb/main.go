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
	Demo      demoCmd      `cmd:"" help:"Execute the commands of the demonstration's task board."`

	Config   kong.ConfigFlag  `placeholder:"FILE" help:"Read flags from a YAML or JSON file: its keys are their names."`
	LogLevel slog.Level       `default:"info" placeholder:"LEVEL" help:"Least level to log: debug, info, warn or error."`
	Version  kong.VersionFlag `env:"-" help:"Show the version and exit."`
}

const about = `Commands flow in, events ebb back: what an event-driven back end does comes back to the browser that caused it.

Every flag can also be given as EBB_<FLAG> in the environment or in a --config file. The environment wins over the file, the command line over both. Keys and passwords are flags only as file:PATH.`

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
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 110}),
		kong.Configuration(readConfig),
		kong.DefaultEnvars("EBB"),
		kong.Vars{"version": version()},
	)
	if err != nil {
		panic(err) // the struct above is wrong
	}
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
		fmt.Fprintf(stderr, "ebb: %v\nebb --help tells more\n", err)
		return 2
	}
	env := &environment{stdout: stdout, log: serve.Logger(stderr, cmd.LogLevel)}
	parsed.BindTo(ctx, (*context.Context)(nil))
	if err := parsed.Run(env); err != nil && !errors.Is(err, context.Canceled) {
		fmt.Fprintf(stderr, "ebb %s: %v\n", strings.Fields(parsed.Command())[0], err)
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
