package upstream

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Bounds of a split.
const (
	// MaxShares is how many shares a pool may be split into.
	MaxShares = 32
	// MaxShareWeight bounds the weight of one.
	MaxShareWeight = 1_000_000
)

// Share is one of those among whom a pool divides its requests.
type Share struct {
	// Weight is its part of the sum of all weights, from 0, which gets nothing, to
	// MaxShareWeight.
	Weight int
	// What follows is as in PoolSpec.
	Service   string
	Fallbacks []string
	Tags      []string
	Port      string
}

// String names the share for people: the service, and what else tells it from other
// shares of that service.
func (s *Share) String() string {
	text := s.Service
	if len(s.Tags) > 0 {
		text += "[" + strings.Join(s.Tags, ",") + "]"
	}
	if s.Port != "" {
		text += ":" + s.Port
	}
	return text
}

// canonicalSplit is canonical for a spec that splits.
func (s PoolSpec) canonicalSplit() (PoolSpec, poolKey, error) {
	if s.Service != "" || len(s.Fallbacks)+len(s.Tags) > 0 || s.Port != "" {
		return s, poolKey{}, fmt.Errorf("pool of service %q: it also splits", s.Service)
	}
	if len(s.Split) > MaxShares {
		return s, poolKey{}, fmt.Errorf("pool of %d shares: at most %d are possible", len(s.Split), MaxShares)
	}
	s.Split = slices.Clone(s.Split)
	s.Balance = cmp.Or(s.Balance, DefaultBalancer)
	var key strings.Builder
	sum := 0
	for i := range s.Split {
		one := &s.Split[i]
		if one.Weight < 0 || one.Weight > MaxShareWeight {
			return s, poolKey{}, fmt.Errorf("share of service %q: weight %d is not from 0 to %d", one.Service, one.Weight, MaxShareWeight)
		}
		sum += one.Weight
		part, k, err := s.of(one).canonical()
		if err != nil {
			return s, poolKey{}, err
		}
		one.Fallbacks, one.Tags = part.Fallbacks, part.Tags
		key.WriteString(quoted([]string{strconv.Itoa(one.Weight), k.service, k.fallbacks, k.tags, k.port}))
	}
	if sum == 0 {
		return s, poolKey{}, fmt.Errorf("pool of %d shares: all weights are 0", len(s.Split))
	}
	return s, poolKey{split: key.String(), turns: s.Turns, balance: s.Balance, maxConnections: s.MaxConnections}, nil
}

// of returns the spec of one share's pool.
func (s *PoolSpec) of(one *Share) PoolSpec {
	part := *s
	part.Split, part.Turns = nil, ""
	part.Service, part.Fallbacks, part.Tags, part.Port = one.Service, one.Fallbacks, one.Tags, one.Port
	return part
}

// shareState is what was last seen of a share.
type shareState uint8

const (
	unseen shareState = iota
	isUp
	isDown
)

// reviewSplit finds out which shares have anybody, and logs a change. The caller holds
// s.mu.
func (s *Set) reviewSplit(p *Pool) {
	for i := range p.cut.shares {
		one := &p.cut.shares[i]
		if one.weight == 0 {
			continue
		}
		up, known := one.pool.inOrder()
		was := one.state
		switch {
		case up:
			one.state = isUp
		case known:
			one.state = isDown
		}
		if one.state == was {
			continue
		}
		switch {
		case one.state == isDown:
			s.log.Warn("share without a healthy instance, others get its requests", "route", p.spec.Turns, "share", p.spec.Split[i].String())
		case was == isDown:
			s.log.Info("share has a healthy instance again", "route", p.spec.Turns, "share", p.spec.Split[i].String())
		}
	}
}

// ShareStats describes one share of a pool that splits.
type ShareStats struct {
	Share
	// Up says that it has an endpoint in good order.
	Up bool
	// Due is the part of the requests that the weights give it, and Now the one
	// that it gets while only the shares that are up get any.
	Due, Now float64
	// Requests counts those that were drawn for it.
	Requests uint64
	// Tiers are its pools with endpoints: more than one with fallbacks.
	Tiers []*Pool
}

// Shares describes the shares of the pool, none for one that does not split. The pool
// may be nil.
func (p *Pool) Shares() []ShareStats {
	if p == nil || p.cut == nil {
		return nil
	}
	c := p.cut
	stats := make([]ShareStats, len(c.shares))
	all, up := 0, 0
	for i := range stats {
		stats[i].Share, stats[i].Tiers = p.spec.Split[i], c.shares[i].pool.Tiers()
		stats[i].Up, _ = c.shares[i].pool.inOrder()
		all += stats[i].Weight
		if stats[i].Up {
			up += stats[i].Weight
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range stats {
		s := &stats[i]
		s.Due, s.Requests = float64(s.Weight)/float64(all), c.shares[i].requests
		if s.Up && up > 0 {
			s.Now = float64(s.Weight) / float64(up)
		}
	}
	return stats
}
