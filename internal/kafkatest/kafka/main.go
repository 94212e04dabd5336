// Command kafka runs the tests' Apache Kafka until it is interrupted, and
// prints where it listens: ready 127.0.0.1:PORT.
package main

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/ebb-events/ebb/internal/kafkatest"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	end := make(chan os.Signal, 1)
	signal.Notify(end, os.Interrupt, syscall.SIGTERM)
	dir, err := os.MkdirTemp("", "ebb-kafka-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	seeds, stop, err := kafkatest.Run(dir)
	if err != nil {
		return err
	}
	defer stop()
	fmt.Println("ready", seeds[0])
	<-end
	return nil
}
