package bench

import (
	"fmt"
	"strings"
	"time"
)

// Row is a line of a table of latencies.
type Row struct {
	Name string
	Taken
}

// Table writes rows as Markdown, times in milliseconds.
func Table(rows []Row) string {
	var b strings.Builder
	head := []string{
		"", "commands", "lost", "duplicates", "p50", "p90", "p99", "max",
		"to the 202: p50", "p99", "202 to event: p50", "p99",
	}
	fmt.Fprintf(&b, "| %s |\n|---|%s\n", strings.Join(head, " | "), strings.Repeat("---:|", len(head)-1))
	for _, r := range rows {
		cells := []string{r.Name, fmt.Sprint(r.Commands), fmt.Sprint(r.Lost), fmt.Sprint(r.Duplicates)}
		for _, c := range []struct {
			times Times
			p     float64
		}{{r.Event, 50}, {r.Event, 90}, {r.Event, 99}, {r.Event, 100}, {r.Accepted, 50}, {r.Accepted, 99}, {r.After, 50}, {r.After, 99}} {
			cells = append(cells, ms(c.times.Percentile(c.p)))
		}
		fmt.Fprintf(&b, "| %s |\n", strings.Join(cells, " | "))
	}
	return b.String()
}

func ms(d time.Duration) string { return fmt.Sprintf("%.1f", d.Seconds()*1000) }
