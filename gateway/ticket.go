package gateway

import (
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/crypto/chacha20poly1305"

	"github.com/ebb-events/ebb"
	"github.com/ebb-events/ebb/grip"
)

// ticket is what the redirect to the edge carries, sealed. Times are in
// milliseconds since 1970.
type ticket struct {
	User     ebb.Username `json:"user"`
	Session  string       `json:"session"`
	Proof    string       `json:"proof"`
	Issued   int64        `json:"issued"`
	FirstUse int64        `json:"first_use_by"`
	Ends     int64        `json:"ends"`
}

const (
	ticketPurpose = "ebb ticket 1"
	maxTicket     = 4 << 10 // bytes
)

// newTicket opens a session for user, of at most that length.
func newTicket(user ebb.Username, now time.Time, firstUse time.Duration, ends time.Time) ticket {
	return ticket{user, random(), random(), now.UnixMilli(), now.Add(firstUse).UnixMilli(), ends.UnixMilli()}
}

// random returns 16 random bytes as 22 characters.
func random() string {
	b := make([]byte, 16)
	rand.Read(b)
	return base64.RawURLEncoding.EncodeToString(b)
}

// sealer seals and opens the tickets for one edge.
type sealer struct {
	audience string
	keys     []sealKey
}

type sealKey struct {
	id   string
	aead cipher.AEAD
}

func newSealer(keys []grip.Key, audience string) (*sealer, error) {
	if len(keys) == 0 {
		return nil, errors.New("EdgeURL needs TicketKeys")
	}
	s := &sealer{audience: audience}
	for _, k := range keys {
		if k.Secret() == nil {
			return nil, errors.New("ticket keys must be shared secrets")
		}
		derived, err := hkdf.Key(sha256.New, k.Secret(), nil, ticketPurpose, chacha20poly1305.KeySize)
		if err != nil {
			return nil, err
		}
		aead, err := chacha20poly1305.NewX(derived)
		if err != nil {
			return nil, err
		}
		s.keys = append(s.keys, sealKey{k.ID(), aead})
	}
	return s, nil
}

// seal writes a ticket as <key id>.<nonce and ciphertext>.
func (s *sealer) seal(t ticket) string {
	b, _ := json.Marshal(t) // strings and numbers: cannot fail
	k := s.keys[0]
	nonce := make([]byte, k.aead.NonceSize(), k.aead.NonceSize()+len(b)+k.aead.Overhead())
	rand.Read(nonce)
	sealed := k.aead.Seal(nonce, nonce, b, s.context(k))
	return k.id + "." + base64.RawURLEncoding.EncodeToString(sealed)
}

// open returns the ticket that text is, sealed by us for this edge.
func (s *sealer) open(text string) (t ticket, err error) {
	id, rest, _ := strings.Cut(text, ".")
	if len(text) > maxTicket || strings.ContainsAny(rest, "\r\n") { // which base64 would skip
		return t, errors.New("not a ticket")
	}
	sealed, err := base64.RawURLEncoding.Strict().DecodeString(rest)
	if err != nil {
		return t, errors.New("not a ticket")
	}
	for _, k := range s.keys {
		n := k.aead.NonceSize()
		if k.id != id || len(sealed) < n {
			continue
		}
		b, err := k.aead.Open(nil, sealed[:n], sealed[n:], s.context(k))
		if err != nil {
			return t, errors.New("not a ticket of ours for this edge")
		}
		if err := json.Unmarshal(b, &t); err != nil {
			return t, fmt.Errorf("ticket of another version")
		}
		return t, nil
	}
	return t, errors.New("unknown ticket key")
}

// context is what a ticket is bound to beside its key.
func (s *sealer) context(k sealKey) []byte {
	return []byte(ticketPurpose + "\x00" + k.id + "\x00" + s.audience)
}
