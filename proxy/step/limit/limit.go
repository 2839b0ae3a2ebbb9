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

	hosts  *Hosts
	prices prices
	// holder is the Limiter when it counts what is in flight, else nil.
	holder limits.Holder
	// remote is the Limiter when its budgets are elsewhere, else nil.
	remote Remote
	// silent is Info for a verdict that clients aren't told of, because nothing
	// is known of the budget.
	silent *proxy.LimitInfo
}

// Remote is a limiter whose budgets are kept elsewhere, so that asking takes a
// while and may be in vain.
type Remote interface {
	limits.Limiter
	// Ask is Take, and reports whether the budget answered. If not, the decision
	// is what the limit's OnStoreError makes of that.
	Ask(key []byte, cost int64, now limits.Time) (d limits.Decision, answered bool)
	// Known returns the denial of a request of which is known, without asking,
	// that it is denied.
	Known(key []byte, cost int64, now limits.Time) (d limits.Decision, denied bool)
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
	p, fields := s.Limit.Policy(), headers(s.Headers)
	if s.Unit == Bytes {
		p.Unit = limits.ContentBytes
	}
	if s.adaptive() { // what a service can bear is no client's quota
		fields = proxy.NoHeaders
	}
	out := &Limit{
		Spec: s, Limiter: l, Counters: c, hosts: hosts, prices: s.Price().prices(),
		Info: proxy.NewLimitInfo(s.Name, p, fields, s.Mode == Permissive, s.KeyClass()),
	}
	out.holder, _ = l.(limits.Holder)
	if r, ok := l.(Remote); ok {
		silent := *out.Info
		silent.Headers = proxy.NoHeaders
		out.remote, out.silent = r, &silent
	}
	return out
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

func (s *Spec) adaptive() bool { return s.Algorithm == limits.AdaptiveConcurrencyName }

// OfService reports whether the limit is of what a service can bear, so that it is
// asked last, just before the service is.
func (s *Spec) OfService() bool { return s.adaptive() }

// OfIdentity reports whether the key can be known only once it is known who the
// client is.
func (s *Spec) OfIdentity() bool {
	for _, p := range s.Key {
		if p.OfToken() || p.OfUser() {
			return true
		}
	}
	return false
}
