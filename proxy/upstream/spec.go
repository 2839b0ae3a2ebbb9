package upstream

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// PoolSpec says which endpoints a pool has and how it chooses among them. Specs
// that mean the same give the same Pool.
type PoolSpec struct {
	// Service is the name of the service, as the catalog has it.
	Service string
	// Fallbacks are the services that take over, in this order, for as long as no
	// endpoint of those before them is healthy: the same service in other
	// datacenters. Repetition does not matter.
	Fallbacks []string
	// Tags narrows the pool to instances that carry every one of them. Order
	// and repetition do not matter.
	Tags []string
	// Port names a port of a multi-port service; empty stands for the only one.
	Port string
	// Balance names the balancer; empty stands for DefaultBalancer.
	Balance string
	// MaxConnections is how many exchanges may be in flight at one endpoint,
	// counted over all pools of the service, before this pool passes it over.
	// 0 means no bound.
	MaxConnections int
	// Split divides the requests among what its elements name, in place of Service,
	// Fallbacks, Tags and Port, which are then empty; everything else holds for each
	// of them. None makes no division.
	Split []Share
	// Turns names whose requests are divided: pools that split alike under
	// different names take turns each on their own. It is empty without Split.
	Turns string
}

// poolKey is a PoolSpec made comparable.
type poolKey struct {
	service, fallbacks, tags, port, balance string
	split, turns                            string
	maxConnections                          int
}

// canonical returns the spec with sorted tags and no empty name, and its key.
func (s PoolSpec) canonical() (PoolSpec, poolKey, error) {
	if len(s.Split) > 0 {
		return s.canonicalSplit()
	}
	if s.Service == "" {
		return s, poolKey{}, fmt.Errorf("pool without a service")
	}
	if s.Turns != "" {
		return s, poolKey{}, fmt.Errorf("pool of service %q: turns of %q, but nothing to divide", s.Service, s.Turns)
	}
	if s.MaxConnections < 0 {
		return s, poolKey{}, fmt.Errorf("pool of service %q: max connections %d is negative", s.Service, s.MaxConnections)
	}
	if s.Balance == "" {
		s.Balance = DefaultBalancer
	}
	if _, ok := BalancerNamed(s.Balance); !ok {
		return s, poolKey{}, fmt.Errorf("pool of service %q: unknown balancer %q", s.Service, s.Balance)
	}
	s.Tags = slices.Compact(slices.Sorted(slices.Values(s.Tags)))
	var fallbacks []string
	for _, f := range s.Fallbacks {
		if f == "" {
			return s, poolKey{}, fmt.Errorf("pool of service %q: fallback without a name", s.Service)
		}
		if f != s.Service && !slices.Contains(fallbacks, f) {
			fallbacks = append(fallbacks, f)
		}
	}
	s.Fallbacks = fallbacks
	return s, poolKey{
		service: s.Service, fallbacks: quoted(s.Fallbacks), tags: quoted(s.Tags), port: s.Port,
		balance: s.Balance, maxConnections: s.MaxConnections,
	}, nil
}

// quoted makes one text of several, a different one for each list.
func quoted(list []string) string {
	var b strings.Builder
	for _, t := range list {
		b.WriteString(strconv.Quote(t))
	}
	return b.String()
}
