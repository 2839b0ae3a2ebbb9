package upstream

import (
	"math"
	"math/bits"
	"slices"
	"sync"
	"time"
)

// split is what a pool that divides its requests has instead of endpoints: a pool for
// each share. Every request is drawn for one of them, by smooth weighted round robin
// as in round_robin.go: what a share has had is never a whole request away from its
// due for two to four shares, and of two shares this holds for any requests in a row.
// A request with a key, which the balancer hash has, is drawn by that key: the same
// key for the same share, and when weights change only as many keys move as must.
//
// What a share can't take is drawn anew for the others, and does not count for it: it
// has nobody whom the catalog calls healthy, or nobody who has not failed lately, or
// nobody left whom this very request has not tried. A share that is merely full
// refuses the request: its instances' bounds would mean nothing otherwise, and what is
// too much for a canary would become everybody's load.
//
// A share that had nobody is out of the drawing, its turn as it was, and every request
// asks it first whether it has somebody now: so it is found at once when it is back,
// and its benched endpoints get the probes that are due. Before these are due they get
// them only if no share has anybody. Requests with a key ask the share of their key.
type split struct {
	shares []share

	mu     sync.Mutex // guards credits and requests of shares, and:
	out    uint32     // bits of the shares that are out of the drawing
	budget budget     // of the requests of all shares together
}

type share struct {
	pool   *Pool
	weight int64
	id     uint64 // stands for all but the weight

	credit   int64
	requests uint64 // drawn for it and not given to others

	state shareState // guarded by the set's mutex
}

// newSplit makes the pools of all shares. The caller holds s.mu.
func (s *Set) newSplit(spec *PoolSpec) (*split, error) {
	c := &split{}
	for i := range spec.Split {
		one := &spec.Split[i]
		p, err := s.poolLocked(spec.of(one))
		if err != nil {
			return nil, err
		}
		id := identity{one.Service + "\x00" + quoted(one.Tags), one.Port}
		c.shares = append(c.shares, share{pool: p, weight: int64(one.Weight), id: id.hash64()})
	}
	return c, nil
}

// draw is the drawing of a share for one attempt.
type draw struct {
	key    uint64
	at     int    // the share drawn, none when no share is left
	other  uint32 // bits of shares that are not drawn
	paid   bool   // it was drawn here, and not by an earlier attempt
	gained uint32 // bits of those that gained by that
}

// has reports whether share i may be drawn.
func (d *draw) has(c *split, i int) bool { return c.shares[i].weight > 0 && d.other&(1<<i) == 0 }

// firstLocked draws a share.
func (c *split) firstLocked(d *draw) {
	d.at, d.paid = none, true
	if d.key != 0 {
		d.at = c.lot(d)
	} else {
		for i := range c.shares {
			if s := &c.shares[i]; d.has(c, i) && (d.at < 0 || s.credit+s.weight > c.shares[d.at].credit+c.shares[d.at].weight) {
				d.at = i
			}
		}
	}
	if d.at >= 0 {
		c.payLocked(d)
	}
}

// lot draws a share by the key, as hash draws an endpoint.
func (c *split) lot(d *draw) int {
	best, least := none, math.Inf(1)
	for i := range c.shares {
		if s := &c.shares[i]; d.has(c, i) {
			if v := -math.Log(unit(mix(d.key^s.id))) / float64(s.weight); best < 0 || v < least {
				best, least = i, v
			}
		}
	}
	return best
}

// payLocked has the share drawn pay for the request, and all that might have been drawn
// gain.
func (c *split) payLocked(d *draw) {
	drawn := &c.shares[d.at]
	drawn.requests++
	d.gained = 0
	if d.key != 0 {
		return
	}
	for i := range c.shares {
		if s := &c.shares[i]; i == d.at || d.has(c, i) && c.out&(1<<i) == 0 {
			d.gained |= 1 << i
			s.credit += s.weight
			drawn.credit -= s.weight
		}
	}
}

// unpayLocked undoes that.
func (c *split) unpayLocked(d *draw) {
	drawn := &c.shares[d.at]
	drawn.requests--
	for g := d.gained; g != 0; g &= g - 1 {
		s := &c.shares[bits.TrailingZeros32(g)]
		s.credit -= s.weight
		drawn.credit += s.weight
	}
}

// nextLocked draws another share than the one drawn, which has nobody.
func (c *split) nextLocked(d *draw) {
	if d.paid {
		c.unpayLocked(d)
	}
	d.other |= 1 << d.at
	c.firstLocked(d)
}

// answer is what came of asking shares for an endpoint.
type answer struct {
	e       *Endpoint
	why     Reason // the one that tells the most, as reasons are ordered
	benched bool   // somebody may be probed, if there is nobody else
}

// take asks share i, and reports whether that settles the matter.
func (c *split) take(a *Attempt, now time.Time, i int, as part, got *answer) bool {
	e, why := c.shares[i].pool.take(a, now, as)
	if e == nil && why != AtCapacity {
		got.why, got.benched = max(got.why, why), got.benched || why == AllBenched
		return false
	}
	got.e, got.why = e, why
	a.share = uint8(i) //nolint:gosec // less than MaxShares
	return true
}

func (c *split) acquire(a *Attempt, now time.Time) (*Endpoint, Reason) {
	got := answer{why: Unknown}
	d := draw{key: a.Key, at: int(a.share)}
	if a.n == 0 { // a later attempt stays where it is as long as that has anybody
		c.mu.Lock()
		c.budget.request(now)
		if d.key == 0 {
			d.other = c.out
		}
		if d.other == 0 {
			c.firstLocked(&d)
		}
		c.mu.Unlock()
		if d.other != 0 && c.asksOut(a, now, &d, &got) {
			return got.e, got.why
		}
	}
	if c.draws(a, now, &d, spared, &got) || !got.benched {
		return got.e, got.why
	}
	d = draw{key: a.Key}
	c.mu.Lock()
	c.firstLocked(&d)
	c.mu.Unlock()
	c.draws(a, now, &d, lastly, &got)
	return got.e, got.why
}

// draws asks the share drawn, and when it has nobody, draws others.
func (c *split) draws(a *Attempt, now time.Time, d *draw, as part, got *answer) bool {
	for d.at >= 0 {
		if c.take(a, now, d.at, as, got) {
			return true
		}
		c.mu.Lock()
		if as == spared && a.n == 0 && d.key == 0 {
			c.out |= 1 << d.at
		}
		c.nextLocked(d)
		c.mu.Unlock()
	}
	return false
}

// asksOut asks the shares that are out of the drawing, and draws one of the others if
// none of these has anybody.
func (c *split) asksOut(a *Attempt, now time.Time, d *draw, got *answer) bool {
	for out := d.other; out != 0; out &= out - 1 {
		i := bits.TrailingZeros32(out)
		if !c.take(a, now, i, spared, got) {
			continue
		}
		found := got.e != nil // or it is full, and no more than that
		c.mu.Lock()
		c.out &^= 1 << i
		if d.other &^= 1 << i; found {
			d.at, d.paid = i, true
			c.payLocked(d)
		}
		c.mu.Unlock()
		if found {
			return true
		}
		got.why = Unknown
	}
	c.mu.Lock()
	c.firstLocked(d)
	c.mu.Unlock()
	return false
}

func (c *split) retry(now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.budget.spend(now)
}

// lookFor is acquire for an attempt that does not come about.
func (c *split) lookFor(key uint64, now time.Time) Look {
	c.mu.Lock()
	other := &split{shares: slices.Clone(c.shares), out: c.out}
	c.mu.Unlock()
	best, benched := Look{Reason: Unknown}, false
	asks := func(i int, as part) bool {
		l := other.shares[i].pool.foretake(key, now, as)
		if l.Reason == Acquired || l.Reason == AtCapacity {
			best, best.Share = l, i
			return true
		}
		best.Reason, benched = max(best.Reason, l.Reason), benched || l.Reason == AllBenched
		return false
	}
	d := draw{key: key}
	if key == 0 {
		for i := range other.shares {
			if other.out&(1<<i) == 0 {
				continue
			}
			if !asks(i, spared) {
				d.other |= 1 << i
			} else if best.Reason == Acquired {
				return best
			} else {
				best = Look{Reason: Unknown}
			}
		}
	}
	for other.firstLocked(&d); d.at >= 0; other.nextLocked(&d) {
		if asks(d.at, spared) {
			return best
		}
	}
	if !benched {
		return best
	}
	d = draw{key: key}
	for other.firstLocked(&d); d.at >= 0; other.nextLocked(&d) {
		if asks(d.at, lastly) {
			return best
		}
	}
	return best
}
