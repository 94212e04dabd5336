package view_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/ebb-events/ebb"
	"github.com/ebb-events/ebb/view"
)

// resolved is an instance with what it refers to, as ann sees it.
func resolved(t *testing.T, v *view.View, id string, may func(string) bool) string {
	t.Helper()
	b, err := v.Get(t.Context(), ebb.Query{Type: "board-task", User: ann, Resolve: may}, id, -1)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestHrefsAreResolved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSource()
		s.ends["shop-order"] = 0
		v := run(t, s, view.Config{})
		order := func(id, rest string) ebb.Record {
			return ebb.Record{Topic: "shop-order-aggregate", Key: []byte(id), Value: []byte(`{"_seq":1` + rest + `}`)}
		}
		s.hand(4, order("o1", `,"n":1,"of":{"href":"/board/task/a"},"_jwt":{"sub":"bob"}`), order("o2", `,"_acl":{"get":["bob"]}`), order("o3", `,"_deleted":true`))
		const o1 = `,"_resolved":{"_seq":1,"n":1,"of":{"href":"/board/task/a"}}`
		for _, tt := range []struct{ name, state, want string }{
			{"an object", `"x":{"href":"/shop/order/o1"}`, `"x":{"href":"/shop/order/o1"` + o1 + `}`},
			{"in upper case", `"x":{"href":"/shop/order/O1"}`, `"x":{"href":"/shop/order/O1"` + o1 + `}`},
			{"a context in front", `"x":{"href":"/api/shop/order/o1"}`, `"x":{"href":"/api/shop/order/o1"` + o1 + `}`},
			{"two contexts", `"x":{"href":"/a/b/shop/order/o1"}`, `"x":{"href":"/a/b/shop/order/o1"` + o1 + `}`},
			{"the type in one", `"x":{"href":"/shop-order/o1"}`, `"x":{"href":"/shop-order/o1"` + o1 + `}`},
			{"both", `"x":{"href":"/api/shop-order/o1"}`, `"x":{"href":"/api/shop-order/o1"` + o1 + `}`},
			{"more fields", `"x":{"a":[1,{}],"href":"/shop/order/o1","z":"}"}`, `"x":{"a":[1,{}],"href":"/shop/order/o1","z":"}"` + o1 + `}`},
			{"in a list", `"x":[{"href":"/shop/order/o1"},{"href":"/shop/order/o1"}]`, `"x":[{"href":"/shop/order/o1"` + o1 + `},{"href":"/shop/order/o1"` + o1 + `}]`},
			{"inside of one", `"x":{"href":"/none/such/o1","y":{"href":"/shop/order/o1"}}`, `"x":{"href":"/none/such/o1","y":{"href":"/shop/order/o1"` + o1 + `}}`},
			{"hidden", `"x":{"href":"/shop/order/o2"}`, ""},
			{"deleted", `"x":{"href":"/shop/order/o3"}`, ""},
			{"absent", `"x":{"href":"/shop/order/o4"}`, ""},
			{"no such type", `"x":{"href":"/shop/other/o1"}`, ""},
			{"elsewhere", `"x":{"href":"https://a.test/shop/order/o1"}`, ""},
			{"no path", `"x":{"href":"o1"},"y":{"href":""},"z":{"href":"/"},"zz":{"href":"//"}`, ""},
			{"no string", `"x":{"href":1},"y":{"href":{"href":null}},"z":["href","/shop/order/o1"]`, ""},
			{"a value that looks like it", `"x":"\"href\":\"/shop/order/o1\"","y":"href"`, ""},
			{"the state itself", `"href":"/shop/order/o1"`, ""},
		} {
			s.hand(5, record("a", `{"_seq":0,`+tt.state+`}`))
			if tt.want == "" {
				tt.want = tt.state
			}
			if got, want := resolved(t, v, "a", all), `{"_seq":0,`+tt.want+`}`; got != want {
				t.Errorf("%s: got %s, want %s", tt.name, got, want)
			}
			if got, want := resolved(t, v, "a", nil), `{"_seq":0,`+tt.state+`}`; got != want {
				t.Errorf("%s: got %s without being asked", tt.name, got)
			}
		}
	})
}

// TestHrefsToForbiddenTypesStay: also where the instance has no _acl.
func TestHrefsToForbiddenTypesStay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSource()
		v := run(t, s, view.Config{})
		const b = `{"_seq":0,"x":{"href":"/board/task/a"}}`
		s.hand(2, state("a", 0, ""), record("b", b))
		if got := resolved(t, v, "b", func(string) bool { return false }); got != b {
			t.Errorf("got %s", got)
		}
		if got := resolved(t, v, "b", all); got == b {
			t.Errorf("got %s where it is allowed", got)
		}
	})
}

func TestResolvingIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSource()
		v := run(t, s, view.Config{})
		many := strings.Repeat(`{"href":"/board/task/a"},`, 1500)
		large := strings.Repeat(`{"href":"/board/task/large"},`, 20)
		var types strings.Builder
		for n := range 100 {
			fmt.Fprintf(&types, `{"href":"/no%d/such/a"},`, n)
		}
		s.hand(5, state("a", 0, ""),
			record("many", `{"_seq":0,"x":[`+many+`1]}`),
			record("large", `{"_seq":0,"x":"`+strings.Repeat("x", 1<<20)+`"}`),
			record("refers", `{"_seq":0,"x":[`+large+`1]}`),
			record("types", `{"_seq":0,"x":[`+types.String()+`1]}`))
		for id, want := range map[string]int{"many": 1000, "refers": 7, "types": 0} {
			if got := strings.Count(resolved(t, v, id, all), `"_resolved"`); got != want {
				t.Errorf("%s: got %d, want %d", id, got, want)
			}
		}
		if s.asked > 20 {
			t.Errorf("the broker was asked %d times", s.asked)
		}
	})
}

// TestFreshIsAlsoWhatIsReferredTo: as far as its own topic goes.
func TestFreshIsAlsoWhatIsReferredTo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSource()
		s.ends["shop-order"] = 0
		v := run(t, s, view.Config{})
		s.hand(1, record("a", `{"_seq":0,"x":{"href":"/shop/order/o"}}`))
		if got := resolved(t, v, "a", all); strings.Contains(got, "_resolved") {
			t.Errorf("got %s", got)
		}
		s.mu.Lock()
		s.ends["shop-order"] = 1
		s.mu.Unlock()
		got := make(chan string)
		go func() {
			b, err := v.Get(t.Context(), ebb.Query{Type: "board-task", User: ann, Fresh: true, Resolve: all}, "a", -1)
			got <- fmt.Sprint(string(b), err)
		}()
		synctest.Wait()
		s.feed <- func(handle func([]ebb.Record, []ebb.Position)) error {
			handle([]ebb.Record{{Topic: "shop-order-aggregate", Key: []byte("o"), Value: []byte(`{"_seq":0}`)}},
				[]ebb.Position{{Topic: "shop-order-aggregate", Offset: 1}})
			return nil
		}
		if got, want := <-got, `{"_seq":0,"x":{"href":"/shop/order/o","_resolved":{"_seq":0}}}<nil>`; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	})
}
