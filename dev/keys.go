package dev

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/ebb-events/ebb/grip"
)

// Keys are what the parts on one machine share.
type Keys struct {
	Ticket  grip.Key // seals the user in the redirect
	Grip    grip.Key // the edge signs with it
	Publish grip.Key // publishers have it
	Tokens  grip.Key // checks what a dev login issued
	login   *ecdsa.PrivateKey
}

// OpenKeys reads the keys in dir/keys and makes those that are not there. So a
// login and an open stream outlive a restart.
func OpenKeys(dir string) (Keys, error) {
	dir = filepath.Join(dir, "keys")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return Keys{}, fmt.Errorf("dev: keys: %w", err)
	}
	var k Keys
	var errs [4]error
	k.Ticket, errs[0] = open(filepath.Join(dir, "ticket"), secret)
	k.Grip, errs[1] = open(filepath.Join(dir, "grip"), secret)
	k.Publish, errs[2] = open(filepath.Join(dir, "publish"), secret)
	k.Tokens, errs[3] = open(filepath.Join(dir, "login.pem"), private)
	if errs[3] == nil {
		k.login, errs[3] = loginKey(filepath.Join(dir, "login.pem"))
	}
	if err := errors.Join(errs[:]...); err != nil {
		return Keys{}, fmt.Errorf("dev: %w; remove %s to get new ones", err, dir)
	}
	return k, nil
}

// open reads a key, of a file that make has filled if need be.
func open(path string, make func() ([]byte, error)) (grip.Key, error) {
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		text, err := make()
		if err != nil {
			return grip.Key{}, err
		}
		if err := os.WriteFile(path, text, 0o600); err != nil {
			return grip.Key{}, err
		}
	}
	k, err := grip.ParseKey("file:" + path)
	if err != nil {
		return grip.Key{}, fmt.Errorf("%s: %w", path, err)
	}
	return k, nil
}

func secret() ([]byte, error) {
	var b [32]byte
	_, err := rand.Read(b[:])
	return hex.AppendEncode(nil, b[:]), err
}

func private() ([]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), err
}

func loginKey(path string) (*ecdsa.PrivateKey, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if block, _ := pem.Decode(b); block != nil {
		if key, err := x509.ParsePKCS8PrivateKey(block.Bytes); err == nil {
			if key, ok := key.(*ecdsa.PrivateKey); ok && key.Curve == elliptic.P256() {
				return key, nil
			}
		}
	}
	return nil, fmt.Errorf("%s has no private key of the curve P-256", path)
}
