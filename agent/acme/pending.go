package acme

import (
	"crypto/tls"
	"encoding/json"
	"strings"
	"sync"
	"time"

	"github.com/mholt/acmez/v3"
	"github.com/mholt/acmez/v3/acme"
)

// challengeLife is how long a challenge that another gateway has published is
// answered: one that crashed can't take its own back.
const challengeLife = time.Hour

// Pending are the challenges that servers are about to ask for. Those of this
// gateway are joined by those that others of its fleet have published, since the
// server asks whichever of them it reaches. It is asked on the way of requests, and
// only ever looks into memory.
type Pending struct {
	mu     sync.RWMutex
	own    map[string]published   // by domain and type
	others map[string][]published // by where they were published
}

// published is a challenge as it is told to others.
type published struct {
	Challenge acme.Challenge `json:"challenge"`
	Until     time.Time      `json:"until"`

	cert *tls.Certificate // that answers it by TLS; nil for HTTP
}

func newPending() *Pending {
	return &Pending{own: map[string]published{}, others: map[string][]published{}}
}

// publish makes what others are told of a challenge.
func publish(c acme.Challenge, now time.Time) (published, error) {
	p := published{Challenge: c, Until: now.Add(challengeLife)}
	return p, p.prepare()
}

// prepare makes the certificate that answers the challenge, where it takes one.
func (p *published) prepare() (err error) {
	if p.Challenge.Type == TLSALPN01 {
		p.cert, err = acmez.TLSALPN01ChallengeCert(p.Challenge)
	}
	return err
}

func idOf(c acme.Challenge) string { return c.Identifier.Value + "." + c.Type }

// add has a challenge of this gateway answered.
func (p *Pending) add(c published) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.own[idOf(c.Challenge)] = c
}

// remove ends that.
func (p *Pending) remove(c acme.Challenge) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.own, idOf(c))
}

// follow replaces what others have published at one place. What can't be read is
// nobody's challenge.
func (p *Pending) follow(place string, texts [][]byte) {
	var all []published
	for _, text := range texts {
		var c published
		if json.Unmarshal(text, &c) == nil && c.prepare() == nil {
			all = append(all, c)
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.others[place] = all
}

// find returns the challenge that fits.
func (p *Pending) find(now time.Time, fits func(*published) bool) *published {
	p.mu.RLock()
	defer p.mu.RUnlock()
	for _, c := range p.own {
		if fits(&c) {
			return &c
		}
	}
	for _, all := range p.others {
		for i := range all {
			if fits(&all[i]) && now.Before(all[i].Until) {
				return &all[i]
			}
		}
	}
	return nil
}

// Answer returns what a server is told that asks a host for a token by HTTP (RFC
// 8555 section 8.3), and false for one that nobody is about to ask for. The host has
// no port.
func (p *Pending) Answer(host, token []byte, now time.Time) (string, bool) {
	c := p.find(now, func(c *published) bool {
		return c.Challenge.Type == HTTP01 && c.Challenge.Token == string(token) && strings.EqualFold(c.Challenge.Identifier.Value, string(host))
	})
	if c == nil {
		return "", false
	}
	return c.Challenge.KeyAuthorization, true
}

// Certificate returns the one that answers a server that asks for a name by TLS (RFC
// 8737 section 3), nil where it is not expected to.
func (p *Pending) Certificate(name string, now time.Time) *tls.Certificate {
	c := p.find(now, func(c *published) bool {
		return c.cert != nil && strings.EqualFold(c.Challenge.Identifier.Value, name)
	})
	if c == nil {
		return nil
	}
	return c.cert
}
