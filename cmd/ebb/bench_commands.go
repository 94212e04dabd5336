package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/ebb-events/ebb/bench"
)

type benchCommandsCmd struct {
	Commands  int      `default:"300000" placeholder:"N" help:"Commands to execute as fast as can be."`
	Instances int      `default:"10000" placeholder:"N" help:"Instances that they are for."`
	Rate      int      `default:"100" placeholder:"N" help:"Commands per second, for the time to a reply."`
	Seconds   int      `default:"20" placeholder:"N" help:"How long to measure that, after 3 seconds of warm-up."`
	States    int      `default:"1000000" placeholder:"N" help:"Instances to restore."`
	Stores    []string `default:"memory,disk" placeholder:"NAME" help:"Where the service keeps what it restores: memory, disk."`
	Only      []string `placeholder:"PART" help:"Measure only this: throughput, latency (the time to a reply), restore."`
	Kafka     []string `placeholder:"HOST:PORT" help:"Measure on this Kafka too, on topics ending in -bench-<random>."`
	KafkaName string   `default:"Apache Kafka" placeholder:"NAME" help:"What the table calls it."`
	Out       string   `placeholder:"FILE" help:"Write the results to a section of a file."`
}

// Run is ebb bench commands.
func (c *benchCommandsCmd) Run(ctx context.Context, env *environment) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	run := bench.Commands{
		Program: self, Only: c.Only, Stores: c.Stores, Load: c.Commands, Instances: c.Instances,
		Rate: c.Rate, Time: time.Duration(c.Seconds) * time.Second, States: c.States, Progress: bars(),
	}
	on := []bench.Commands{run}
	if len(c.Kafka) > 0 {
		run.Kafka, run.Name = c.Kafka, c.KafkaName
		on = append(on, run)
	}
	var all []*bench.Serving
	var wrong []error
	for _, run := range on {
		one, err := run.Run(ctx)
		if err != nil {
			return err
		}
		all, wrong = append(all, one), append(wrong, one.Wrong())
	}
	fmt.Fprint(env.stdout, bench.CommandsTable(all))
	if c.Out != "" {
		if err := bench.WriteSection(c.Out, bench.CommandsPage(all, aboutRun())); err != nil {
			return err
		}
	}
	return errors.Join(wrong...)
}

// aboutRun says where and how results were made.
func aboutRun() string {
	return fmt.Sprintf("- Machine: %s\n- Date: %s\n- Versions: %s\n- Made by: `%s`\n",
		bench.Machine(), time.Now().UTC().Format(time.DateOnly), versions(), commandLine())
}
