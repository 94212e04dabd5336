package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/ebb-events/ebb/bench"
)

type benchEdgeCmd struct {
	Streams int      `default:"15000" placeholder:"N" help:"Streams to hold; each takes an open file here and one in the server."`
	Plot    []int    `default:"1000,5000,10000" placeholder:"N" help:"Fewer streams to measure with too, for the plot."`
	Peers   []string `default:"nchan,pushpin" placeholder:"NAME" help:"Servers to measure beside: nchan, pushpin, or none. Debian has both; one that is not installed is left out."`
	Only    []string `placeholder:"PART" help:"Measure only this: fanout (memory and broadcasts), personal (opening, single users, coming back), slow (a slow reader), secure (TLS)."`
	Out     string   `placeholder:"FILE" help:"Write the results to a section of a file, and a plot beside it (streams.svg)."`
}

// Run is ebb bench edge.
func (c *benchEdgeCmd) Run(ctx context.Context, env *environment) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	run := bench.Edge{Program: self, Streams: c.Streams, Sizes: c.Plot, Only: c.Only, Progress: bars()}
	if len(c.Peers) != 1 || c.Peers[0] != "none" {
		run.Peers = c.Peers
	}
	report, err := run.Run(ctx)
	if err != nil {
		return err
	}
	fmt.Fprint(env.stdout, report.Table())
	for _, why := range report.LeftOut {
		fmt.Fprintln(env.stdout, "not measured:", why)
	}
	if c.Out != "" {
		if err := c.write(report); err != nil {
			return err
		}
	}
	return report.Wrong()
}

// write writes the page and the plot.
func (c *benchEdgeCmd) write(report *bench.Report) error {
	plot, err := report.Plot()
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(filepath.Dir(c.Out), "streams.svg"), plot, 0o644); err != nil {
		return err
	}
	return bench.WriteSection(c.Out, report.Page(aboutRun()))
}

// bars draws a bar for each step, if there is somebody to see it.
func bars() func(step string, done, want int) {
	if !onTerminal() {
		return nil
	}
	name, draw := "", bench.Bar(os.Stderr, "")
	return func(step string, done, want int) {
		if step != name {
			name, draw = step, bench.Bar(os.Stderr, step)
		}
		draw(done, want)
	}
}

// onTerminal tells whether somebody sees what is written to stderr.
func onTerminal() bool {
	info, err := os.Stderr.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
