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
}

// poolKey is a PoolSpec made comparable.
type poolKey struct {
	service, tags, port, balance string
	maxConnections               int
}

// canonical returns the spec with sorted tags and no empty name, and its key.
func (s PoolSpec) canonical() (PoolSpec, poolKey, error) {
	if s.Service == "" {
		return s, poolKey{}, fmt.Errorf("pool without a service")
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
	var tags strings.Builder
	for _, t := range s.Tags {
		tags.WriteString(strconv.Quote(t))
	}
	return s, poolKey{s.Service, tags.String(), s.Port, s.Balance, s.MaxConnections}, nil
}
