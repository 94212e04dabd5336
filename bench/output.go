package bench

import (
	"encoding/json"
	"strconv"
)

// output is what must be known of a reply, an event or a state.
type output struct {
	ID      string `json:"_id"`
	Corr    string `json:"_corr"`
	Outcome string `json:"_outcome"`
	Seq     int    `json:"_seq"`
	Value   int    `json:"value"`

	corr int // of a command of ours, -1 of others
}

func parseOutput(value []byte) (m output) {
	if json.Unmarshal(value, &m) != nil {
		return output{corr: -1}
	}
	n, err := strconv.Atoi(m.Corr)
	if err != nil {
		n = -1
	}
	m.corr = n
	return m
}
