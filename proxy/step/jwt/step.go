package jwt

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/lictor/lictor/proxy"
)

// maxPlaces bounds the locations that one route's providers look at.
const maxPlaces = 16

// Step verifies the token of a request for one route. It implements proxy.Step.
type Step struct {
	blocks     []block
	places     []place
	strips     []strip
	optional   bool
	challenges challenges
}

// block is one jwt block of the route at work.
type block struct {
	provider  *Provider
	places    []int // indexes into Step.places, in the order of preference
	forward   bool
	headers   []header
	require   []requirement
	challenge string // to a token that lacks a claim
}

// New returns the step for the jwt blocks of one route, one of which must be
// satisfied. provider finds a provider by its name; it returns nil for one that
// is unknown, which is an error.
func New(list []*RouteSpec, provider func(name string) *Provider) (*Step, error) {
	if len(list) == 0 {
		return nil, fmt.Errorf("a jwt step needs at least one block")
	}
	s := &Step{challenges: newChallenges(list[0].Provider)}
	for _, spec := range list {
		p := provider(spec.Provider)
		if p == nil {
			return nil, fmt.Errorf("there is no jwt provider %q", spec.Provider)
		}
		b := block{
			provider: p, forward: spec.Forward,
			challenge: withScope(s.challenges.byResult[insufficient], spec.Require),
		}
		for _, l := range p.Spec.Locations {
			b.places = append(b.places, s.place(l))
		}
		for _, h := range spec.Headers {
			b.headers = append(b.headers, header{h.Header, newClaimName(h.Claim)})
			s.strip(h.Header, "")
		}
		for _, r := range spec.Require {
			b.require = append(b.require, requirement{newClaimName(r.Claim), r.Values})
		}
		s.blocks = append(s.blocks, b)
		s.optional = s.optional || spec.Optional
	}
	if len(s.places) > maxPlaces {
		return nil, fmt.Errorf("the providers of one route look for tokens in %d locations, more than %d", len(s.places), maxPlaces)
	}
	for _, p := range s.places {
		if p.Place == HeaderPlace && p.id == proxy.Other {
			s.strip(p.Name, p.Name)
		}
	}
	return s, nil
}

// place returns the index of a location among those of the route.
func (s *Step) place(l Location) int {
	i := slices.IndexFunc(s.places, func(p place) bool { return p.Location == l })
	if i < 0 {
		i = len(s.places)
		s.places = append(s.places, newPlace(l))
	}
	return i
}

func (s *Step) strip(name, exact string) {
	folded := fold(name)
	if !slices.ContainsFunc(s.strips, func(o strip) bool { return o.folded == folded }) {
		s.strips = append(s.strips, strip{folded, exact})
	}
}

// Request implements proxy.Step.
func (s *Step) Request(x *proxy.Exchange) bool {
	var found [maxPlaces]candidate
	for i := range s.places {
		s.places[i].find(&x.Request, &found[i])
	}
	dropFields(&x.Request.Fields, s.strips)

	var best refusal
	for i := range s.blocks {
		b := &s.blocks[i]
		at := b.pick(&found)
		if at < 0 {
			b.provider.Counters.count(missing)
			continue
		}
		token, r, err := s.verify(x, b.provider, &found[at])
		b.provider.Counters.count(r)
		if token == nil {
			if best.worse(r) {
				best = refusal{result: r, provider: b.provider.Spec.Name, err: err}
			}
			continue
		}
		if !b.satisfied(token) {
			best = refusal{result: insufficient, provider: b.provider.Spec.Name, err: errLacking, challenge: b.challenge}
			continue
		}
		s.accept(x, b, &found, at, token)
		return true
	}
	if best.provider == "" {
		if s.optional {
			return true
		}
		best.result = missing
	}
	if best.result == unknownKey || best.result == keysUnavailable { // may have waited
		if ctx := x.W.Context(); ctx.Err() != nil {
			x.Gone(context.Cause(ctx))
			return false
		}
	}
	best.answer(x, &s.challenges)
	return false
}

// pick returns the index of the first place where there is a token, -1 when there
// is none.
func (b *block) pick(found *[maxPlaces]candidate) int {
	for _, i := range b.places {
		if found[i].state != absent {
			return i
		}
	}
	return -1
}

func (b *block) satisfied(t *Token) bool {
	for i := range b.require {
		if !b.require[i].met(t.claims) {
			return false
		}
	}
	return true
}

// maxRounds is how often a token is verified at most: by the keys at hand, by those
// of a fetch that was under way when it came, and by those of a fetch for it.
const maxRounds = 3

// verify asks the provider, and again whenever that has other keys than it had
// before, whoever got them.
func (s *Step) verify(x *proxy.Exchange, p *Provider, c *candidate) (*Token, result, error) {
	var waited time.Duration
	for round := 1; ; round++ {
		before := p.Generation() // read first, so that no change goes unnoticed
		t, r, err := p.verify(c, x.Start.Wall)
		if r != unknownKey && r != keysUnavailable || round == maxRounds {
			return t, r, err
		}
		asked := time.Now() // only where it is about to wait
		fresh, begun := p.demand.ask(x.Start.Mono + waited)
		if fresh != nil && !wait(x, fresh) {
			return t, r, err
		}
		waited += time.Since(asked)
		// A fetch that had begun before the token came may have read the keys of
		// before its own was published: that answer is not about it.
		if again := begun && r == unknownKey; !again && p.Generation() == before {
			return t, r, err
		}
	}
}

// wait reports whether fresh was closed before the client went or the route's
// timeout passed.
func wait(x *proxy.Exchange, fresh <-chan struct{}) bool {
	var timeout <-chan time.Time
	if left, bounded := x.Remaining(); bounded {
		t := time.NewTimer(left)
		defer t.Stop()
		timeout = t.C
	}
	select {
	case <-fresh:
		return true
	case <-timeout:
		return false
	case <-x.W.Context().Done():
		return false
	}
}

// accept lets the request go on as the token's bearer. No token goes upstream
// but the one that was verified, so that the instance can't be made to read
// another.
func (s *Step) accept(x *proxy.Exchange, b *block, found *[maxPlaces]candidate, at int, t *Token) {
	for i := range s.places {
		if found[i].state == absent || b.forward && found[i].same(&found[at]) {
			continue
		}
		s.places[i].remove(&x.Request)
	}
	for i := range b.headers {
		b.headers[i].set(x, t.claims)
	}
	x.Identity = t
}

// same reports whether both are one token.
func (c *candidate) same(o *candidate) bool {
	return c == o || c.state == present && string(c.token) == string(o.token)
}
