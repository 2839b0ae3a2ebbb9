package jwt

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	gojwt "github.com/golang-jwt/jwt/v5"

	"github.com/lictor/lictor/limits"
	"github.com/lictor/lictor/proxy"
)

// now is the present of most tests: 2023-11-14T22:13:20Z.
const now = 1_700_000_000 * time.Second

func seconds(d time.Duration) int64 { return int64(d / time.Second) }

// material is one key pair of every kind, made once, for RSA is slow.
type material struct {
	rsa     *rsa.PrivateKey
	other   *rsa.PrivateKey
	ec      map[string]*ecdsa.PrivateKey
	ed      ed25519.PrivateKey
	secret  []byte
	foreign []byte
}

var keyring = sync.OnceValue(func() *material {
	must := func(err error) {
		if err != nil {
			panic(err)
		}
	}
	m := &material{ec: map[string]*ecdsa.PrivateKey{}}
	var err error
	m.rsa, err = rsa.GenerateKey(rand.Reader, 2048)
	must(err)
	m.other, err = rsa.GenerateKey(rand.Reader, 2048)
	must(err)
	for name, curve := range map[string]elliptic.Curve{"ES256": elliptic.P256(), "ES384": elliptic.P384(), "ES512": elliptic.P521()} {
		m.ec[name], err = ecdsa.GenerateKey(curve, rand.Reader)
		must(err)
	}
	_, m.ed, err = ed25519.GenerateKey(rand.Reader)
	must(err)
	m.secret = []byte(strings.Repeat("0123456789abcdef", 4))
	m.foreign = []byte(strings.Repeat("fedcba9876543210", 4))
	return m
})

// private returns what signs with an algorithm.
func (m *material) private(algorithm string) any {
	switch a := algorithmNamed(algorithm); a.family {
	case rsaFamily:
		return m.rsa
	case ecFamily:
		return m.ec[algorithm]
	case edFamily:
		return m.ed
	default:
		return m.secret
	}
}

// public returns what verifies with an algorithm.
func (m *material) public(algorithm string) any {
	k := m.private(algorithm)
	if s, ok := k.(crypto.Signer); ok {
		return s.Public()
	}
	return k
}

// object is a JSON object.
type object = map[string]any

func encode(v any) string {
	text, ok := v.(string)
	if !ok {
		raw, err := json.Marshal(v)
		if err != nil {
			panic(err)
		}
		text = string(raw)
	}
	return base64.RawURLEncoding.EncodeToString([]byte(text))
}

// sign makes a token. Header and claims are objects, or text as it is.
func sign(t testing.TB, algorithm string, header, claims, key any) string {
	t.Helper()
	signed := encode(header) + "." + encode(claims)
	signature, err := gojwt.GetSigningMethod(algorithm).Sign(signed, key)
	if err != nil {
		t.Fatal(err)
	}
	return signed + "." + base64.RawURLEncoding.EncodeToString(signature)
}

// token makes a good token with the key named "k1".
func token(t testing.TB, algorithm string, claims any) string {
	t.Helper()
	return sign(t, algorithm, object{"alg": algorithm, "typ": "JWT", "kid": "k1"}, claims, keyring().private(algorithm))
}

// good returns claims that a provider of these tests accepts, with changes. A
// nil value takes a claim away.
func good(changes object) object {
	c := object{"iss": "https://id.example.com", "aud": "shop", "sub": "ada", "exp": seconds(now) + 3600}
	for name, v := range changes {
		if c[name] = v; v == nil {
			delete(c, name)
		}
	}
	return c
}

// jwks is a key set of these keys.
func jwks(t testing.TB, keys ...jose.JSONWebKey) []byte {
	t.Helper()
	raw, err := json.Marshal(jose.JSONWebKeySet{Keys: keys})
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// wholeSet holds a public key for every asymmetric algorithm, under "k1".
func wholeSet(t testing.TB) []byte {
	t.Helper()
	var keys []jose.JSONWebKey
	for _, a := range allAlgorithms {
		if a.family != hmacFamily {
			keys = append(keys, jose.JSONWebKey{Key: keyring().public(a.name), KeyID: "k1", Algorithm: a.name, Use: "sig"})
		}
	}
	return jwks(t, keys...)
}

// basis is a provider of these tests.
func basis() *Spec {
	return &Spec{
		Name: "main", Issuer: "https://id.example.com", Audiences: []string{"shop"}, Source: LocalSource,
		Locations: []Location{{HeaderPlace, "authorization"}}, ClockSkew: 0, RequireExp: true,
	}
}

// with makes a provider that holds these keys.
func with(t testing.TB, s *Spec, raw []byte) *Provider {
	t.Helper()
	p := newProvider(s, new(Counters))
	if _, err := p.install(raw); err != nil {
		t.Fatal(err)
	}
	return p
}

// every makes a provider that accepts every asymmetric algorithm.
func every(t testing.TB) *Provider { return with(t, basis(), wholeSet(t)) }

// hmacProvider makes a provider of an HMAC secret.
func hmacProvider(t testing.TB, algorithms ...string) *Provider {
	s := basis()
	s.Source, s.Algorithms = SecretSource, algorithms
	return with(t, s, keyring().secret)
}

// judge verifies a token at now, and returns how that ended.
func (p *Provider) judge(token string) result {
	_, r, _ := p.verify(&candidate{token: []byte(token), state: present}, now)
	return r
}

// refuses wants a token to be refused, and in that way.
func (p *Provider) refuses(t testing.TB, name, token string, want result) {
	t.Helper()
	if got := p.judge(token); got != want {
		t.Errorf("%s: %s, want %s", name, got, want)
	}
}

// client is the other end of an exchange.
type client struct {
	ctx     context.Context
	status  int
	fields  map[string][]string
	body    string
	aborted bool
}

func (c *client) Interim(int, *proxy.Fields) error { return nil }
func (c *client) Head(r *proxy.Response) error {
	c.status, c.fields = r.Status, map[string][]string{}
	for i := range r.Fields.Len() {
		if r.Fields.Live(i) {
			name := strings.ToLower(string(r.Fields.Name(i)))
			c.fields[name] = append(c.fields[name], string(r.Fields.Value(i)))
		}
	}
	return nil
}
func (c *client) Body(p []byte) error                 { c.body += string(p); return nil }
func (c *client) Flush() error                        { return nil }
func (c *client) End(*proxy.Fields) error             { return nil }
func (c *client) Abort()                              { c.aborted = true }
func (c *client) Tunnel() (io.ReadWriteCloser, error) { return nil, errors.ErrUnsupported }
func (c *client) Context() context.Context {
	if c.ctx != nil {
		return c.ctx
	}
	return context.Background()
}

// exchange is a request with these field lines, "name: value" each.
func exchange(query string, lines ...string) (*proxy.Exchange, *client) {
	x := &proxy.Exchange{Start: limits.Time{Mono: time.Hour, Wall: now}}
	c := &client{}
	x.W, x.Conn = c, proxy.NewConn(new(proxy.Listener), netip.AddrPort{}, false)
	x.Request.Fields.Reset(nil)
	for _, l := range lines {
		name, value, _ := strings.Cut(l, ": ")
		x.Request.Fields.Foreign(name, value)
	}
	x.Request.Query, x.Request.HasQuery = []byte(query), query != ""
	return x, c
}

// forwarded returns what goes to the instance: the field lines, and the query.
func forwarded(x *proxy.Exchange) (lines []string, query string) {
	f := &x.Request.Fields
	for i := range f.Len() {
		if f.Live(i) {
			lines = append(lines, fmt.Sprintf("%s: %s", f.Name(i), f.Value(i)))
		}
	}
	if x.Request.HasQuery {
		query = "?" + string(x.Request.Query)
	}
	return lines, query
}

// step makes a step of blocks whose providers are these.
func step(t testing.TB, providers []*Provider, blocks ...*RouteSpec) *Step {
	t.Helper()
	s, err := New(blocks, func(name string) *Provider {
		for _, p := range providers {
			if p.Spec.Name == name {
				return p
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func file(t testing.TB, content []byte) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "keys")
	if err := os.WriteFile(name, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}
