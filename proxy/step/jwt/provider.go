package jwt

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

// Provider is a provider at work. It is used by any number of exchanges at once,
// while its keeper replaces the keys.
type Provider struct {
	// Spec is what the policy says. It is not to be changed.
	Spec     *Spec
	Counters *Counters

	keys   atomic.Pointer[keySet] // nil until some were loaded
	want   algorithms             // 0 for those that the keys declare
	cache  cache
	demand demand
}

func newProvider(s *Spec, c *Counters) *Provider {
	return &Provider{Spec: s, Counters: c, want: named(s.Algorithms)}
}

// install makes raw the source's present content. It reports whether that is
// another key set than before. With an error the keys are as before. Only one
// goroutine at a time may call it.
func (p *Provider) install(raw []byte) (changed bool, err error) {
	old := p.keys.Load()
	sum := sha256.Sum256(raw)
	if old != nil && old.raw == sum {
		return false, nil
	}
	var keys []key
	if p.Spec.Source == SecretSource {
		keys, err = parseSecret(raw, p.want)
	} else {
		keys, err = parseKeySet(raw, p.want)
	}
	if err != nil {
		return false, err
	}
	set := newKeySet(keys)
	set.raw, set.generation = sum, 1
	if p.Spec.Source == RemoteSource {
		set.text = raw
	}
	if old != nil {
		set.generation = old.generation + 1
	}
	p.keys.Store(set)
	return true, nil
}

// Generation counts the key sets that the provider has had; 0 means that none
// was ever loaded and no token can be verified.
func (p *Provider) Generation() uint64 {
	if s := p.keys.Load(); s != nil {
		return s.generation
	}
	return 0
}

// Cached counts the verified tokens that are remembered, and about how many bytes
// they occupy.
func (p *Provider) Cached() (tokens, size int) { return p.cache.len() }

var errNoKeys = errors.New("the provider's keys were never loaded")

var errAlgorithm = errors.New("the algorithm is not accepted")

// candidate is a token in a request, and what providers have found out about it.
type candidate struct {
	token  []byte
	state  state
	hashed bool
	digest digest
	parsed *compact
	err    error // of parsing it
}

// state says what there is at a location.
type state uint8

const (
	absent  state = iota
	present       // one token, good or bad
	several       // more than one, so that each reader might take another
)

var errSeveral = errors.New("there are several tokens in one place")

func (c *candidate) hash() *digest {
	if !c.hashed {
		c.digest, c.hashed = sha256.Sum256(c.token), true
	}
	return &c.digest
}

func (c *candidate) parse() (*compact, error) {
	if c.parsed == nil && c.err == nil {
		if c.state == several {
			c.err = errSeveral
		} else {
			c.parsed, c.err = parseCompact(c.token)
		}
	}
	return c.parsed, c.err
}

// verify vouches for a token at a time since the Unix epoch, or says why not.
func (p *Provider) verify(c *candidate, now time.Duration) (*Token, result, error) {
	set := p.keys.Load()
	if set != nil && c.state == present && len(c.token) <= MaxToken {
		if t := p.cache.get(c.hash(), set.generation, now); t != nil {
			return t, cached, nil
		}
	}
	t, r, err := p.check(c, set, now)
	if err == nil {
		p.cache.put(c.hash(), t, set.generation, now)
	}
	return t, r, err
}

// check does what is cheap first: all that is known without keys, then the
// signature. Nothing is told of a token in between.
func (p *Provider) check(c *candidate, set *keySet, now time.Duration) (*Token, result, error) {
	s := p.Spec
	t, err := c.parse()
	if err != nil {
		return nil, malformed, err
	}
	a := algorithmNamed(t.algorithm)
	if a == nil || !p.takes(a) {
		return nil, badAlgorithm, errAlgorithm
	}
	if err := t.claims.issuedBy(s.Issuer); err != nil {
		return nil, badIssuer, err
	}
	if err := t.claims.meantFor(s.Audiences); err != nil {
		return nil, badAudience, err
	}
	until, err := t.claims.current(now, s.ClockSkew, s.RequireExp)
	switch {
	case errors.Is(err, errExpired):
		return nil, expired, err
	case errors.Is(err, errNotYet):
		return nil, notYetValid, err
	case err != nil:
		return nil, malformed, err
	case set == nil:
		return nil, keysUnavailable, errNoKeys
	}
	if r, err := set.verify(t, a); err != nil {
		return nil, r, err
	}
	return newToken(s.Name, t.claims, until, len(t.signed)), verified, nil
}

// takes reports whether the provider may accept the algorithm, whatever its keys:
// HMAC when it is named only.
func (p *Provider) takes(a *algorithm) bool {
	if p.want == 0 {
		return a.family != hmacFamily
	}
	return p.want&a.bit != 0
}

// Verify vouches for a token outside of an exchange, at a time since the Unix
// epoch. It counts nothing. Its errors tell nothing of the token.
func (p *Provider) Verify(token []byte, now time.Duration) (*Token, error) {
	t, _, err := p.verify(&candidate{token: token, state: present}, now)
	if err != nil {
		return nil, fmt.Errorf("verifying a token by provider %q: %w", p.Spec.Name, err)
	}
	return t, nil
}
