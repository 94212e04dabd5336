package edge

import (
	"sync/atomic"
	"time"

	"github.com/ebb-events/ebb/grip"
)

// signLife is how long a signature is used, of the ten minutes that it is good.
const signLife = time.Second

// signer signs requests to an origin, many of them with one signature.
type signer struct {
	key    grip.Key
	issuer string
	last   atomic.Pointer[signature]
}

type signature struct {
	text string
	made time.Time
}

// sign returns a signature, "" of a key that cannot: New refuses those.
func (s *signer) sign(now time.Time) string {
	if last := s.last.Load(); last != nil && now.Sub(last.made) < signLife {
		return last.text
	}
	text, err := s.key.Sign(s.issuer, now)
	if err != nil {
		return ""
	}
	s.last.Store(&signature{text, now})
	return text
}
