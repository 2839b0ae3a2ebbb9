package jwt

import (
	"crypto/sha256"
	"encoding/binary"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

func digestOf(n int) *digest {
	d := sha256.Sum256(binary.BigEndian.AppendUint64(nil, uint64(n)))
	return &d
}

func tokenOf(size int, until time.Duration) *Token { return &Token{size: size, until: until} }

// TestCacheExpiry outlives neither the token nor the keys that verified it.
func TestCacheExpiry(t *testing.T) {
	var c cache
	tok := tokenOf(100, now)
	c.put(digestOf(1), tok, 1, now-time.Hour)
	for _, q := range []struct {
		digest     int
		generation uint64
		at         time.Duration
		want       *Token
	}{
		{1, 1, now - time.Hour, tok},
		{1, 1, now - 1, tok},
		{1, 1, now, nil},
		{1, 2, now - 1, nil},
		{1, 0, now - 1, nil},
		{2, 1, now - 1, nil},
		{1, 1, now - 1, tok}, // a miss forgets nothing
	} {
		if got := c.get(digestOf(q.digest), q.generation, q.at); got != q.want {
			t.Errorf("digest %d, generation %d, at %v: %v", q.digest, q.generation, q.at-now, got)
		}
	}
	newer := tokenOf(300, never)
	c.put(digestOf(1), newer, 2, now)
	if got := c.get(digestOf(1), 2, now+time.Hour); got != newer {
		t.Error("the new token isn't there")
	}
	if n, size := c.len(); n != 1 || size != 300 {
		t.Errorf("%d tokens of %d bytes", n, size)
	}
}

// TestCacheBound floods the cache with tokens of many sizes: it stays within its
// bound, its books are right, and tokens in use stay.
func TestCacheBound(t *testing.T) {
	var c cache
	const hot = 100
	for i := range hot {
		c.put(digestOf(i), tokenOf(1000, never), 1, now)
	}
	for i := hot; i < 60_000; i++ {
		if i%200 == 0 { // each of the hot ones comes again every so often
			for j := range hot {
				if c.get(digestOf(j), 1, now) == nil {
					t.Fatalf("after %d others, token %d is gone", i, j)
				}
			}
		}
		c.put(digestOf(i), tokenOf(500+i%7000, never), 1, now)
		if i%1000 == 0 {
			if _, size := c.len(); size > MaxCached {
				t.Fatalf("%d bytes", size)
			}
		}
	}
	for i := range c.shards {
		s := &c.shards[i]
		sum := 0
		for _, e := range s.ring {
			sum += e.token.size
			if s.tokens[e.digest] != e {
				t.Fatal("the ring holds what the map doesn't")
			}
		}
		if sum != s.size || sum > shardBytes || len(s.tokens) != len(s.ring) || sum < shardBytes/2 {
			t.Errorf("shard %d: %d bytes, thought to be %d; %d and %d tokens", i, sum, s.size, len(s.tokens), len(s.ring))
		}
	}
}

// TestCacheOneShard has an attacker aim all tokens at one shard: it holds its
// share and no more.
func TestCacheOneShard(t *testing.T) {
	var c cache
	for i := range 5000 {
		d := digestOf(i)
		d[0] = 7
		c.put(d, tokenOf(maxCachedToken, never), 1, now)
	}
	if n, size := c.len(); n != 8 || size != shardBytes {
		t.Errorf("%d tokens of %d bytes", n, size)
	}
	c.put(digestOf(1), tokenOf(maxCachedToken+1, never), 1, now)
	if n, _ := c.len(); n != 8 {
		t.Error("a token too large was taken")
	}
}

// TestCachePrefersTheDead makes room by forgetting what is of no use any more,
// even if it was used of late.
func TestCachePrefersTheDead(t *testing.T) {
	var c cache
	put := func(i int, until time.Duration, generation uint64) *digest {
		d := digestOf(i)
		d[0] = 0
		c.put(d, tokenOf(maxCachedToken, until), generation, now-time.Hour)
		return d
	}
	old, dead := put(1, never, 1), put(2, now, 2)
	c.get(old, 1, now-time.Hour)
	c.get(dead, 2, now-time.Hour)
	for i := range 6 {
		c.get(put(10+i, never, 2), 2, now)
	}
	fresh := *digestOf(20)
	fresh[0] = 0
	c.put(&fresh, tokenOf(maxCachedToken, never), 2, now)
	s := &c.shards[0]
	if s.tokens[*old] != nil {
		t.Error("a token of old keys outlived one of the present keys")
	}
	fresh2 := *digestOf(21)
	fresh2[0] = 0
	c.put(&fresh2, tokenOf(maxCachedToken, never), 2, now)
	if s.tokens[*dead] != nil {
		t.Error("an expired token outlived a good one")
	}
}

// TestRotationForgets wants a token of a key that is gone to be refused although
// it was in the cache, and one of a key that stayed to be verified again.
func TestRotationForgets(t *testing.T) {
	m := keyring()
	first := jose.JSONWebKey{Key: m.public("RS256"), KeyID: "k1"}
	second := jose.JSONWebKey{Key: m.public("EdDSA"), KeyID: "k2"}
	p := with(t, basis(), jwks(t, first, second))
	one := token(t, "RS256", good(nil))
	two := sign(t, "EdDSA", object{"alg": "EdDSA", "kid": "k2"}, good(nil), m.ed)
	for _, tok := range []string{one, two} {
		p.refuses(t, "fresh", tok, verified)
		p.refuses(t, "again", tok, cached)
	}
	if changed, err := p.install(jwks(t, first, second)); changed || err != nil || p.Generation() != 1 {
		t.Errorf("the same keys: %v, %v, generation %d", changed, err, p.Generation())
	}
	p.refuses(t, "of the same keys", one, cached)
	if changed, err := p.install(jwks(t, second)); !changed || err != nil || p.Generation() != 2 {
		t.Errorf("fewer keys: %v, %v, generation %d", changed, err, p.Generation())
	}
	p.refuses(t, "of the key that is gone", one, unknownKey)
	p.refuses(t, "of the key that stayed", two, verified)
	if _, err := p.install([]byte(`{"keys":[]}`)); err == nil || p.Generation() != 2 {
		t.Errorf("an empty set: %v, generation %d", err, p.Generation())
	}
	p.refuses(t, "after an empty set", two, cached)
}

// TestConcurrent verifies and replaces keys at once, for the race detector, and
// wants every answer to be one that some key set gives.
func TestConcurrent(t *testing.T) {
	m := keyring()
	both := jwks(t, jose.JSONWebKey{Key: m.public("ES256"), KeyID: "k1"}, jose.JSONWebKey{Key: m.public("EdDSA"), KeyID: "k2"})
	less := jwks(t, jose.JSONWebKey{Key: m.public("ES256"), KeyID: "k1"})
	p := with(t, basis(), both)
	s := step(t, []*Provider{p}, &RouteSpec{Provider: "main", Headers: []HeaderSpec{{"X-User", "sub"}}})
	always := token(t, "ES256", good(nil))
	sometimes := sign(t, "EdDSA", object{"alg": "EdDSA", "kid": "k2"}, good(nil), m.ed)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := range 400 {
				tok := always
				if i%2 == 1 {
					tok = sometimes
				}
				x, client := exchange("", "Authorization: Bearer "+tok)
				passed := s.Request(x)
				if tok == always && !passed || !passed && client.status != 401 {
					t.Errorf("%d: %s", client.status, client.body)
				}
				if passed {
					if sub, _ := x.Identity.Claim([]string{"sub"}); sub != "ada" {
						t.Errorf("sub %q", sub)
					}
				}
			}
		})
	}
	for i := range 200 {
		raw := both
		if i%2 == 0 {
			raw = less
		}
		if _, err := p.install(raw); err != nil {
			t.Error(err)
		}
	}
	wg.Wait()
}
