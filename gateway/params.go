package gateway

import (
	"net/url"
	"strconv"
	"strings"

	"github.com/ebb-events/ebb"
)

// Bounds of what one request may ask for.
const (
	maxLimit      = 1000 // instances on a page
	maxConditions = 16
)

// oneParams reads the query of a read of one instance. It returns the _seq to
// wait for, -1 if none.
func oneParams(params url.Values) (seq int64, err error) {
	seq = -1
	for name, values := range params {
		switch name {
		case "fresh", "resolve": // flags
		case "seq":
			if seq, err = number(values); err != nil || seq < 0 {
				return 0, bad("seq must be an integer, 0 or more.")
			}
		default:
			return 0, unknown(name)
		}
	}
	return seq, nil
}

// manyParams reads which page of a list is wanted.
func manyParams(params url.Values) (ebb.Page, error) {
	p := ebb.Page{Limit: maxLimit}
	for name, values := range params {
		switch {
		case name == "fresh", name == "resolve": // flags
		case name == "limit":
			n, err := number(values)
			if err != nil || n < 1 || n > maxLimit {
				return p, bad("limit must be an integer, 1 to %d.", maxLimit)
			}
			p.Limit = int(n)
		case name == "after":
			if p.After = strings.ToLower(one(values)); !uuid.MatchString(p.After) {
				return p, bad("after must be an id.")
			}
		case strings.HasPrefix(name, "/"):
			at, err := ebb.ParsePointer(name)
			if err != nil {
				return p, bad("%.50q is no JSON pointer.", name)
			}
			for _, value := range values {
				p.Where = append(p.Where, ebb.Condition{At: at, Value: value})
			}
		default:
			return p, unknown(name)
		}
	}
	if len(p.Where) > maxConditions {
		return p, bad("There are more than %d conditions.", maxConditions)
	}
	return p, nil
}

// unknown tells of a parameter that would be ignored, which is mostly a
// misspelt one.
func unknown(name string) error { return bad("There is no parameter %.50q here.", name) }

// flag reads a parameter that is true by being there.
func flag(params url.Values, name string) (bool, error) {
	values, ok := params[name]
	switch {
	case !ok:
		return false, nil
	case len(values) == 1 && (values[0] == "" || values[0] == "true"):
		return true, nil
	case len(values) == 1 && values[0] == "false":
		return false, nil
	}
	return false, bad("%s is true or false.", name)
}

func number(values []string) (int64, error) {
	return strconv.ParseInt(one(values), 10, 64)
}
