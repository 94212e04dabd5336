package bench

import (
	"strings"
	"testing"
	"time"
)

func TestTable(t *testing.T) {
	got := Table([]Row{{"embedded broker", Taken{
		Commands: 2, Lost: 1, Duplicates: 3,
		Event:    Times{1500 * time.Microsecond, 20 * time.Millisecond},
		Accepted: Times{time.Millisecond, 2 * time.Millisecond},
		After:    Times{-500 * time.Microsecond, 18 * time.Millisecond},
	}}, {"nothing", Taken{}}})
	want := `
|  | commands | lost | duplicates | p50 | p90 | p99 | max | to the 202: p50 | p99 | 202 to event: p50 | p99 |
|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|
| embedded broker | 2 | 1 | 3 | 1.5 | 20.0 | 20.0 | 20.0 | 1.0 | 2.0 | -0.5 | 18.0 |
| nothing | 0 | 0 | 0 | 0.0 | 0.0 | 0.0 | 0.0 | 0.0 | 0.0 | 0.0 | 0.0 |
`[1:]
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestBarIsDrawnWhenItGrowsAndGoneAtTheEnd(t *testing.T) {
	var terminal strings.Builder
	sent := Bar(&terminal, "x")
	for done := range 1001 {
		sent(done, 1000)
	}
	drawn := strings.Split(terminal.String(), "\r\x1b[K")[1:]
	if len(drawn) != 41 || drawn[40] != "" {
		t.Errorf("drawn %d times, the last was %q", len(drawn), drawn[len(drawn)-1])
	}
	if want := "x [####################--------------------]"; drawn[20] != want {
		t.Errorf("got %q, want %q", drawn[20], want)
	}
}
