package fleet

import (
	"sync"
	"sync/atomic"

	"github.com/lictor/lictor/limits"
)

// Limiter is a limits.Limiter that grants a share of a limit, whatever the share
// is at the moment.
type Limiter struct {
	whole   limits.Spec
	cost    int64
	options limits.Options
	at      atomic.Pointer[part]
}

// part is a limiter for a share.
type part struct {
	limits.Limiter
	share Share
}

// New makes a limiter of a share of whole, of which each request takes cost units.
// It goes on where old, which may be nil, left off, once the adoption is
// committed.
func New(whole limits.Spec, cost int64, o limits.Options, share Share, old *Limiter) (*Limiter, limits.Adoption) {
	l := &Limiter{whole: whole, cost: cost, options: o}
	var before limits.Limiter
	if old != nil {
		before = old.at.Load().Limiter
	}
	adoption := limits.Prepare(before, share.Of(whole, cost), o)
	l.at.Store(&part{adoption.Limiter, share})
	return l, adoption
}

// fit makes the limiter grant another share. A request that is being decided
// meanwhile is decided once, by the share before or by this one.
func (l *Limiter) fit(share Share, now limits.Time) {
	was := l.at.Load()
	if was.share == share {
		return
	}
	l.at.Store(&part{limits.Adopt(was.Limiter, share.Of(l.whole, l.cost), l.options, now), share})
}

// Share is the part of the limit that is granted here.
func (l *Limiter) Share() Share { return l.at.Load().share }

// Current is the limiter of this gateway's part at present, which keeps the
// budgets.
func (l *Limiter) Current() limits.Limiter { return l.at.Load().Limiter }

// Take implements limits.Limiter.
func (l *Limiter) Take(key []byte, cost int64, now limits.Time) limits.Decision {
	return l.at.Load().Take(key, cost, now)
}

// Peek implements limits.Limiter.
func (l *Limiter) Peek(key []byte, cost int64, now limits.Time) limits.Decision {
	return l.at.Load().Peek(key, cost, now)
}

// Refund implements limits.Limiter.
func (l *Limiter) Refund(key []byte, cost int64, now limits.Time) {
	l.at.Load().Refund(key, cost, now)
}

// Policy is this gateway's part of the limit.
func (l *Limiter) Policy() limits.Policy { return l.at.Load().Policy() }

// Keys implements limits.Limiter.
func (l *Limiter) Keys() int { return l.at.Load().Keys() }

// Top implements limits.Limiter.
func (l *Limiter) Top(n int, now limits.Time) []limits.KeyUsage { return l.at.Load().Top(n, now) }

// Digest implements limits.Digester.
func (l *Limiter) Digest(key []byte) string { return limits.Digest(l.at.Load().Limiter, key) }

// Limiters are those that share alike: the ones of the current configuration.
// The zero value has none, and the whole as its share.
type Limiters struct {
	mu    sync.Mutex
	share Share
	list  []*Limiter
}

// Share is what each limiter grants, or will.
func (g *Limiters) Share() Share {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.share
}

// Follow says which limiters there are from now on. Adoptions that made them have
// been committed.
func (g *Limiters) Follow(list []*Limiter, now limits.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.list = list
	g.fitLocked(now)
}

// Set gives every limiter another share.
func (g *Limiters) Set(share Share, now limits.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.share = share
	g.fitLocked(now)
}

func (g *Limiters) fitLocked(now limits.Time) {
	for _, l := range g.list {
		l.fit(g.share, now)
	}
}
