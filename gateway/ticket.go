package gateway

import (
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/chacha20poly1305"

	"github.com/ebb-events/ebb"
	"github.com/ebb-events/ebb/grip"
	"github.com/ebb-events/ebb/session"
)

// ticket is what the redirect to the edge carries, sealed. Times are in
// milliseconds since 1970.
type ticket struct {
	User     ebb.Username `json:"user"`
	Session  string       `json:"session"`
	Proof    string       `json:"proof"`
	Began    string       `json:"began,omitempty"` // a place among what becomes of sessions
	Issued   int64        `json:"issued"`
	FirstUse int64        `json:"first_use_by"`
	Ends     int64        `json:"ends"`
	Trace    string       `json:"trace,omitempty"` // that it was issued in, if that is kept
}

const (
	ticketPurpose = "ebb ticket 1"
	proofPurpose  = "ebb proof 1"
	maxTicket     = 4 << 10 // bytes
)

// newTicket opens a session for user.
func (s *sealer) newTicket(user ebb.Username, began string, now time.Time, firstUse time.Duration, ends time.Time) ticket {
	proof := s.prove(user)
	return ticket{
		User: user, Session: session.NameOf(proof), Proof: proof, Began: began,
		Issued: now.UnixMilli(), FirstUse: now.Add(firstUse).UnixMilli(), Ends: ends.UnixMilli(),
	}
}

// prove returns the proof of a new session, of 16 bytes that nobody can guess:
// half of them are random, and the others tell us whose it is.
func (s *sealer) prove(user ebb.Username) string {
	b := make([]byte, 8, 16)
	rand.Read(b)
	return base64.RawURLEncoding.EncodeToString(append(b, s.keys[0].mark(b, user)...))
}

// proves tells whether a proof is of a session of a user's.
func (s *sealer) proves(proof string, user ebb.Username) bool {
	b, err := base64.RawURLEncoding.Strict().DecodeString(proof)
	return err == nil && len(b) == 16 && slices.ContainsFunc(s.keys, func(k sealKey) bool {
		return hmac.Equal(b[8:], k.mark(b[:8], user))
	})
}

// mark is what a proof has of its user.
func (k sealKey) mark(random []byte, user ebb.Username) []byte {
	h := hmac.New(sha256.New, k.proofs)
	h.Write(random)
	h.Write([]byte(user))
	return h.Sum(nil)[:8]
}

// sealer seals and opens the tickets for one edge.
type sealer struct {
	audience string
	keys     []sealKey
}

type sealKey struct {
	id     string
	aead   cipher.AEAD
	proofs []byte // key of what is in proofs
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
		proofs, err := hkdf.Key(sha256.New, k.Secret(), nil, proofPurpose, sha256.Size)
		if err != nil {
			return nil, err
		}
		s.keys = append(s.keys, sealKey{k.ID(), aead, proofs})
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
