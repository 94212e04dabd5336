package kafka

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/oauth"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"
)

// Mechanisms of SASL.
const (
	Plain    = "PLAIN"
	Scram256 = "SCRAM-SHA-256"
	Scram512 = "SCRAM-SHA-512"
	OAuth    = "OAUTHBEARER"
)

// Login says who we are to the brokers. Zero is nobody, or who the certificate
// of [TLS] names.
type Login struct {
	Mechanism string // one of the above; none if empty
	User      string // not with OAuth
	Secret    Secret // the password, or with OAuth the token
}

// Secret returns a secret of the moment. It is asked for at every login, so
// that it may change while connections stay.
type Secret func(ctx context.Context) (string, error)

// check says what is wrong with a login over TLS, or without.
func (l Login) check(overTLS bool) error {
	switch l.Mechanism {
	case "":
		if l.User != "" || l.Secret != nil {
			return errors.New("a user or a secret, and no way to log in")
		}
		return nil
	case Scram256, Scram512:
	case Plain, OAuth:
		if !overTLS {
			return fmt.Errorf("%s sends the secret as it is, and needs TLS", l.Mechanism)
		}
	default:
		return fmt.Errorf("no such way to log in: %q", l.Mechanism)
	}
	if l.Secret == nil || l.User == "" && l.Mechanism != OAuth {
		return fmt.Errorf("%s needs a user and a password, or a token", l.Mechanism)
	}
	return nil
}

func (l Login) mechanism() sasl.Mechanism {
	switch l.Mechanism {
	case Plain:
		return plain.Plain(func(ctx context.Context) (plain.Auth, error) {
			password, err := l.Secret(ctx)
			return plain.Auth{User: l.User, Pass: password}, err
		})
	case OAuth:
		return oauth.Oauth(func(ctx context.Context) (oauth.Auth, error) {
			token, err := l.Secret(ctx)
			if err == nil {
				err = usable(token)
			}
			return oauth.Auth{Token: token}, err
		})
	}
	with := func(ctx context.Context) (scram.Auth, error) {
		password, err := l.Secret(ctx)
		return scram.Auth{User: l.User, Pass: password}, err
	}
	if l.Mechanism == Scram256 {
		return scram.Sha256(with)
	}
	return scram.Sha512(with)
}

// explain says in plain words why a broker cannot be talked to, where that is
// known. The cause is kept.
func (cfg Config) explain(err error) error {
	var (
		record  tls.RecordHeaderError
		unknown x509.UnknownAuthorityError
		name    x509.HostnameError
		invalid x509.CertificateInvalidError
		hangUp  *kgo.ErrFirstReadEOF
		alert   tls.AlertError
	)
	words := ""
	switch {
	case errors.As(err, &unknown):
		words = "the broker's certificate is of an authority that we do not trust: name its file (--kafka-ca)"
	case errors.As(err, &name):
		words = "the broker's certificate is for another host than the one we connect to"
	case errors.As(err, &invalid):
		words = "the broker's certificate is not valid"
	case errors.As(err, &record):
		words = "the broker does not speak TLS on that port"
	case errors.As(err, &alert), strings.Contains(err.Error(), "remote error: tls:"):
		words = "the broker refuses us, perhaps for want of a certificate that it trusts (--kafka-cert)"
	case errors.Is(err, kerr.SaslAuthenticationFailed), strings.Contains(err.Error(), "unexpected data in oauth response"):
		words = "the broker refuses our login: the user, the password or the token is wrong"
	case errors.Is(err, kerr.UnsupportedSaslMechanism):
		words = "the broker does not offer our way to log in (--kafka-sasl)"
	case strings.Contains(err.Error(), "tls alert record"):
		words = "the broker wants TLS (--kafka-tls)"
	case errors.Is(err, kerr.IllegalSaslState), errors.As(err, &hangUp), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		words = "the broker hangs up: it may want TLS (--kafka-tls), a login (--kafka-user), neither, or refuse our login"
	case cfg.TLS.on() && isTimeout(err):
		words = "nothing speaks TLS with us in time"
	default:
		return err
	}
	return fmt.Errorf("%s: %w", words, err)
}

func isTimeout(err error) bool {
	timeout, ok := errors.AsType[net.Error](err)
	return ok && timeout.Timeout()
}
