//go:build unix

package history_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/ebb-events/ebb"
	"github.com/ebb-events/ebb/kafka"
)

// crowd is the users, and what they know.
type crowd struct {
	sender  *kafka.Sender
	wishes  chan string // commands that the campaign wants sent
	rest    time.Duration
	clean   bool // all that is sent is a command
	mu      sync.Mutex
	sent    map[string]bool // by the command's JSON: whether it was acknowledged
	refused int             // how often a sender was told no
}

// instances is how many there are: few, so that users meet.
const instances = 48

// words are what users say, the more often the likelier. The last three are no
// commands of the type, or none at all.
var words = []struct {
	name   string
	weight int
}{
	{"plus", 200}, {"set", 75}, {"delete", 40}, {"lock", 8}, {"reject", 30}, {"panic", 15}, {"slow", 1}, {"minus", 15}, {"garbage", 8}, {"nobody", 8},
}

// run has users send until ctx ends, each in turn, and now and then two
// commands at once.
func (c *crowd) run(ctx context.Context, seed uint64, users int) {
	var all sync.WaitGroup
	for i := range users {
		all.Go(func() { c.live(ctx, rand.New(rand.NewPCG(seed, uint64(i))), fmt.Sprintf("user%d", i)) })
	}
	all.Wait()
}

// said is a command that may be sent again.
type said struct{ id, json string }

func (c *crowd) live(ctx context.Context, r *rand.Rand, name string) {
	var last []said // which are sent again
	for n := 0; ctx.Err() == nil; n++ {
		var now []said
		select {
		case wish := <-c.wishes:
			now = []said{speak(r, name, wish, n)}
		default:
			switch again := len(last) > 0 && r.IntN(5) == 0; {
			case again:
				now = []said{last[r.IntN(len(last))]}
			default:
				w := word(r)
				for c.clean && (w == "garbage" || w == "nobody") {
					w = word(r)
				}
				now = []said{speak(r, name, w, n)}
			}
		}
		last = append(last, now...)
		last = last[max(0, len(last)-4):] // well within what a service remembers
		if r.IntN(10) == 0 {
			now = append(now, now[0], speak(r, name, "plus", n+1<<30)) // at the same time
		}
		var sends sync.WaitGroup
		for i, s := range now {
			sends.Go(func() { c.send(ctx, s, fmt.Sprintf("%s %d %d", name, n, i)) })
		}
		sends.Wait()
		select {
		case <-ctx.Done():
		case <-time.After(time.Duration(r.Int64N(int64(2 * c.rest)))):
		}
	}
}

// send sends a command until it is acknowledged, under a mark of its own each
// time, so that the topic tells what became of it.
func (c *crowd) send(ctx context.Context, s said, mark string) {
	for try := 0; ; try++ {
		value := fmt.Sprintf(s.json, fmt.Sprintf("%s %d", mark, try))
		c.mu.Lock()
		c.sent[value] = false
		c.mu.Unlock()
		err := c.sender.Send(context.WithoutCancel(ctx), typ, s.id, []byte(value))
		c.mu.Lock()
		if err == nil {
			c.sent[value] = true
		} else {
			c.refused++
		}
		c.mu.Unlock()
		if err == nil || ctx.Err() != nil {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// snapshot is what was sent so far.
func (c *crowd) snapshot() map[string]bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	sent := make(map[string]bool, len(c.sent))
	for value, acknowledged := range c.sent {
		sent[value] = acknowledged
	}
	return sent
}

// word draws one by its weight.
func word(r *rand.Rand) string {
	sum := 0
	for _, w := range words {
		sum += w.weight
	}
	n := r.IntN(sum)
	i := slices.IndexFunc(words, func(w struct {
		name   string
		weight int
	}) bool {
		n -= w.weight
		return n < 0
	})
	return words[i].name
}

// speak makes a command. Its mark is still to be filled in.
func speak(r *rand.Rand, user, word string, n int) said {
	id := fmt.Sprintf("instance%d", r.IntN(instances))
	if word == "garbage" {
		return said{id, `no command, %q`}
	}
	m := ebb.Message{}
	m.Set(ebb.FieldID, id)
	m.Set(ebb.FieldCommand, word)
	m.Set(ebb.FieldCorr, fmt.Sprintf("%s/%d", user, n))
	if word != "nobody" {
		m.Set(ebb.FieldJWT, ebb.User{Name: user})
	}
	m.Set("value", r.IntN(3))
	if r.IntN(8) == 0 {
		m.Set(ebb.FieldSeq, r.IntN(10)-1)
	}
	json := m.JSON()
	return said{id, string(json[:len(json)-1]) + `,"mark":%q}`}
}
