package limit

import (
	"strings"
	"sync/atomic"

	"github.com/lictor/lictor/limits"
	"github.com/lictor/lictor/proxy"
)

// Limit is a limit at work. A reload makes a new one, which goes on with the
// budgets and the counters of the one before.
type Limit struct {
	Spec     Spec
	Info     *proxy.LimitInfo
	Limiter  limits.Limiter
	Counters *Counters

	hosts *Hosts
}

// Counters are the figures of one limit. They outlive reloads.
type Counters struct {
	Allowed, Delayed, Denied, WouldDeny, StoreError atomic.Uint64
}

// New puts a limit to work. hosts says which hosts the routes name; nil means
// none. A nil counters starts new ones.
func New(s Spec, l limits.Limiter, c *Counters, hosts *Hosts) *Limit {
	if c == nil {
		c = new(Counters)
	}
	return &Limit{
		Spec: s, Limiter: l, Counters: c, hosts: hosts,
		Info: proxy.NewLimitInfo(s.Name, s.Limit.Policy(), headers(s.Headers), s.Mode == Permissive, s.KeyClass()),
	}
}

func headers(h Headers) proxy.LimitHeaders {
	switch h {
	case Legacy:
		return proxy.LegacyHeaders
	case Off:
		return proxy.NoHeaders
	default:
		return proxy.StandardHeaders
	}
}

// KeyClass says what the key is made of, such as "client.ip+route.name", and
// "all" for one budget for all. It names nobody.
func (s *Spec) KeyClass() string {
	if len(s.Key) == 0 {
		return "all"
	}
	parts := make([]string, len(s.Key))
	for i, p := range s.Key {
		parts[i] = p.String()
	}
	return strings.Join(parts, "+")
}

// OfIdentity reports whether the key can be known only once a token has been
// verified.
func (s *Spec) OfIdentity() bool {
	for _, p := range s.Key {
		if p.OfToken() {
			return true
		}
	}
	return false
}
