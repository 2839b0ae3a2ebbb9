package jwt

import (
	"crypto/sha256"
	"sync"
	"time"
)

// Bounds on the tokens that one provider remembers.
const (
	MaxCached   = 32 << 20 // bytes
	cacheShards = 16
	shardBytes  = MaxCached / cacheShards
	// A token whose claims take more is verified each time.
	maxCachedToken = shardBytes / 8
)

// digest is the SHA-256 of a token. Whoever can make two tokens alike in it can
// forge signatures, too.
type digest = [sha256.Size]byte

// cache remembers the verified tokens of one provider, so that a token's
// signature is verified once. Only tokens that have been verified enter, and
// they make room by second chance: a token that came once yields to one that
// came again, so that a flood of fresh tokens doesn't displace those in use.
type cache struct {
	shards [cacheShards]shard
}

type shard struct {
	mu     sync.Mutex
	tokens map[digest]*entry
	ring   []*entry
	hand   int
	size   int // bytes
	_      [64]byte
}

type entry struct {
	token      *Token
	generation uint64 // of the keys that verified it
	digest     digest
	used       bool // since the hand last passed
}

func (c *cache) shard(d *digest) *shard { return &c.shards[d[0]%cacheShards] }

// get returns the token that the keys of this generation verified, nil when there
// is none that is good at now, a time since the Unix epoch.
func (c *cache) get(d *digest, generation uint64, now time.Duration) *Token {
	s := c.shard(d)
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.tokens[*d]
	if e == nil || e.stale(generation, now) {
		return nil
	}
	e.used = true
	return e.token
}

func (e *entry) stale(generation uint64, now time.Duration) bool {
	return e.generation != generation || now >= e.token.until
}

// put remembers a token, and forgets others when there are too many.
func (c *cache) put(d *digest, t *Token, generation uint64, now time.Duration) {
	if t.size > maxCachedToken {
		return
	}
	s := c.shard(d)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tokens == nil {
		s.tokens = map[digest]*entry{}
	}
	if e := s.tokens[*d]; e != nil {
		s.size += t.size - e.token.size
		e.token, e.generation = t, generation
	} else {
		e = &entry{token: t, generation: generation, digest: *d}
		s.tokens[*d] = e
		s.ring = append(s.ring, e)
		s.size += t.size
	}
	for s.size > shardBytes {
		s.evict(generation, now)
	}
}

// evict forgets the next token that is stale or has not been used of late.
func (s *shard) evict(generation uint64, now time.Duration) {
	for {
		if s.hand >= len(s.ring) {
			s.hand = 0
		}
		e := s.ring[s.hand]
		if !e.used || e.stale(generation, now) {
			last := len(s.ring) - 1
			s.ring[s.hand] = s.ring[last]
			s.ring[last] = nil
			s.ring = s.ring[:last]
			s.hand++ // past the newest, which has a whole round to be used
			delete(s.tokens, e.digest)
			s.size -= e.token.size
			return
		}
		e.used = false
		s.hand++
	}
}

// len counts the tokens and the bytes that they occupy, about.
func (c *cache) len() (tokens, size int) {
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		tokens += len(s.ring)
		size += s.size
		s.mu.Unlock()
	}
	return tokens, size
}
