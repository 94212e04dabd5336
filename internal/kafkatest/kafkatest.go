// Package kafkatest runs a real Apache Kafka for tests: one node in KRaft mode
// on loopback, or several, as child processes.
//
// Its jars come from Maven Central, by the pom.xml in testdata/kafka, into
// .cache/kafka. A test that needs them and has none fails and says what to do;
// it never skips.
package kafkatest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

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
	c, err := RunCluster(dir, 1)
	if err != nil {
		return nil, nil, err
	}
	return c.Seeds, c.Stop, nil
}

// java is one of the classes in the jars, to be run.
func java(jars, heap string, args ...string) *exec.Cmd {
	cmd := exec.Command("java", append([]string{
		heap, "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
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

// FreeAddr is an address of this machine that nobody listened on a moment ago,
// and that no outgoing connection is given.
func FreeAddr() (addr string, err error) {
	for range 100 {
		var ln net.Listener
		if ln, err = net.Listen("tcp", fmt.Sprint("127.0.0.1:", 10_000+rand.N(20_000))); err == nil {
			return ln.Addr().String(), ln.Close()
		}
	}
	return "", err
}
