package pushpintest

import (
	_ "embed"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ebb-events/ebb/internal/kafkatest"
)

//go:embed pushpin.conf
var conf string

// Pushpin is where it serves.
type Pushpin struct{ Front, Control string } // URLs

// Start runs Pushpin until the test ends, in front of an origin, host:port,
// whose answer at / is "ready". With secret it signs what it asks.
func Start(t testing.TB, origin, secret string) Pushpin {
	t.Helper()
	dir, err := os.MkdirTemp("", "pushpin") // a short path: it has sockets in it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	front, control := port(t), port(t)
	for name, text := range map[string]string{
		"pushpin.conf": strings.NewReplacer("DIR", dir, "FRONT", front, "CONTROL", control, "SECRET", secret).Replace(conf),
		"routes":       "* " + origin + "\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		if t.Failed() {
			tell(t, dir)
		}
	})
	cmd := exec.Command("pushpin", "--config="+filepath.Join(dir, "pushpin.conf"))
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM} // its parts are processes of their own
	if err := cmd.Start(); err != nil {
		t.Fatalf("%v (make deps installs it)", err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		late := time.AfterFunc(5*time.Second, func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) })
		defer late.Stop()
		_ = cmd.Wait()
	})
	p := Pushpin{"http://127.0.0.1:" + front, "http://127.0.0.1:" + control}
	p.await(t)
	return p
}

// await waits until Pushpin serves. Its parts find each other one after the other.
func (p Pushpin) await(t testing.TB) {
	t.Helper()
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	late := time.After(30 * time.Second)
	for good := 0; good < 20; {
		select {
		case <-late:
			t.Fatal("Pushpin does not serve")
		case <-look.C:
		}
		if good++; !p.serves() {
			good = 0
		}
	}
}

// serves tells whether the origin is heard, and the control port is there.
func (p Pushpin) serves() bool {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: time.Second}
	resp, err := client.Get(p.Control)
	if err != nil {
		return false
	}
	resp.Body.Close()
	if resp, err = client.Get(p.Front); err != nil {
		return false
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	return string(body) == "ready"
}

// tell logs what Pushpin's parts have to say.
func tell(t testing.TB, dir string) {
	logs, _ := filepath.Glob(filepath.Join(dir, "*.log"))
	for _, name := range logs {
		text, err := os.ReadFile(name)
		t.Logf("%s: %v\n%s", filepath.Base(name), err, text)
	}
}

// port returns one that nobody has, for a program that must be told one.
func port(t testing.TB) string {
	t.Helper()
	addr, err := kafkatest.FreeAddr()
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(addr)
	return port
}
