package tickets

import (
	"bytes"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/lictor/lictor/proxy/lines"
)

const (
	// leastSecret is how many bytes a secret has at least.
	leastSecret = 32
	// mostSecrets bounds those of a file.
	mostSecrets = 16
	// leastValues is how many different bytes a secret has at least. Of 32 that are
	// random fewer than this never happens; of a pattern it does.
	leastValues = 8
)

// Parse returns the keys of a file's content: a secret a line, in hexadecimal or
// base64, between empty lines and those that begin with "#". The first one seals.
// Errors tell of lines and never what is in them.
func Parse(text []byte) (*Keys, error) {
	k := &Keys{}
	var seen []lines.Line
	for _, l := range lines.Of(text) {
		secret, err := decode(l.Text)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", l.Number, err)
		}
		pseudorandom, err := hkdf.Extract(sha256.New, secret, nil)
		if err != nil {
			return nil, fmt.Errorf("line %d: deriving keys: %w", l.Number, err)
		}
		for i, other := range k.secrets {
			if bytes.Equal(pseudorandom, other) {
				return nil, fmt.Errorf("line %d: the same secret as in line %d", l.Number, seen[i].Number)
			}
		}
		seen, k.secrets = append(seen, l), append(k.secrets, pseudorandom)
	}
	switch {
	case len(k.secrets) == 0:
		return nil, errors.New("holds no secret")
	case len(k.secrets) > mostSecrets:
		return nil, fmt.Errorf("holds %d secrets, more than %d", len(k.secrets), mostSecrets)
	}
	return k, nil
}

// decode returns the secret of a line.
func decode(line string) ([]byte, error) {
	secret, err := hex.DecodeString(line)
	if err != nil {
		// Either alphabet, with padding or without.
		plain := strings.NewReplacer("-", "+", "_", "/").Replace(strings.TrimRight(line, "="))
		secret, err = base64.RawStdEncoding.DecodeString(plain)
	}
	switch {
	case err != nil:
		return nil, errors.New("neither hexadecimal nor base64")
	case len(secret) < leastSecret:
		return nil, fmt.Errorf("a secret of %d bytes, fewer than %d", len(secret), leastSecret)
	case different(secret) < leastValues:
		return nil, errors.New("the secret is not random")
	}
	return secret, nil
}

// different counts the values among bytes.
func different(b []byte) int {
	var is [256]bool
	n := 0
	for _, v := range b {
		if !is[v] {
			is[v] = true
			n++
		}
	}
	return n
}
