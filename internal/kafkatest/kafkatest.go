// Package kafkatest runs a real Apache Kafka for tests: one node in KRaft mode
// on loopback, as a child process.
//
// Its jars come from Maven Central, by the pom.xml in testdata/kafka, into
// .cache/kafka. A test that needs them and has none fails and says what to do;
// it never skips.
package kafkatest

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// settings are the broker's. One broker holds everything, and groups form
// without waiting for latecomers.
const settings = `process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers=%[2]s
listeners=PLAINTEXT://%[1]s,CONTROLLER://%[2]s
advertised.listeners=PLAINTEXT://%[1]s
controller.listener.names=CONTROLLER
log.dirs=%[3]s
auto.create.topics.enable=false
group.initial.rebalance.delay.ms=0
offsets.topic.num.partitions=4
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
`

// Start runs Kafka until the test ends and returns where it listens.
func Start(t testing.TB) (seeds []string) {
	t.Helper()
	seeds, stop, err := Run(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	return seeds
}

// Run is Start for a TestMain, with its data in dir, which must be empty. The
// caller calls stop.
func Run(dir string) (seeds []string, stop func(), err error) {
	jars, err := libs()
	if err != nil {
		return nil, nil, err
	}
	broker, err := freeAddr()
	if err != nil {
		return nil, nil, err
	}
	controller, err := freeAddr()
	if err != nil {
		return nil, nil, err
	}
	config := filepath.Join(dir, "server.properties")
	text := fmt.Sprintf(settings, broker, controller, filepath.Join(dir, "data"))
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return nil, nil, err
	}
	stop, err = boot(jars, config, broker, nil)
	return []string{broker}, stop, err
}

// boot formats and starts the node of a config, and returns when it listens.
func boot(jars, config, addr string, options []string) (stop func(), err error) {
	const clusterID = "ZWJiLXRlc3RzLWthZmthMQ"
	if out, err := java(jars, append(options, "kafka.tools.StorageTool", "format", "--standalone", "-t", clusterID, "-c", config)...).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("kafkatest: formatting: %w\n%s", err, out)
	}
	cmd := java(jars, append(options, "kafka.Kafka", config)...)
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(ended)
	}()
	stop = func() {
		_ = cmd.Process.Kill()
		<-ended
	}
	for deadline := time.After(time.Minute); ; {
		if conn, err := net.Dial("tcp", addr); err == nil {
			return stop, conn.Close()
		}
		select {
		case <-ended:
			return nil, fmt.Errorf("kafkatest: Kafka ended:\n%s", log.Bytes())
		case <-deadline:
			stop()
			return nil, fmt.Errorf("kafkatest: Kafka does not listen after a minute:\n%s", log.Bytes())
		case <-time.After(20 * time.Millisecond): // and look again
		}
	}
}

// java is one of the classes in the jars, to be run.
func java(jars string, args ...string) *exec.Cmd {
	cmd := exec.Command("java", append([]string{
		"-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
		"-cp", filepath.Join(jars, "*"),
	}, args...)...)
	dieWithParent(cmd)
	return cmd
}

// libs returns the folder of the jars: EBB_KAFKA_LIBS, else .cache/kafka of
// the module.
func libs() (string, error) {
	const hint = "run `make deps` first, or name the folder of Kafka's jars in EBB_KAFKA_LIBS"
	if _, err := exec.LookPath("java"); err != nil {
		return "", errors.New("kafkatest: no java: install a Java 17 runtime, then " + hint)
	}
	dir := os.Getenv("EBB_KAFKA_LIBS")
	if dir == "" {
		root, err := moduleRoot()
		if err != nil {
			return "", err
		}
		dir = filepath.Join(root, ".cache", "kafka")
	}
	if found, _ := filepath.Glob(filepath.Join(dir, "kafka_*.jar")); len(found) == 0 {
		return "", fmt.Errorf("kafkatest: no Kafka in %s: %s", dir, hint)
	}
	return dir, nil
}

// moduleRoot is the nearest folder above the test's with a go.mod.
func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	for err == nil {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		if filepath.Dir(dir) == dir {
			err = errors.New("kafkatest: no go.mod above the test")
			return "", err
		}
		dir = filepath.Dir(dir)
	}
	return "", err
}

// freeAddr is a loopback address that was free a moment ago.
func freeAddr() (string, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return ln.Addr().String(), ln.Close()
}
