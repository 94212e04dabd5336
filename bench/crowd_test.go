//go:build linux

package bench

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// event is what a server sends.
func event(number uint32, user int32) string {
	return fmt.Sprintf("id: %d\ndata: %s\n\n", number, mark{number, user, 1}.appendData(nil, 0))
}

// TestCrowdSeesEveryFault: what a server may do wrong is counted as that.
func TestCrowdSeesEveryFault(t *testing.T) {
	tests := []struct {
		path, stream string
		want         counts
	}{
		{"/good", event(4, 0) + event(5, 0), counts{Events: 2}},
		{"/twice", event(4, 0) + event(4, 0) + event(5, 0), counts{Events: 2, Repeats: 1}},
		{"/replayed", event(3, 0) + event(4, 0), counts{Events: 1, Repeats: 1}},
		{"/lost", event(4, 0) + event(7, 0), counts{Events: 2, Missing: 2}},
		{"/first lost", event(5, 0), counts{Events: 1, Missing: 1}},
		{"/swapped", event(5, 0) + event(4, 0), counts{Events: 1, Missing: 1, Repeats: 1}},
		{"/foreign", event(4, 0) + event(4, 1), counts{Events: 1, Foreign: 1}},
		{"/reset", "event: ebb.reset\ndata: {}\n\n" + event(4, 0), counts{Events: 1, Resets: 1}},
		{"/own", "event: ebb.mark\ndata\nid: 7\n\n" + event(4, 0), counts{Events: 1}},
	}
	for _, tt := range tests {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprint(w, tt.stream)
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		}))
		c, err := newCrowd(server.Listener.Addr().String(), false, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		c.add(strings.ReplaceAll(tt.path, " ", "-"), 0, 3)
		sum := func(c counts) int { return c.Events + c.Repeats + c.Foreign + c.Resets }
		if err := c.run(t.Context(), func() bool { return sum(c.counts) == sum(tt.want) }); err != nil {
			t.Fatal(err)
		}
		if c.counts != tt.want {
			t.Errorf("%s: got %+v, want %+v", tt.path, c.counts, tt.want)
		}
		if err := c.begin(); (err != nil) != tt.want.wrong() {
			t.Errorf("%s: got %v when something new was to begin", tt.path, err)
		}
		c.close()
		server.Close()
	}
}

func TestCrowdComesBackWhereItWas(t *testing.T) {
	const streams, events = 300, 5
	var opened atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		opened.Add(1)
		user, _ := strconv.Atoi(strings.TrimPrefix(r.URL.Path, "/"))
		last, _ := strconv.Atoi(r.Header.Get("Last-Event-ID"))
		if last < events { // one at a time, and the stream ends
			fmt.Fprint(w, event(uint32(last+1), int32(user)))
			return
		}
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}))
	defer server.Close()
	c, err := newCrowd(server.Listener.Addr().String(), false, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	c.atOnce, c.back = 50, true
	for i := range streams {
		c.add(fmt.Sprintf("/%d", i), int32(i), 0)
	}
	if err := c.run(t.Context(), func() bool { return c.Events == streams*events && c.allOpen() }); err != nil {
		t.Fatalf("%v; %+v", err, c.counts)
	}
	if c.wrong() || c.Ended != streams*events || opened.Load() != streams*(events+1) {
		t.Errorf("got %+v, opened %d times", c.counts, opened.Load())
	}
	c.cut(100)
	if c.open != 100 || c.allOpen() {
		t.Errorf("%d are open after a cut, want 100", c.open)
	}
	c.shrink(100)
	if !c.allOpen() {
		t.Errorf("%d of %d are open", c.open, len(c.streams))
	}
}

// TestCrowdGivesUp when nothing comes, whatever the reason.
func TestCrowdGivesUp(t *testing.T) {
	refusing := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(403) }))
	defer refusing.Close()
	c, err := newCrowd(refusing.Listener.Addr().String(), false, 100*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	c.add("/", 0, 0)
	if err := c.run(t.Context(), c.allOpen); !errors.Is(err, errSilent) || c.Refused != 1 || c.opening != 0 {
		t.Errorf("got %v, %d refused, %d being opened", err, c.Refused, c.opening)
	}
}
