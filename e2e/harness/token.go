package harness

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"maps"
	"math/big"
	"testing"
)

// Key signs tokens by one algorithm, as an identity provider does.
type Key struct {
	// Algorithm is RS256, ES256, EdDSA or HS256.
	Algorithm string
	// ID is the key's kid; empty leaves it out of tokens and key sets.
	ID string

	t       testing.TB
	private crypto.Signer // nil with HS256
	secret  []byte        // of HS256
}

// NewKey makes a fresh key for an algorithm other than HS256.
func NewKey(t testing.TB, algorithm, id string) *Key {
	t.Helper()
	k := &Key{Algorithm: algorithm, ID: id, t: t}
	var err error
	switch algorithm {
	case "RS256":
		k.private, err = rsa.GenerateKey(rand.Reader, 2048)
	case "ES256":
		k.private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "EdDSA":
		_, k.private, err = ed25519.GenerateKey(rand.Reader)
	default:
		t.Fatalf("no key is made for the algorithm %q", algorithm)
	}
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// NewSecret makes a key for HS256 of a secret.
func NewSecret(t testing.TB, secret []byte) *Key {
	return &Key{Algorithm: "HS256", t: t, secret: secret}
}

// Claims are those of a token, or the parameters of its header.
type Claims map[string]any

// With returns the claims with one of them set, or taken out by nil.
func (c Claims) With(name string, value any) Claims {
	changed := maps.Clone(c)
	if changed[name] = value; value == nil {
		delete(changed, name)
	}
	return changed
}

// Header returns the header of the key's tokens.
func (k *Key) Header() Claims {
	h := Claims{"alg": k.Algorithm, "typ": "JWT"}
	if k.ID != "" {
		h["kid"] = k.ID
	}
	return h
}

// Token signs claims.
func (k *Key) Token(claims Claims) string {
	k.t.Helper()
	return k.TokenWith(k.Header(), claims)
}

// TokenWith signs claims under a header that may lie about the key.
func (k *Key) TokenWith(header, claims Claims) string {
	k.t.Helper()
	signed := part(k.t, header) + "." + part(k.t, claims)
	return signed + "." + base64.RawURLEncoding.EncodeToString(k.Sign(signed))
}

// Unsigned returns a token that ends with the dot after its claims.
func Unsigned(t testing.TB, header, claims Claims) string {
	t.Helper()
	return part(t, header) + "." + part(t, claims) + "."
}

func part(t testing.TB, v Claims) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return base64.RawURLEncoding.EncodeToString(text)
}

// Sign returns the signature of a text as JSON Web Signature has it (RFC 7518
// section 3, RFC 8037 section 3.1).
func (k *Key) Sign(text string) []byte {
	k.t.Helper()
	digest := sha256.Sum256([]byte(text))
	var signature []byte
	var err error
	switch private := k.private.(type) {
	case nil:
		mac := hmac.New(sha256.New, k.secret)
		mac.Write([]byte(text))
		signature = mac.Sum(nil)
	case *rsa.PrivateKey:
		signature, err = rsa.SignPKCS1v15(rand.Reader, private, crypto.SHA256, digest[:])
	case *ecdsa.PrivateKey:
		var r, s *big.Int
		r, s, err = ecdsa.Sign(rand.Reader, private, digest[:])
		if err == nil {
			signature = append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
		}
	case ed25519.PrivateKey:
		signature = ed25519.Sign(private, []byte(text))
	}
	if err != nil {
		k.t.Fatal(err)
	}
	return signature
}

// Public returns the public key as SubjectPublicKeyInfo in DER.
func (k *Key) Public() []byte {
	k.t.Helper()
	der, err := x509.MarshalPKIXPublicKey(k.private.Public())
	if err != nil {
		k.t.Fatal(err)
	}
	return der
}

// JWK returns the public key as a JSON Web Key (RFC 7517).
func (k *Key) JWK() Claims {
	encode := base64.RawURLEncoding.EncodeToString
	w := Claims{"alg": k.Algorithm, "use": "sig"}
	if k.ID != "" {
		w["kid"] = k.ID
	}
	switch public := k.private.Public().(type) {
	case *rsa.PublicKey:
		w["kty"], w["n"], w["e"] = "RSA", encode(public.N.Bytes()), encode(big.NewInt(int64(public.E)).Bytes())
	case *ecdsa.PublicKey:
		point, err := public.Bytes() // 4, x, y
		if err != nil {
			k.t.Fatal(err)
		}
		w["kty"], w["crv"], w["x"], w["y"] = "EC", "P-256", encode(point[1:33]), encode(point[33:])
	case ed25519.PublicKey:
		w["kty"], w["crv"], w["x"] = "OKP", "Ed25519", encode(public)
	}
	return w
}

// KeySet returns the JSON Web Key Set of public keys.
func KeySet(t testing.TB, keys ...*Key) []byte {
	t.Helper()
	list := make([]Claims, len(keys))
	for i, k := range keys {
		list[i] = k.JWK()
	}
	text, err := json.Marshal(map[string]any{"keys": list})
	if err != nil {
		t.Fatal(err)
	}
	return text
}
