package jwt

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"errors"
	"fmt"
	"slices"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/json"
)

// Bounds on a provider's keys.
const (
	MaxKeySet  = 1 << 20 // bytes of a JSON Web Key Set
	MaxKeys    = 128     // keys in one
	MinRSABits = 2048    // RFC 7518 section 3.3
	// maxTries is how many keys are tried with a token that names none.
	maxTries = 8
)

// key is one key that verifies signatures.
type key struct {
	id       string // empty when it has none
	fits     algorithms
	material any // *rsa.PublicKey, *ecdsa.PublicKey, ed25519.PublicKey or []byte
}

// keySet is what a provider's source held at some time. It is immutable.
type keySet struct {
	generation uint64 // counts the sets of one provider, from 1
	keys       []key
	fits       algorithms // of all keys
	raw        [32]byte   // digest of what the set was read from
	text       []byte     // what it was read from, of a RemoteSource only
}

func newKeySet(keys []key) *keySet {
	s := &keySet{keys: keys}
	for i := range keys {
		s.fits |= keys[i].fits
	}
	return s
}

// has reports whether the set has a key of that name.
func (s *keySet) has(id string) bool {
	return slices.ContainsFunc(s.keys, func(k key) bool { return k.id == id })
}

var (
	errUnknownKey   = errors.New("no key has the token's kid")
	errNoKeyFits    = errors.New("no key fits the token's algorithm")
	errBadSignature = errors.New("the signature is wrong")
)

// verify checks the signature of c with the keys that fit: those of its kid and
// those without a name, or any when it names none.
func (s *keySet) verify(c *compact, a *algorithm) (result, error) {
	tries := 0
	for i := range s.keys {
		k := &s.keys[i]
		if k.fits&a.bit == 0 || c.keyID != "" && k.id != "" && k.id != c.keyID {
			continue
		}
		if a.method.Verify(c.signed, c.signature, k.material) == nil {
			return verified, nil
		}
		if tries++; tries == maxTries {
			break
		}
	}
	switch {
	case c.keyID != "" && !s.has(c.keyID) && !s.secret():
		return unknownKey, errUnknownKey
	case tries == 0:
		return badAlgorithm, errNoKeyFits
	}
	return badSignature, errBadSignature
}

// secret reports whether the set is one secret without a name, of which a kid
// says nothing.
func (s *keySet) secret() bool {
	return len(s.keys) == 1 && s.keys[0].id == "" && s.keys[0].fits&ofFamily(hmacFamily) != 0
}

// parseSecret makes a key of a file that holds nothing but it. One newline at
// its end is not part of it. It must suit every one of the algorithms.
func parseSecret(raw []byte, want algorithms) ([]key, error) {
	secret := bytes.Clone(bytes.TrimSuffix(raw, []byte("\n")))
	k := key{material: secret}
	for _, a := range allAlgorithms {
		if want&a.bit == 0 || a.family != hmacFamily {
			continue
		}
		if len(secret) < a.least {
			return nil, fmt.Errorf("the secret has %d bytes, but %s needs at least %d", len(secret), a.name, a.least)
		}
		k.fits |= a.bit
	}
	return []key{k}, nil
}

// parseKeySet reads a JSON Web Key Set (RFC 7517 section 5). Keys that can't
// verify a token are left out; a set of which none is left is an error. want are
// the algorithms that the provider names; 0 means those that the keys declare.
func parseKeySet(raw []byte, want algorithms) ([]key, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	switch err := json.Unmarshal(raw, &set); {
	case err != nil:
		return nil, fmt.Errorf("not a JSON Web Key Set: %w", err)
	case set.Keys == nil:
		return nil, errors.New(`not a JSON Web Key Set: it has no "keys"`)
	case len(set.Keys) > MaxKeys:
		return nil, fmt.Errorf("the JSON Web Key Set holds %d keys, more than %d", len(set.Keys), MaxKeys)
	}
	var keys []key
	var left error
	for i, one := range set.Keys {
		k, err := parseKey(one, want)
		if err != nil {
			if left == nil {
				left = fmt.Errorf("key %d: %w", i+1, err)
			}
			continue
		}
		keys = append(keys, k)
	}
	switch {
	case len(keys) > 0:
		return keys, nil
	case left != nil:
		return nil, fmt.Errorf("the JSON Web Key Set holds no key of use: %w", left)
	}
	return nil, errors.New("the JSON Web Key Set is empty")
}

func parseKey(raw []byte, want algorithms) (key, error) {
	var extra struct {
		Operations []string `json:"key_ops"`
	}
	var jwk jose.JSONWebKey
	if err := json.Unmarshal(raw, &extra); err != nil {
		return key{}, errors.New("not a JSON Web Key")
	}
	if err := json.Unmarshal(raw, &jwk); err != nil {
		return key{}, keyError(err)
	}
	switch {
	case jwk.Use != "" && jwk.Use != "sig":
		return key{}, fmt.Errorf("its use is %q", jwk.Use)
	case extra.Operations != nil && !slices.Contains(extra.Operations, "verify"):
		return key{}, errors.New("its key_ops lack verify")
	}
	k := key{id: jwk.KeyID}
	var err error
	if k.material, k.fits, err = usable(&jwk); err != nil {
		return key{}, err
	}
	undeclared := jwk.Algorithm == ""
	if !undeclared {
		k.fits &= named([]string{jwk.Algorithm})
	}
	switch {
	case want != 0:
		k.fits &= want
	case undeclared:
		// An RSA key that doesn't say is taken to be for RS256, as OpenID
		// Connect has it; other keys have but one algorithm.
		k.fits &^= ofFamily(hmacFamily) | named([]string{"RS384", "RS512", "PS256", "PS384", "PS512"})
	default:
		k.fits &^= ofFamily(hmacFamily)
	}
	if k.fits == 0 {
		return key{}, errors.New("it fits no algorithm of the provider")
	}
	return k, nil
}

// keyError hides what a parser may quote of a key.
func keyError(err error) error {
	if errors.Is(err, jose.ErrUnsupportedKeyType) {
		return errors.New("its type, curve or size is not supported")
	}
	return errors.New("it is not well-formed")
}

// usable returns what verifies with the key, the public half of a pair, and the
// algorithms that take keys of its type, curve and length.
func usable(jwk *jose.JSONWebKey) (any, algorithms, error) {
	if secret, ok := jwk.Key.([]byte); ok {
		var fits algorithms
		for _, a := range allAlgorithms {
			if a.family == hmacFamily && len(secret) >= a.least {
				fits |= a.bit
			}
		}
		if fits == 0 {
			return nil, 0, errors.New("the secret is too short")
		}
		return secret, fits, nil
	}
	if !jwk.Valid() {
		return nil, 0, errors.New("it is not valid")
	}
	switch k := jwk.Public().Key.(type) {
	case *rsa.PublicKey:
		switch {
		case k.N.BitLen() < MinRSABits:
			return nil, 0, fmt.Errorf("the RSA key has %d bits, fewer than %d", k.N.BitLen(), MinRSABits)
		case k.N.Bit(0) == 0 || k.E < 3 || k.E&1 == 0:
			return nil, 0, errors.New("the RSA key is weak")
		}
		return k, ofFamily(rsaFamily), nil
	case *ecdsa.PublicKey:
		for _, a := range allAlgorithms {
			if a.family == ecFamily && a.curve == k.Curve.Params().Name {
				return k, a.bit, nil
			}
		}
	case ed25519.PublicKey:
		return k, ofFamily(edFamily), nil
	}
	return nil, 0, errors.New("its type is not supported")
}
