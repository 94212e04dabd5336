package bench

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// row is a line of the table: what, what it should be, and a value by server.
type row struct {
	what, target string
	value        func(*Server) string
}

// rows are the measurements in which servers can be compared.
func (r *Report) rows() []row {
	alone := func(f func(Fanout) string) func(*Server) string {
		return func(s *Server) string {
			if all := s.Alone(); all.Deliveries > 0 {
				return f(all)
			}
			return ""
		}
	}
	burst := func(f func(Fanout) string) func(*Server) string {
		return func(s *Server) string {
			if s.Burst == nil {
				return ""
			}
			return f(*s.Burst)
		}
	}
	personal := func(f func(*Personal) string) func(*Server) string {
		return func(s *Server) string {
			if s.Personal == nil {
				return ""
			}
			return f(s.Personal)
		}
	}
	e := r.Edge
	return []row{
		{fmt.Sprintf("memory per idle stream, one channel for all, KiB (%s streams)", thousands(e.Streams)), "0.5", func(s *Server) string {
			if len(s.Memory) == 0 {
				return ""
			}
			return kib(s.Memory[len(s.Memory)-1].Value)
		}},
		{"memory per idle stream, a channel each, KiB", "0.5", personal(func(p *Personal) string { return kib(p.Memory) })},
		{"one broadcast at a time: CPU per delivery, us", "1.15 x floor", alone(func(f Fanout) string { return us(f.Each()) + r.ratio(f) })},
		{"- deliveries/s", "", alone(func(f Fanout) string { return perSecond(f.Rate()) })},
		{"- latency p50, p99, ms", "", alone(func(f Fanout) string { return ms(f.P50) + ", " + ms(f.P99) })},
		{"- lost or wrong", "0", alone(faults)},
		{fmt.Sprintf("%d broadcasts as fast as accepted: CPU per delivery, us", e.Burst), "less than a write each", burst(func(f Fanout) string { return us(f.Each()) })},
		{"- deliveries/s", "", burst(func(f Fanout) string { return perSecond(f.Rate()) })},
		{"- latency p50, p99, ms", "", burst(func(f Fanout) string { return ms(f.P50) + ", " + ms(f.P99) })},
		{"- lost or wrong", "0", burst(faults)},
		{"events to single users, /s", "50,000", personal(func(p *Personal) string {
			return perSecond(float64(p.Events-p.Lost) / max(p.Took.Seconds(), 1e-9))
		})},
		{"- CPU each, us", "", personal(func(p *Personal) string { return us(p.EachCPU) })},
		{"opening streams, /s", "5,000", personal(func(p *Personal) string {
			return perSecond(float64(p.Streams) / p.Opening.Seconds())
		})},
		{"- CPU each, us", "", personal(func(p *Personal) string { return us(p.OpenCPU) })},
		{fmt.Sprintf("all cut, back with %d missed events each, s", e.Missed), "4", personal(func(p *Personal) string {
			return fmt.Sprintf("%.1f", p.Back.Seconds())
		})},
		{"- CPU for each stream, us", "", personal(func(p *Personal) string { return us(p.BackCPU) })},
		{"- lost or wrong", "0", personal(func(p *Personal) string { return bad(p.Lost, p.Wrong) })},
	}
}

// Table writes everything as Markdown.
func (r *Report) Table() string {
	var b strings.Builder
	servers := []*Server{r.Ebb}
	if r.Floor != nil {
		servers = append(servers, r.Floor)
	}
	servers = append(servers, r.Peers...)
	head := []string{"", "target"}
	for _, s := range servers {
		head = append(head, s.Name)
	}
	writeRow(&b, head)
	fmt.Fprintf(&b, "|---|%s\n", strings.Repeat("---:|", len(head)-1))
	for _, row := range r.rows() {
		cells := []string{row.what, row.target}
		some := false
		for _, s := range servers {
			v := row.value(s)
			some = some || v != ""
			cells = append(cells, v)
		}
		if some {
			writeRow(&b, cells)
		}
	}
	alone := func(what, target, value string) {
		cells := append([]string{what, target, value}, make([]string, len(servers)-1)...)
		writeRow(&b, cells)
	}
	for _, s := range r.Secure {
		target := "as small as can be"
		if s.Name == "HTTP/1.1" {
			target = "16"
		}
		alone(fmt.Sprintf("memory per idle stream over TLS, %s, KiB (%s streams)", s.Name, thousands(s.Streams)), target, kib(s.Memory))
	}
	if s := r.Slow; s != nil {
		alone(fmt.Sprintf("one reader at 1 KB/s beside %s: their p99 with it / without it, ms", thousands(s.Fast)), "1.1 x",
			fmt.Sprintf("%s / %s = %.2f x", ms(s.With.P99), ms(s.Without.P99), float64(s.With.P99)/float64(max(s.Without.P99, 1))))
		alone("- what it got in the end, in order", thousands(s.Events), thousands(s.Received))
		alone("- the server's memory in the beginning, most, in the end, MiB", "flat", s.With.memory())
		alone("- that of the server without a slow reader", "", s.Without.memory())
		alone("- lost or wrong, for the others", "0", bad(s.With.Lost+s.Without.Lost, s.With.Wrong.plus(s.Without.Wrong)))
	}
	return b.String()
}

// memory is how the server's developed.
func (b Beside) memory() string {
	if len(b.Memory) == 0 {
		return ""
	}
	mib := func(bytes int64) float64 { return float64(bytes) / (1 << 20) }
	return fmt.Sprintf("%.0f, %.0f, %.0f", mib(b.Memory[0]), mib(slices.Max(b.Memory)), mib(b.Memory[len(b.Memory)-1]))
}

// blocksEach are the costs of a delivery in each turn, which show how steady
// the machine was.
func (s *Server) blocksEach() string {
	var all []string
	for _, b := range s.Blocks {
		all = append(all, us(b.Each()))
	}
	return strings.Join(all, ", ")
}

func writeRow(b *strings.Builder, cells []string) {
	fmt.Fprintf(b, "| %s |\n", strings.Join(cells, " | "))
}

// ratio is how much more than the floor a delivery costs.
func (r *Report) ratio(f Fanout) string {
	if r.Floor == nil || r.Floor.Alone().Each() == 0 {
		return ""
	}
	if floor := r.Floor.Alone().Each(); f.Each() != floor {
		return fmt.Sprintf(" (%.2f x)", float64(f.Each())/float64(floor))
	}
	return ""
}

// faults are what went wrong with a fan-out.
func faults(f Fanout) string { return bad(f.Lost, f.Wrong) }

func bad(lost int, c counts) string {
	var all []string
	for _, n := range []struct {
		count int
		what  string
	}{
		{lost, "lost"}, {c.Missing, "out of order"}, {c.Repeats, "twice"}, {c.Foreign, "of others"}, {c.Resets, "resets"}, {c.Ended, "streams ended"},
	} {
		if n.count > 0 {
			all = append(all, thousands(n.count)+" "+n.what)
		}
	}
	if all == nil {
		return "0"
	}
	return strings.Join(all, ", ")
}

// Wrong says what Ebb lost or sent twice, nil if nothing.
func (r *Report) Wrong() error {
	var errs []error
	check := func(what, bad string) {
		if bad != "0" {
			errs = append(errs, fmt.Errorf("%s: %s", what, bad))
		}
	}
	check("broadcasts, one at a time", faults(r.Ebb.Alone()))
	if r.Ebb.Burst != nil {
		check("broadcasts, as fast as accepted", faults(*r.Ebb.Burst))
	}
	if p := r.Ebb.Personal; p != nil {
		check("events to single users", bad(p.Lost, p.Wrong))
	}
	if s := r.Slow; s != nil {
		check("beside a slow reader", bad(s.With.Lost, s.With.Wrong))
		check("without a slow reader", bad(s.Without.Lost, s.Without.Wrong))
		check("to a slow reader", bad(s.Events-s.Received, counts{}))
	}
	for _, s := range r.Secure {
		check("over TLS, "+s.Name, bad(s.Streams-s.Heard, counts{}))
	}
	return errors.Join(errs...)
}

func kib(bytes float64) string { return fmt.Sprintf("%.2f", bytes/1024) }

func us(d time.Duration) string { return fmt.Sprintf("%.1f", float64(d)/1000) }

func perSecond(rate float64) string { return thousands(int(rate + 0.5)) }

// thousands writes a number as 15,000.
func thousands(n int) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
