package externalauth

import (
	"crypto/sha256"
	"net/http"
	"sync"
	"time"
)

// MaxRemembered is how many questions one route remembers the answer of.
const MaxRemembered = 16384

// cache remembers which questions were answered by yes. Others make room at random
// when there are too many.
type cache struct {
	mu      sync.Mutex
	entries map[[sha256.Size]byte]remembered
}

type remembered struct {
	fields []line // for the instance
	until  time.Duration
}

// line is one field.
type line struct{ name, value string }

func (c *cache) get(key *[sha256.Size]byte, now time.Duration) ([]line, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r, ok := c.entries[*key]
	if ok && now >= r.until {
		delete(c.entries, *key)
		return nil, false
	}
	return r.fields, ok
}

func (c *cache) put(key *[sha256.Size]byte, fields []line, until time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.entries == nil {
		c.entries = map[[sha256.Size]byte]remembered{}
	}
	for other := range c.entries {
		if len(c.entries) < MaxRemembered {
			break
		}
		delete(c.entries, other)
	}
	c.entries[*key] = remembered{fields, until}
}

// storable reports whether the service lets its answer be remembered.
func storable(h http.Header) bool {
	for _, v := range h["Cache-Control"] {
		for d := range splitList(v) {
			if d == "no-store" || d == "no-cache" {
				return false
			}
		}
	}
	return true
}
