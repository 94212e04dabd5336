// Command service is the service that ebb bench commands measures. It is a
// program of its own, so that ebb does not carry the store on disk about.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	_ "net/http/pprof" // where the time goes, for whoever asks
	"os"
	"os/signal"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/ebb-events/ebb"
	"github.com/ebb-events/ebb/aggregate"
	"github.com/ebb-events/ebb/aggregate/disk"
	"github.com/ebb-events/ebb/kafka"
)

// counter is the state of an instance.
type counter struct {
	Value int    `json:"value"`
	Note  string `json:"note,omitempty"`
}

func add(_ context.Context, c counter, cmd aggregate.Command) (counter, error) {
	want := struct {
		By   int    `json:"by"`
		Note string `json:"note"`
	}{Note: c.Note}
	if err := cmd.Decode(&want); err != nil {
		return c, err
	}
	c.Value += want.By
	c.Note = want.Note
	return c, nil
}

func main() {
	var s service
	seeds := flag.String("kafka", "", "brokers")
	flag.StringVar(&s.name, "type", "", "aggregate type")
	flag.StringVar(&s.topics.Environment, "environment", "", "suffix of the topics")
	flag.BoolVar(&s.topics.Embedded, "embedded", false, "the broker is the embedded one")
	flag.StringVar(&s.dir, "disk", "", "directory for the instances; memory if empty")
	flag.IntVar(&s.wait, "wait", 1, "partitions to restore before it is ready")
	flag.Parse()
	s.topics.Seeds, s.topics.Types = strings.Split(*seeds, ","), []string{s.name}

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := s.run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "service:", err)
		os.Exit(1)
	}
}

// service is what is measured.
type service struct {
	name, dir string
	topics    kafka.Config
	wait      int
	executed  atomic.Int64
	restored  int
}

func (s *service) run(ctx context.Context) (err error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	http.HandleFunc("/executed", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, s.executed.Load()) })
	go func() { _ = http.Serve(ln, nil) }() // until the process ends

	client, err := kafka.Open(s.topics)
	if err != nil {
		return err
	}
	defer client.Close()
	log := client.Commands(s.name, s.name)
	defer log.Close()
	cfg := aggregate.Config{
		Environment: s.topics.Environment,
		Logger:      slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
		Metrics: aggregate.Metrics{
			Executed: func(ebb.Outcome) { s.executed.Add(1) },
			Restored: func(int, time.Duration) {
				if s.restored++; s.restored == s.wait {
					fmt.Println("ready http://" + ln.Addr().String())
				}
			},
		},
	}
	if s.dir != "" {
		store, err := disk.Open(s.dir)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, store.Close()) }()
		cfg.Store = store
	}
	counters := aggregate.Type[counter]{Name: s.name, On: map[string]aggregate.Reducer[counter]{"add": add}}
	return counters.Run(ctx, log, cfg)
}
