package kafkatest

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/ebb-events/ebb/internal/logtest"
)

// settings are a node's. Groups form without waiting for latecomers, times may
// be short, and who is gone is soon known.
const settings = `process.roles=broker,controller
node.id=%[1]d
controller.quorum.voters=%[2]s
listeners=PLAINTEXT://%[3]s,CONTROLLER://%[4]s
advertised.listeners=PLAINTEXT://%[3]s
controller.listener.names=CONTROLLER
log.dirs=%[5]s
auto.create.topics.enable=false
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
transaction.abort.timed.out.transaction.cleanup.interval.ms=500
broker.heartbeat.interval.ms=500
broker.session.timeout.ms=3000
offsets.topic.num.partitions=4
offsets.topic.replication.factor=%[6]d
transaction.state.log.num.partitions=4
transaction.state.log.replication.factor=%[6]d
transaction.state.log.min.isr=%[7]d
share.coordinator.state.topic.replication.factor=%[6]d
share.coordinator.state.topic.min.isr=%[7]d
`

const clusterID = "ZWJiLXRlc3RzLWthZmthMQ"

// Cluster is a Kafka of several nodes, each of which can be killed and started
// again. Every node is broker and controller.
type Cluster struct {
	Seeds []string // where the nodes listen, in their order
	nodes []*node
}

// node is one of a cluster.
type node struct {
	jars, addr, config string
	heap               string
	options            []string // of the JVM, besides

	mu    sync.Mutex
	cmd   *exec.Cmd // nil while it is dead
	ended chan struct{}
	log   *logtest.Text // since the last start
}

// RunCluster runs n nodes, with their data in dir, which must be empty. The
// caller calls Stop.
func RunCluster(dir string, n int) (*Cluster, error) {
	jars, err := libs()
	if err != nil {
		return nil, err
	}
	c := &Cluster{}
	var voters, controllers []string
	for i := range n {
		addr, err1 := FreeAddr()
		controller, err2 := FreeAddr()
		if err := errors.Join(err1, err2); err != nil {
			return nil, err
		}
		c.Seeds, controllers = append(c.Seeds, addr), append(controllers, controller)
		voters = append(voters, fmt.Sprintf("%d@%s", i+1, controller))
	}
	heap := "-Xmx512m"
	if n > 1 {
		heap = "-Xmx400m"
	}
	for i, addr := range c.Seeds {
		home := filepath.Join(dir, strconv.Itoa(i+1))
		d := &node{jars: jars, addr: addr, config: filepath.Join(home, "server.properties"), heap: heap}
		text := fmt.Sprintf(settings, i+1, strings.Join(voters, ","), addr, controllers[i], filepath.Join(home, "data"), min(3, n), min(2, n))
		if err := errors.Join(os.MkdirAll(home, 0o700), os.WriteFile(d.config, []byte(text), 0o600)); err != nil {
			return nil, err
		}
		c.nodes = append(c.nodes, d)
	}
	if err := c.each((*node).format); err != nil {
		return nil, err
	}
	if err := c.each((*node).start); err != nil {
		c.Stop()
		return nil, err
	}
	return c, nil
}

// Kill ends a node as kill -9 does.
func (c *Cluster) Kill(i int) { c.nodes[i].end(os.Kill) }

// Shutdown ends a node in its own way, and waits for it.
func (c *Cluster) Shutdown(i int) { c.nodes[i].end(syscall.SIGTERM) }

// Restart starts a node that has ended, and returns when it listens.
func (c *Cluster) Restart(i int) error { return c.nodes[i].start() }

// Said returns what a node said since its last start.
func (c *Cluster) Said(i int) string {
	d := c.nodes[i]
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.log.String()
}

// Stop ends all nodes.
func (c *Cluster) Stop() {
	for _, d := range c.nodes {
		d.end(os.Kill)
	}
}

// each does something to all nodes at the same time.
func (c *Cluster) each(do func(*node) error) error {
	errs := make([]error, len(c.nodes))
	var all sync.WaitGroup
	for i, d := range c.nodes {
		all.Go(func() { errs[i] = do(d) })
	}
	all.Wait()
	return errors.Join(errs...)
}

func (d *node) java(args ...string) *exec.Cmd {
	return java(d.jars, d.heap, slices.Concat(d.options, args)...)
}

func (d *node) format() error {
	out, err := d.java("kafka.tools.StorageTool", "format", "-t", clusterID, "-c", d.config).CombinedOutput()
	if err != nil {
		return fmt.Errorf("kafkatest: formatting: %w\n%s", err, out)
	}
	return nil
}

// start returns when the node listens.
func (d *node) start() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.log = &logtest.Text{}
	cmd, ended := d.java("kafka.Kafka", d.config), make(chan struct{})
	cmd.Stdout, cmd.Stderr = d.log, d.log
	if err := cmd.Start(); err != nil {
		return err
	}
	d.cmd, d.ended = cmd, ended
	go func() {
		_ = cmd.Wait()
		close(ended)
	}()
	for deadline := time.After(time.Minute); ; {
		if conn, err := net.Dial("tcp", d.addr); err == nil {
			return conn.Close()
		}
		select {
		case <-ended:
			return fmt.Errorf("kafkatest: Kafka ended:\n%s", d.log)
		case <-deadline:
			_ = cmd.Process.Kill()
			<-ended
			return fmt.Errorf("kafkatest: Kafka does not listen after a minute:\n%s", d.log)
		case <-time.After(20 * time.Millisecond): // and look again
		}
	}
}

// end ends the node by a signal, or by force if it does not heed that.
func (d *node) end(by os.Signal) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.cmd == nil {
		return
	}
	_ = d.cmd.Process.Signal(by)
	select {
	case <-d.ended:
	case <-time.After(time.Minute):
		_ = d.cmd.Process.Kill()
		<-d.ended
	}
	d.cmd = nil
}
