package dev

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// Buttons are what the demonstration may do to the boxes, so that one sees
// that nothing is lost.
type Buttons struct {
	Cut         func() int                // resets all streams and returns how many; required
	RestartEdge func()                    // has the edge die as by a kill, and made anew; required
	EdgeUp      func() bool               // required
	StopBroker  func(time.Duration) error // stops it for so long; nil if it is not ours
	BrokerBack  func() time.Time          // when it is back, zero if it runs; nil if it is not ours
}

// ErrStopped says that the broker is stopped already.
var ErrStopped = errors.New("dev: the broker is stopped already")

// longestStop is how long the broker may be stopped, in seconds.
const longestStop = 60

// status is what GET /dev/status answers.
type status struct {
	Edge   string `json:"edge"`           // up or restarting
	Broker string `json:"broker"`         // up or stopped
	Back   int64  `json:"back,omitempty"` // when the broker is, in milliseconds since 1970
}

func (b Buttons) status() status {
	s := status{Edge: "restarting", Broker: "up"}
	if b.EdgeUp() {
		s.Edge = "up"
	}
	if b.BrokerBack == nil {
		return s
	}
	if back := b.BrokerBack(); !back.IsZero() {
		s.Broker, s.Back = "stopped", back.UnixMilli()
	}
	return s
}

// handle adds the buttons to mux. only lets nobody but the page press them.
func (b Buttons) handle(mux *http.ServeMux, only func(http.Handler) http.Handler) {
	button := func(path string, press http.HandlerFunc) { mux.Handle("POST "+path, only(press)) }
	button("/dev/cut", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Ebb-Cut", fmt.Sprint(b.Cut()))
		w.WriteHeader(http.StatusNoContent)
	})
	button("/dev/edge/restart", func(w http.ResponseWriter, _ *http.Request) {
		b.RestartEdge()
		answer(w, http.StatusAccepted, b.status())
	})
	button("/dev/broker/stop", b.stopBroker)
	mux.HandleFunc("GET /dev/status", func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, b.status()) })
}

// stopBroker answers POST ?seconds=N.
func (b Buttons) stopBroker(w http.ResponseWriter, r *http.Request) {
	if b.StopBroker == nil {
		problem(w, http.StatusConflict, "This broker is not ours to stop: ebb dev was started with --kafka.")
		return
	}
	seconds, err := strconv.Atoi(r.URL.Query().Get("seconds"))
	if err != nil || seconds < 1 || seconds > longestStop {
		problem(w, http.StatusBadRequest, fmt.Sprintf("Say for how long: ?seconds=1 to %d.", longestStop))
		return
	}
	if err := b.StopBroker(time.Duration(seconds) * time.Second); err != nil {
		problem(w, http.StatusConflict, "The broker is stopped already.")
		return
	}
	answer(w, http.StatusAccepted, b.status())
}

// answer writes JSON.
func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}
