//go:build unix

package history_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ebb-events/ebb"
	"github.com/ebb-events/ebb/aggregate"
	"github.com/ebb-events/ebb/internal/history"
	"github.com/ebb-events/ebb/kafka"
)

// What a service's process is told in its environment.
const (
	envSeeds = "EBB_HISTORY_SEEDS" // and that it is one
	envName  = "EBB_HISTORY_ENVIRONMENT"
	envLocal = "EBB_HISTORY_EMBEDDED"
	envOnce  = "EBB_HISTORY_ONCE" // directory of what happens once
)

// typ is the aggregate type of the campaign.
const typ = "test-counter"

func TestMain(m *testing.M) {
	if os.Getenv(envSeeds) == "" {
		_ = flag.Set("test.parallel", "8") // the campaigns wait more than they work
		os.Exit(m.Run())
	}
	if err := serve(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// serve is the service: as a team would write it, but for the reducers that end
// or stop their process.
func serve() error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(1) // whoever started it is gone
	}()
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	client, err := kafka.Open(kafka.Config{
		Seeds:       strings.Split(os.Getenv(envSeeds), ","),
		Environment: os.Getenv(envName),
		Embedded:    os.Getenv(envLocal) != "",
		Types:       []string{typ},
		Log:         log,
	})
	if err != nil {
		return err
	}
	defer client.Close()
	commands := client.Commands(typ, "history"+os.Getenv(envName))
	defer commands.Close()
	return counters.Run(ctx, commands, aggregate.Config{Environment: os.Getenv(envName), Deadline: deadline, Logger: log})
}

// deadline is a reducer's. Batches must end before the group gives up.
const deadline = session / 4

// counter is an instance.
type counter struct {
	Value int     `json:"value"`
	ACL   ebb.ACL `json:"_acl,omitempty"`
}

var counters = aggregate.Type[counter]{
	Name: typ,
	On: map[string]aggregate.Reducer[counter]{
		"plus": plus,
		"set": func(_ context.Context, c counter, cmd aggregate.Command) (counter, error) {
			return c, cmd.Decode(&c)
		},
		"delete": aggregate.Delete[counter],
		"lock": func(_ context.Context, c counter, cmd aggregate.Command) (counter, error) {
			if c.ACL == nil {
				c.ACL = ebb.ACL{"set": {cmd.User.Name}}
			}
			return c, nil
		},
		"reject": func(_ context.Context, c counter, _ aggregate.Command) (counter, error) {
			return c, aggregate.Reject("/value", "NO", "Not this.")
		},
		"panic": func(context.Context, counter, aggregate.Command) (counter, error) { panic("of the reducer") },
		"slow": func(ctx context.Context, c counter, _ aggregate.Command) (counter, error) {
			<-ctx.Done()
			return c, ctx.Err()
		},
		"die": func(ctx context.Context, c counter, cmd aggregate.Command) (counter, error) {
			once("die", cmd, syscall.SIGKILL)
			return plus(ctx, c, cmd)
		},
		"freeze": func(ctx context.Context, c counter, cmd aggregate.Command) (counter, error) {
			once("freeze", cmd, syscall.SIGSTOP)
			return plus(ctx, c, cmd)
		},
	},
}

func plus(_ context.Context, c counter, _ aggregate.Command) (counter, error) {
	c.Value++
	return c, nil
}

// once says what it does and does it to its own process, but never again for
// the same command, in no process.
func once(what string, cmd aggregate.Command, signal syscall.Signal) {
	name := what + "-" + strings.ReplaceAll(cmd.Corr, "/", "_")
	if os.Mkdir(filepath.Join(os.Getenv(envOnce), name), 0o700) == nil {
		fmt.Println(what)
		_ = syscall.Kill(os.Getpid(), signal)
		time.Sleep(10 * time.Millisecond) // the signal reaches all threads, but not at once
	}
}

// model says what the reducers do, without them.
func model(i history.Instance, cmd ebb.Message) (ebb.Outcome, map[string]any) {
	name, user := cmd.String(ebb.FieldCommand), cmd.User().Name
	if counters.On[name] == nil {
		return ebb.Unknown, nil
	}
	state := map[string]any{}
	value := 0
	if i.Exists() {
		fmt.Sscan(fmt.Sprint(i.State["value"]), &value)
		if acl, ok := i.State[ebb.FieldACL].(map[string]any); ok {
			state[ebb.FieldACL] = acl
			if name == "set" && acl["set"].([]any)[0] != user {
				return ebb.Forbidden, nil
			}
		}
	}
	if seq, ok := cmd.Int(ebb.FieldSeq); ok && seq != i.Seq {
		return ebb.Stale, nil
	}
	switch name {
	case "plus", "die", "freeze":
		value++
	case "set":
		given, _ := cmd.Int("value")
		value = int(given)
	case "lock":
		if state[ebb.FieldACL] == nil {
			state[ebb.FieldACL] = map[string]any{"set": []any{user}}
		}
	case "delete":
		if !i.Exists() {
			return ebb.Unchanged, nil
		}
		return ebb.Applied, map[string]any{ebb.FieldDeleted: true}
	case "reject":
		return ebb.Rejected, nil
	case "panic", "slow":
		return ebb.Failed, nil
	}
	state["value"] = json.Number(strconv.Itoa(value))
	if reflect.DeepEqual(state, i.State) {
		return ebb.Unchanged, nil
	}
	return ebb.Applied, state
}
