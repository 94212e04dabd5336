package hold_test

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ebb-events/ebb/internal/hold"
)

// TestClientThatVanishesIsNoticed runs in a network of its own, whose cable is
// pulled: nothing says that the client is gone.
func TestClientThatVanishesIsNoticed(t *testing.T) {
	if os.Getenv("EBB_OWN_NETWORK") == "" {
		inOwnNetwork(t)
		return
	}
	ip(t, "up")
	l := &hold.Loop{Silence: time.Second}
	t.Cleanup(l.Close)
	beats := make(chan bool, 1000)
	s := newStream(func(b []byte, now time.Time) ([]byte, hold.Next) {
		beats <- true
		return append(b, ":\n"...), hold.Next{At: now.Add(200 * time.Millisecond)}
	})
	_, resp := dial(t, looped(t, l, s), 0)
	go resp.Body.Read(make([]byte, 100))
	for range 10 { // a client that is there is not taken for one that is not
		<-beats
	}
	select {
	case err := <-s.ended:
		t.Fatalf("ended with %v", err)
	default:
	}
	ip(t, "down")
	if err := s.end(t); !errors.Is(err, hold.ErrGone) {
		t.Errorf("ended with %v", err)
	}
}

// inOwnNetwork runs the test again, where it can be alone.
func inOwnNetwork(t *testing.T) {
	again := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	again.Env = append(os.Environ(), "EBB_OWN_NETWORK=1", "PATH="+os.Getenv("PATH")+":/usr/sbin:/sbin")
	again.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWNET | syscall.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	out, err := again.CombinedOutput()
	if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EACCES) {
		t.Fatalf("%v: this test needs a network of its own; allow user namespaces (sysctl kernel.unprivileged_userns_clone=1, kernel.apparmor_restrict_unprivileged_userns=0)", err)
	}
	if err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Errorf("%v\n%s", err, out)
	}
}

func ip(t *testing.T, state string) {
	t.Helper()
	if out, err := exec.Command("ip", "link", "set", "lo", state).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}
