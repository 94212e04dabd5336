package gateway

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/ebb-events/ebb"
)

// maxName is the longest _command and _corr, in bytes.
const maxName = 200

// byMethod are the commands that are methods of HTTP.
var byMethod = map[string]string{http.MethodPut: "put", http.MethodPatch: "patch", http.MethodDelete: "delete"}

// complete checks the reserved fields of a client's command and sets those
// that are the gateway's.
func (g *Gateway) complete(m ebb.Message, r *http.Request, at place, who identity) error {
	if name := byMethod[r.Method]; name != "" {
		if _, ok := m[ebb.FieldCommand]; ok && m.String(ebb.FieldCommand) != name {
			return bad("_command must be %q for this method.", name)
		}
		m.Set(ebb.FieldCommand, name)
	}
	if _, ok := m[ebb.FieldCorr]; !ok {
		m.Set(ebb.FieldCorr, corrOf(r))
	}
	for _, name := range []string{ebb.FieldCommand, ebb.FieldCorr} {
		if s := m.String(name); s == "" || len(s) > maxName {
			return bad("%s must be a string of 1 to %d bytes.", name, maxName)
		}
	}
	for name := range m {
		if err := g.reserved(m, name, at); err != nil {
			return err
		}
	}
	m.Set(ebb.FieldID, at.id)
	m.Set(ebb.FieldType, at.typ)
	m.Set(ebb.FieldTimestamp, g.cfg.Now().UnixMilli())
	m[ebb.FieldJWT] = who.claims
	return nil
}

// reserved checks one field of a client's command, if it is reserved.
func (g *Gateway) reserved(m ebb.Message, name string, at place) error {
	switch name {
	case ebb.FieldCommand, ebb.FieldCorr: // checked
	case ebb.FieldJWT, ebb.FieldTimestamp: // overwritten
	case ebb.FieldID:
		if strings.ToLower(m.String(name)) != at.id {
			return bad("_id differs from the path.")
		}
	case ebb.FieldType:
		if m.String(name) != at.typ {
			return bad("_type differs from the path.")
		}
	case ebb.FieldSeq:
		if _, ok := m.Int(name); !ok {
			return bad("_seq must be an integer.")
		}
	case ebb.FieldOps:
		if m.String(ebb.FieldCommand) != "patch" {
			return bad("Only the command patch has _ops.")
		}
		return g.ops(m[name], at)
	case ebb.FieldACL, ebb.FieldSubscriptions:
		if !g.ownACL(at) {
			return bad("%s cannot be set by a client here.", name)
		}
	default:
		if strings.HasPrefix(name, "_") {
			return bad("%.50q is a reserved name.", name)
		}
	}
	return nil
}

// ownACL tells whether clients may say who may do what with an instance.
func (g *Gateway) ownACL(at place) bool { return slices.Contains(g.cfg.ACLTypes, at.typ) }

// corrOf returns the correlation id of a command that has none: its
// Idempotency-Key, so that a repeat is one, or a new UUID.
func corrOf(r *http.Request) string {
	if key := r.Header.Get("Idempotency-Key"); key != "" {
		if s := ""; json.Unmarshal([]byte(key), &s) == nil {
			return s // quoted, as its draft standard has it
		}
		return key
	}
	b := make([]byte, 16)
	rand.Read(b)
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
