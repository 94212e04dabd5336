package aws

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	runtime "github.com/aws/aws-lambda-go/lambda"
)

// TestMain is a function, too: what Lambda's own runtime makes of one.
func TestMain(m *testing.M) {
	if os.Getenv("AWS_LAMBDA_RUNTIME_API") == "" {
		os.Exit(m.Run())
	}
	n := 0
	runtime.Start(func(text string) (string, error) {
		n++
		switch text {
		case "fail":
			return "", errors.New("on demand")
		case "panic":
			panic("on demand")
		case "exit":
			os.Exit(7)
		case "hang":
			select {}
		case "slow":
			time.Sleep(50 * time.Millisecond)
		case "env":
			return os.Getenv("NAME") + os.Getenv("HOME"), nil
		}
		return fmt.Sprint(text, n), nil
	})
}

func program(t *testing.T) *Function {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	f := &Function{Name: "f", Path: self, Env: []string{"NAME=value"}}
	t.Cleanup(f.Close)
	return f
}

func call(t *testing.T, f *Function, text string) string {
	t.Helper()
	got, err := f.Invoke(t.Context(), []byte(`"`+text+`"`))
	if err != nil {
		return err.Error()
	}
	return strings.Trim(string(got), `"`)
}

// TestEnvironmentIsUsedAgain, also after a failure, and made anew after a death.
func TestEnvironmentIsUsedAgain(t *testing.T) {
	f := program(t)
	starts := 0
	f.Cold = func(took time.Duration) {
		if starts++; took <= 0 {
			t.Errorf("started in %v", took)
		}
	}
	f.Timeout = 5 * time.Second
	for _, tt := range []struct{ text, want string }{
		{"a", "a1"},
		{"fail", "errorString: on demand"},
		{"b", "b3"},
		{"panic", "string: on demand"},
		{"c", "c1"},
		{"exit", "Runtime.ExitError: f ended"},
		{"d", "d1"},
		{"env", "value"},
	} {
		if got := call(t, f, tt.text); !strings.HasPrefix(got, tt.want) {
			t.Errorf("%s: got %s, want %s", tt.text, got, tt.want)
		}
	}
	if starts != 3 {
		t.Errorf("started %d times", starts)
	}
}

func TestTimeoutKills(t *testing.T) {
	f := program(t)
	f.Timeout = 300 * time.Millisecond
	if got := call(t, f, "hang"); got != "Sandbox.Timedout: Task timed out after 0.30 seconds" {
		t.Errorf("got %s", got)
	}
	f.Timeout = 5 * time.Second
	if got := call(t, f, "a"); got != "a1" {
		t.Errorf("then %s", got)
	}
}

// TestOneEventAtATime in each environment, and no more environments than may be.
func TestOneEventAtATime(t *testing.T) {
	f := program(t)
	f.Most = 3
	var mu sync.Mutex
	starts := 0
	f.Cold = func(time.Duration) {
		mu.Lock()
		defer mu.Unlock()
		starts++
	}
	var all sync.WaitGroup
	for range 12 {
		all.Go(func() {
			if got := call(t, f, "slow"); !strings.HasPrefix(got, "slow") {
				t.Errorf("got %s", got)
			}
		})
	}
	all.Wait()
	if starts < 2 || starts > 3 {
		t.Errorf("%d environments, want 2 or 3", starts)
	}
}

func TestProgramThatIsNotThere(t *testing.T) {
	f := &Function{Name: "f", Path: "/nowhere"}
	if got := call(t, f, "a"); !strings.HasPrefix(got, "aws: starting f: ") {
		t.Errorf("got %s", got)
	}
	f.Close()
	if got := call(t, f, "a"); got != errClosed.Error() {
		t.Errorf("closed: %s", got)
	}
}
