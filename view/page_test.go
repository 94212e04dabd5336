package view_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ebb-events/ebb"
	"github.com/ebb-events/ebb/view"
)

// page is a page that u reads.
func page(t *testing.T, v *view.View, u ebb.User, p ebb.Page) string {
	t.Helper()
	list, err := v.List(t.Context(), ebb.Query{Type: "board-task", User: u}, p)
	if err != nil {
		t.Fatal(err)
	}
	return brief(list)
}

func TestPagesFollowOneAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSource()
		v := run(t, s, view.Config{})
		s.hand(5, state("a", 0, ""), state("b", 0, `,"_acl":{"get":["bob"]}`), state("c", 0, ""), state("d", 0, ""), state("e", 0, ""))
		for _, tt := range []struct {
			after string
			limit int
			want  string
		}{
			{"", 2, "a0 c0 >c"},
			{"c", 2, "d0 e0"},
			{"", 4, "a0 c0 d0 e0"},
			{"", 5, "a0 c0 d0 e0"},
			{"B", 1, "c0 >c"},
			{"e", 2, ""},
			{"x", 2, ""},
		} {
			if got := page(t, v, ann, ebb.Page{After: tt.after, Limit: tt.limit}); got != tt.want {
				t.Errorf("%d after %q: got %q, want %q", tt.limit, tt.after, got, tt.want)
			}
		}
		// One that is made or deleted while a client turns pages moves no other.
		s.hand(7, state("bb", 0, ""), state("c", 1, `,"_deleted":true`))
		if got := page(t, v, ann, ebb.Page{After: "c", Limit: 2}); got != "d0 e0" {
			t.Errorf("got %q, want what it was", got)
		}
	})
}

func TestPageEndsWhereItGetsTooLarge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSource()
		v := run(t, s, view.Config{})
		large := `,"x":"` + strings.Repeat("x", 3<<20) + `"`
		s.hand(4, state("a", 0, large), state("b", 0, large), state("c", 0, large), state("d", 0, `,"x":"`+strings.Repeat("x", 9<<20)+`"`))
		for after, want := range map[string]string{"": "a0 b0 >b", "b": "c0 >c", "c": "d0"} {
			if got := page(t, v, ann, ebb.Page{After: after, Limit: 1000}); got != want {
				t.Errorf("after %q: got %q, want %q", after, got, want)
			}
		}
	})
}

// TestPageIsOfOneMoment: pairs are always written in one batch, and seen so.
func TestPageIsOfOneMoment(t *testing.T) {
	const pairs, last = 400, 50
	s := newSource()
	s.end(1)
	v := run(t, s, view.Config{})
	batch := func(seq int) (records []ebb.Record) {
		for n := range pairs {
			records = append(records, state(fmt.Sprintf("%05d", n), seq, fmt.Sprintf(`,"other":{"href":"/board/task/%05d"}`, pairs-1-n)))
		}
		return records
	}
	s.send(1, batch(0)...)
	done := make(chan bool)
	go func() {
		defer close(done)
		for seq := range last {
			s.send(int64(seq+2), batch(seq+1)...)
		}
	}()
	for ended := false; !ended; {
		select {
		case <-done:
			ended = true
		default:
		}
		list, err := v.List(t.Context(), ebb.Query{Type: "board-task", User: ann, Resolve: all}, ebb.Page{Limit: 1000})
		if err != nil || len(list.Items) != pairs {
			t.Fatalf("got %d, %v", len(list.Items), err)
		}
		_, rest, _ := strings.Cut(string(list.Items[0]), `"_seq":`)
		seq, _, _ := strings.Cut(rest, ",")
		for _, item := range list.Items {
			if strings.Count(string(item), `"_seq":`+seq+`,`) != 2 {
				t.Fatalf("%s is beside _seq %s", item, seq)
			}
		}
	}
}

func all(string) bool { return true }

func TestFilters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSource()
		v := run(t, s, view.Config{})
		s.hand(4,
			state("a", 0, `,"column":"todo","n":1,"done":false,"tags":["x","y",3],"who":{"name":"ann","a/b":["q"],"~":null}`),
			state("b", 0, `,"column":"to\u0064o","n":1.0,"done":true,"tags":[],"who":null,"x":[[1],{"y":1}]`),
			state("c", 0, `,"column":"doing","n":12345678901234567890,"done":"true","tags":"x","":{"":"e"}`),
			state("d", 0, ``))
		for _, tt := range []struct{ where, want string }{
			{"/column=todo", "a0 b0"},
			{"/column=Todo", ""},
			{"/column=", ""},
			{"/n=1", "a0"},
			{"/n=1.0", "b0"},
			{"/n=12345678901234567890", "c0"},
			{"/done=true", "b0 c0"},
			{"/done=false", "a0"},
			{"/tags=x", "a0 c0"},
			{"/tags=x /tags=y", "a0"},
			{"/tags=3", "a0"},
			{"/tags/1=y", "a0"},
			{"/tags/01=y", ""},
			{"/tags/-1=y", ""},
			{"/tags/3=y", ""},
			{"/tags/0=x", "a0"},
			{"/x=1", ""},
			{"/x/0=1", "b0"},
			{"/x/1/y=1", "b0"},
			{"/who=null", "b0"},
			{"/who/~0=null", "a0"},
			{"/who/a~1b=q", "a0"},
			{"/who/name=ann /column=todo", "a0"},
			{"/who/name/x=ann", ""},
			{"/who={}", ""},
			{"/none=null", ""},
			{"/=e", ""},
			{"//=e", "c0"},
			{"/_id=d", "d0"},
			{"/_seq=0", "a0 b0 c0 d0"},
		} {
			p := ebb.Page{Limit: 10}
			for one := range strings.FieldsSeq(tt.where) {
				pointer, value, _ := strings.Cut(one, "=")
				at, err := ebb.ParsePointer(pointer)
				if err != nil {
					t.Fatal(err)
				}
				p.Where = append(p.Where, ebb.Condition{At: at, Value: value})
			}
			if got := page(t, v, ann, p); got != tt.want {
				t.Errorf("%s: got %q, want %q", tt.where, got, tt.want)
			}
		}
	})
}

// waited asks for a _seq and returns what comes of it.
func waited(v *view.View, u ebb.User, id string, seq int64) string {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	b, err := v.Get(ctx, ebb.Query{Type: "board-task", User: u}, id, seq)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

func TestSeqWaitsForTheInstance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSource()
		v := run(t, s, view.Config{})
		s.hand(1, state("a", 3, ""))
		const had = `{"_id":"a","_seq":3,"_type":"board-task"}`
		for _, seq := range []int64{-1, 0, 3} {
			if got := waited(v, ann, "A", seq); got != had {
				t.Errorf("got %q for %d, want it at once", got, seq)
			}
		}
		if got := waited(v, ann, "a", 9); got != context.DeadlineExceeded.Error() {
			t.Errorf("got %q, want the wait to end", got)
		}
		got := make(chan string, 2)
		for _, id := range []string{"a", "b"} {
			go func() { got <- waited(v, ann, id, 5) }()
		}
		synctest.Wait()
		s.hand(4, state("a", 4, ""), state("b", 4, ""), state("c", 5, ""))
		if len(got) > 0 {
			t.Errorf("got %q too soon", <-got)
		}
		s.hand(6, state("a", 6, ""))
		if got := <-got; got != `{"_id":"a","_seq":6,"_type":"board-task"}` {
			t.Errorf("got %q", got)
		}
		// What is deleted has come to its _seq, too.
		s.hand(7, state("b", 5, `,"_deleted":true`))
		if got := <-got; got != "" {
			t.Errorf("got %q of what is deleted", got)
		}
		if got := waited(v, ann, "b", 5); got != "" {
			t.Errorf("got %q of what is deleted, later", got)
		}
	})
}

// TestSeqTellsNothingOfWhatIsHidden: who may not see an instance waits for it
// like for one that is not there.
func TestSeqTellsNothingOfWhatIsHidden(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSource()
		v := run(t, s, view.Config{})
		s.hand(2, state("a", 3, `,"_acl":{"get":["bob"]}`), state("d", 3, `,"_acl":{"get":["bob"]},"_deleted":true`))
		for _, id := range []string{"a", "d", "none"} {
			if got := waited(v, ann, id, 0); got != context.DeadlineExceeded.Error() {
				t.Errorf("%s: got %q", id, got)
			}
		}
		if got := waited(v, bob, "a", 0); got == "" {
			t.Error("bob got nothing")
		}
	})
}

func TestSeqWaitsThroughARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSource()
		s.end(1)
		v := run(t, s, view.Config{})
		s.hand(1, state("a", 0, ""))
		got := make(chan string)
		go func() { got <- waited(v, ann, "a", 1) }()
		synctest.Wait()
		s.cut()
		s.hand(2, state("a", 1, ""))
		if got := <-got; got != `{"_id":"a","_seq":1,"_type":"board-task"}` {
			t.Errorf("got %q", got)
		}
	})
}
