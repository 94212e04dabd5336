package bench

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/ebb-events/ebb"
	"github.com/ebb-events/ebb/kafka"
)

// ServiceType is the aggregate type of the service that is measured.
const ServiceType = "bench-counter"

// partitions are those of each of its topics.
const partitions = 12

// rig is a broker, a service on it, and our own way to the broker.
type rig struct {
	program Commands
	dir     string
	broker  *server // nil if it was there before us
	seeds   []string
	topics  string // environment of the topics
	client  *kafka.Client
	service *server // nil while there is none
}

// begin starts a broker, or takes the one there is, and makes the topics.
func (c Commands) begin(ctx context.Context) (r *rig, err error) {
	r = &rig{program: c, seeds: c.Kafka, topics: "bench-" + strings.ToLower(rand.Text()[:8])}
	defer func() {
		if err != nil {
			err = errors.Join(err, r.end())
		}
	}()
	if r.dir, err = os.MkdirTemp("", "ebb-bench-"); err != nil {
		return r, err
	}
	if len(r.seeds) == 0 {
		cmd := exec.Command(c.Program, "bench", "broker", "--addr", "127.0.0.1:0", "--data", filepath.Join(r.dir, "data"), "--log-level", "warn")
		if r.broker, err = start(ctx, cmd); err != nil {
			return r, fmt.Errorf("broker: %w", err)
		}
		r.seeds = []string{r.broker.url}
	}
	r.client, err = kafka.Open(kafka.Config{Seeds: r.seeds, Environment: r.topics, Types: []string{ServiceType}, Embedded: r.broker != nil})
	if err != nil {
		return r, err
	}
	return r, r.client.Prepare(ctx, ebb.Commands, ebb.Events, ebb.Aggregates, ebb.Replies)
}

// build makes the program of the service, once.
func (c *Commands) build(ctx context.Context, dir string) error {
	c.service = filepath.Join(dir, "service")
	cmd := exec.CommandContext(ctx, "go", "build", "-o", c.service, "github.com/ebb-events/ebb/bench/service")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("building the service: %w: run this in a checkout of Ebb, with Go installed\n%s", err, out)
	}
	return nil
}

// serve starts the service. It returns once all its partitions are restored.
func (r *rig) serve(ctx context.Context, store string) (err error) {
	cmd := exec.Command(r.program.service, "-kafka", strings.Join(r.seeds, ","), "-environment", r.topics,
		"-type", ServiceType, "-wait", strconv.Itoa(partitions))
	if r.broker != nil {
		cmd.Args = append(cmd.Args, "-embedded")
	}
	if store == "disk" {
		cmd.Args = append(cmd.Args, "-disk", filepath.Join(r.dir, "states"))
	}
	if r.service, err = start(ctx, cmd); err != nil {
		return fmt.Errorf("service: %w", err)
	}
	return nil
}

// halt stops the service.
func (r *rig) halt() error {
	if r.service == nil {
		return nil
	}
	s := r.service
	r.service = nil
	return s.stop()
}

// end stops everything.
func (r *rig) end() error {
	err := r.halt()
	if r.client != nil {
		r.client.Close()
	}
	if r.broker != nil {
		err = errors.Join(err, r.broker.stop())
	}
	if r.dir != "" {
		err = errors.Join(err, os.RemoveAll(r.dir))
	}
	return err
}

// executed is how many commands the service says it has committed.
func (r *rig) executed(ctx context.Context) (n int, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.service.url+"/executed", nil)
	if err != nil {
		return 0, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(string(text)))
}

// glance is how often the service is asked how far it is.
const glance = 50 * time.Millisecond

// until waits until the service has executed so many commands, as long as it
// goes on.
func (r *rig) until(ctx context.Context, want int, progress func(done int)) error {
	last, since := 0, time.Now()
	for {
		n, err := r.executed(ctx)
		if err != nil {
			return fmt.Errorf("the service does not answer: %w\n%s", err, r.service.log.troubles())
		}
		progress(min(n, want))
		if n >= want {
			return nil
		}
		if n > last {
			last, since = n, time.Now()
		}
		if time.Since(since) > time.Minute {
			return fmt.Errorf("the service stands still after %d of %d commands\n%s", n, want, r.service.log.troubles())
		}
		select {
		case <-time.After(glance):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// cpu is what service and broker have had of the processors. A broker that is
// not ours counts as zero.
func (r *rig) cpu() (service, broker time.Duration, err error) {
	if r.service != nil {
		if service, err = cpuTime([]int{r.service.cmd.Process.Pid}); err != nil {
			return 0, 0, err
		}
	}
	if r.broker != nil {
		broker, err = cpuTime([]int{r.broker.cmd.Process.Pid})
	}
	return service, broker, err
}
