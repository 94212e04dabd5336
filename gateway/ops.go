package gateway

import (
	"encoding/json"
	"strings"

	"github.com/ebb-events/ebb"
)

// needs are the fields of each operation of a JSON Patch, beside op and path.
var needs = map[string]string{
	"add": "value", "replace": "value", "test": "value",
	"move": "from", "copy": "from",
	"remove": "",
}

// ops checks a JSON Patch (RFC 6902): no operation reads or changes what the
// client could not set by itself.
func (g *Gateway) ops(patch json.RawMessage, at place) error {
	var list []json.RawMessage
	if json.Unmarshal(patch, &list) != nil || list == nil {
		return bad("A patch is a list of operations.")
	}
	for n, one := range list {
		op, err := ebb.ParseMessage(one)
		if err != nil {
			return bad("Operation %d of the patch is no object.", n)
		}
		need, ok := needs[op.String("op")]
		if !ok {
			return bad("Operation %d of the patch is none of add, remove, replace, move, copy, test.", n)
		}
		if need != "" && op[need] == nil {
			return bad("Operation %d of the patch has no %s.", n, need)
		}
		for name := range op {
			switch name {
			case "op", "value":
			case "path", "from":
				if err := g.touches(op, name, n, at); err != nil {
					return err
				}
			default: // a reader that is careless about case would take "Path" for path
				return bad("Operation %d of the patch has %.50q.", n, name)
			}
		}
		if op["path"] == nil {
			return bad("Operation %d of the patch has no path.", n)
		}
	}
	return nil
}

// touches checks the place that an operation reads or changes.
func (g *Gateway) touches(op ebb.Message, field string, n int, at place) error {
	text := op.String(field)
	if string(op[field]) != `""` && text == "" {
		return bad("The %s of operation %d of the patch is no string.", field, n)
	}
	p, err := ebb.ParsePointer(text)
	if err != nil {
		return bad("The %s of operation %d of the patch is no JSON pointer.", field, n)
	}
	switch {
	case len(p) == 0:
		return bad("The %s of operation %d of the patch is the whole document.", field, n)
	case (p[0] == ebb.FieldACL || p[0] == ebb.FieldSubscriptions) && g.ownACL(at):
	case strings.HasPrefix(p[0], "_"):
		return bad("The %s of operation %d of the patch is reserved: %.50q.", field, n, p[0])
	}
	return nil
}
