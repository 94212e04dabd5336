package kafkatest_test

import (
	"net"
	"strings"
	"testing"

	"github.com/ebb-events/ebb/internal/kafkatest"
)

func TestKafkaListensWhereItSays(t *testing.T) {
	conn, err := net.Dial("tcp", kafkatest.Start(t)[0])
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
}

func TestMissingJarsSayWhatToDo(t *testing.T) {
	t.Setenv("EBB_KAFKA_LIBS", t.TempDir())
	_, _, err := kafkatest.Run(t.TempDir())
	if err == nil || !strings.Contains(err.Error(), "make deps") {
		t.Errorf("got %v", err)
	}
}

func TestKilledNodeComesBack(t *testing.T) {
	c, err := kafkatest.RunCluster(t.TempDir(), 3)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Stop)
	c.Kill(1)
	if conn, err := net.Dial("tcp", c.Seeds[1]); err == nil {
		conn.Close()
		t.Error("the killed node listens")
	}
	if err := c.Restart(1); err != nil {
		t.Error(err)
	}
}
