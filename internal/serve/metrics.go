package serve

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics makes the funcs that the boxes' structs of funcs are filled with.
// Every name gets "ebb_" before it; one that is made twice panics.
type Metrics struct {
	*prometheus.Registry
}

// Counter returns what adds to a counter, given the values of its labels. One
// without labels is there from the start.
func (m Metrics) Counter(name, help string, labels ...string) func(n int, values ...string) {
	c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "ebb_" + name, Help: help}, labels)
	m.MustRegister(c)
	if len(labels) == 0 { // also because looking it up costs more than adding
		one := c.WithLabelValues()
		return func(n int, _ ...string) { one.Add(float64(n)) }
	}
	return func(n int, values ...string) { c.WithLabelValues(values...).Add(float64(n)) }
}

// Gauge shows what value returns when asked.
func (m Metrics) Gauge(name, help string, value func() float64) {
	m.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "ebb_" + name, Help: help}, value))
}

// GaugeOf returns what sets a gauge, given the values of its labels.
func (m Metrics) GaugeOf(name, help string, labels ...string) func(v float64, values ...string) {
	g := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "ebb_" + name, Help: help}, labels)
	m.MustRegister(g)
	return func(v float64, values ...string) { g.WithLabelValues(values...).Set(v) }
}

// seconds are the buckets of a histogram: 1 ms, and so on to 32 s.
var seconds = prometheus.ExponentialBuckets(0.001, 2, 16)

// Seconds returns what adds to a histogram of times, given the values of its
// labels.
func (m Metrics) Seconds(name, help string, labels ...string) func(d time.Duration, values ...string) {
	h := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "ebb_" + name + "_seconds", Help: help, Buckets: seconds}, labels)
	m.MustRegister(h)
	if len(labels) == 0 {
		one := h.WithLabelValues()
		return func(d time.Duration, _ ...string) { one.Observe(d.Seconds()) }
	}
	return func(d time.Duration, values ...string) { h.WithLabelValues(values...).Observe(d.Seconds()) }
}
