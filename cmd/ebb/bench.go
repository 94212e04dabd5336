package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime/debug"
	"strings"
	"time"

	"github.com/ebb-events/ebb/bench"
)

type benchCmd struct {
	Latency  benchLatencyCmd  `cmd:"" help:"Measure the time from a command to its event at the client."`
	Edge     benchEdgeCmd     `cmd:"" help:"Measure what very many streams take, beside a floor in C and other servers."`
	Commands benchCommandsCmd `cmd:"" help:"Measure a service: the time to a reply, commands a second, restoring."`
	Gateway  benchGatewayCmd  `cmd:"" hidden:"" help:"Be a gateway without Kafka, for ebb bench edge."`
	Broker   benchBrokerCmd   `cmd:"" hidden:"" help:"Be an embedded broker, for ebb bench commands."`
}

type benchLatencyCmd struct {
	Rate      int      `default:"100" placeholder:"N" help:"Commands per second."`
	Seconds   int      `default:"20" placeholder:"N" help:"How long to measure, after 3 seconds of warm-up."`
	Users     int      `default:"50" placeholder:"N" help:"Users, each with an open stream."`
	Kafka     []string `placeholder:"HOST:PORT" help:"Measure on this Kafka too, on topics ending in -bench."`
	KafkaName string   `default:"Apache Kafka" placeholder:"NAME" help:"What the table calls it."`
	Out       string   `placeholder:"FILE" help:"Write the table to a file, with machine, date and command line."`
}

// Run is ebb bench latency.
func (l *benchLatencyCmd) Run(ctx context.Context, env *environment) error {
	if l.Rate < 1 || l.Seconds < 1 || l.Users < 1 {
		return errors.New("--rate, --seconds and --users must be at least 1")
	}
	embedded, err := l.measure(ctx, "embedded broker")
	if err != nil {
		return err
	}
	rows := []bench.Row{embedded}
	if len(l.Kafka) > 0 {
		real, err := l.measure(ctx, l.KafkaName, "--kafka", strings.Join(l.Kafka, ","), "--environment", "bench")
		if err != nil {
			return err
		}
		rows = append(rows, real)
	}
	fmt.Fprint(env.stdout, bench.Table(rows))
	if l.Out != "" {
		if err := os.WriteFile(l.Out, []byte(l.page(rows)), 0o644); err != nil {
			return err
		}
	}
	for _, r := range rows {
		if r.Lost > 0 || r.Duplicates > 0 {
			return fmt.Errorf("%s: %d events lost, %d duplicates", r.Name, r.Lost, r.Duplicates)
		}
	}
	return nil
}

// measure runs ebb dev with a fresh data directory, and flags.
func (l *benchLatencyCmd) measure(ctx context.Context, name string, flags ...string) (bench.Row, error) {
	dir, err := os.MkdirTemp("", "ebb-bench-")
	if err != nil {
		return bench.Row{}, err
	}
	defer os.RemoveAll(dir)
	self, err := os.Executable()
	if err != nil {
		return bench.Row{}, err
	}
	server := exec.Command(self, "dev", "--data", dir)
	for _, flag := range []string{"--addr", "--edge-addr", "--control-addr", "--admin-addr", "--kafka-addr"} {
		server.Args = append(server.Args, flag, "127.0.0.1:0")
	}
	server.Args = append(server.Args, flags...)
	run := bench.Latency{Server: server, Rate: l.Rate, Time: time.Duration(l.Seconds) * time.Second, Users: l.Users}
	if onTerminal() {
		run.Sent = bench.Bar(os.Stderr, name)
	}
	taken, err := run.Run(ctx)
	return bench.Row{Name: name, Taken: taken}, err
}

// page is docs/latency.md.
func (l *benchLatencyCmd) page(rows []bench.Row) string {
	return fmt.Sprintf(`# Latency: from a command to its event

Milliseconds from when a command is due until the client has read the event that
it led to, over the whole way: HTTP, gateway, command topic, aggregate, reply
topic, connector, channel log, edge, stream. "To the 202" is the part until the
gateway has answered, "202 to event" the rest.

%s
%d commands a second for %d s after 3 s of warm-up, due at fixed times whether or
not those before were answered; %d users, each with a stream of its own. Client
and server are two processes on the same machine, and so is Kafka.

- Machine: %s
- Date: %s
- Versions: %s
- Made by: `+"`%s`"+`

A Kafka to measure on, that of the tests: `+"`go run ./internal/kafkatest/kafka`"+`.
`, bench.Table(rows), l.Rate, l.Seconds, l.Users,
		bench.Machine(), time.Now().UTC().Format(time.DateOnly), versions(), commandLine())
}

// versions are ours, and those of what the numbers depend on.
func versions() string {
	all := version()
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range info.Deps {
			if name, ok := strings.CutPrefix(m.Path, "github.com/twmb/"); ok && (name == "franz-go" || name == "franz-go/pkg/kfake") {
				all += ", " + name + " " + m.Version
			}
		}
	}
	return all
}

// commandLine is what was typed, wherever the program is.
func commandLine() string {
	line := "ebb"
	for _, arg := range os.Args[1:] {
		if strings.ContainsAny(arg, " '\"$`\\") {
			arg = "'" + strings.ReplaceAll(arg, "'", `'\''`) + "'"
		}
		line += " " + arg
	}
	return line
}
