package limits

import (
	"sync/atomic"
	"time"
)

// ConcurrencyName is the algorithm's name in a policy.
const ConcurrencyName = "concurrency"

// Concurrency is the block of a bound on what is in flight at the same time. It
// knows no rate: a place that a request has taken is free again when the request
// has ended, whether that takes a millisecond or an hour.
type Concurrency struct {
	// Max is how much is in flight at once at most.
	Max int64 `hcl:"max"`
}

// MostConcurrent bounds Concurrency.Max. No gateway has so many requests in
// flight.
const MostConcurrent = 1_000_000_000

// Spec checks the block.
func (b *Concurrency) Spec() (Spec, error) {
	switch {
	case b.Max <= 0:
		return nil, faultf("max", "max %d is not positive", b.Max)
	case b.Max > MostConcurrent:
		return nil, faultf("max", "max %d is more than %d", b.Max, int64(MostConcurrent))
	}
	return ConcurrencySpec{Max: b.Max}, nil
}

// ConcurrencySpec is a valid Concurrency.
type ConcurrencySpec struct{ Max int64 }

// Algorithm returns ConcurrencyName.
func (s ConcurrencySpec) Algorithm() string { return ConcurrencyName }

// Policy has no window, because nothing comes back by waiting.
func (s ConcurrencySpec) Policy() Policy {
	return Policy{Quota: s.Max, Unit: ConcurrentRequests}
}

// Capacity is the maximum.
func (s ConcurrencySpec) Capacity() int64 { return s.Max }

// New makes a Holder with nothing in flight.
func (s ConcurrencySpec) New(o Options) Limiter {
	c := &concurrency{spec: s, options: o.withDefaults()}
	c.state.Store(newPlaces(s.Max, int64(c.options.MaxKeys)))
	return c
}

// RetryUnknown is the RetryAfter of a Holder's denial. When a request in flight
// ends nobody knows; it is the least that a client can be told.
const RetryUnknown = time.Second

// concurrency is a Holder of places. All generations of one limit share its
// places, and the bounds of the newest hold for all.
type concurrency struct {
	spec    ConcurrencySpec
	options Options
	state   atomic.Pointer[places]
}

// Take implements Limiter.
func (c *concurrency) Take(key []byte, cost int64, now Time) Decision {
	d, _ := c.Begin(key, cost, now, false)
	return d
}

// Begin implements Holder. Who is denied is not held, even if the request passes:
// a limit that only watches then counts what would be in flight if it did not.
func (c *concurrency) Begin(key []byte, cost int64, _ Time, _ bool) (Decision, Hold) {
	p := c.state.Load()
	cost = max(cost, 0)
	d := p.seed.digest(key)
	answer, held := p.take(d, cost, true)
	if !answer.Allowed || cost == 0 {
		return answer, Hold{}
	}
	return answer, Hold{digest: d, cost: cost, inFlight: held}
}

// Peek implements Limiter.
func (c *concurrency) Peek(key []byte, cost int64, _ Time) Decision {
	p := c.state.Load()
	answer, _ := p.take(p.seed.digest(key), max(cost, 0), false)
	return answer
}

// Refund implements Limiter: it ends what a Take began.
func (c *concurrency) Refund(key []byte, cost int64, _ Time) {
	p := c.state.Load()
	if cost > 0 {
		p.give(p.seed.digest(key), cost)
	}
}

// Answered implements Holder. How long anything takes is of no interest.
func (c *concurrency) Answered(Hold, time.Duration, Outcome, Time) {}

// End implements Holder.
func (c *concurrency) End(h Hold) {
	if !h.Empty() {
		c.state.Load().give(h.digest, h.cost)
	}
}

// Policy implements Limiter.
func (c *concurrency) Policy() Policy {
	return ConcurrencySpec{Max: c.state.Load().most.Load()}.Policy()
}

// Keys implements Limiter. A key is held as long as something of it is in flight.
func (c *concurrency) Keys() int { return int(c.state.Load().keys.Load()) }

// InFlight implements Holder.
func (c *concurrency) InFlight() (n int64) {
	c.state.Load().each(func(_ digest, held int64) { n += held })
	return n
}

// Held implements Holder: whose places they are is kept in digests only.
func (c *concurrency) Held(Time) []Holding { return nil }

// Top implements Limiter.
func (c *concurrency) Top(n int, _ Time) []KeyUsage {
	p := c.state.Load()
	top := ranking{most: n}
	most := p.most.Load()
	p.each(func(d digest, held int64) { top.add(d, Decision{Remaining: max(0, most-held)}) })
	return top.list()
}

func (c *concurrency) current() adoptable { return c }

func (c *concurrency) made() (Spec, Options) { return c.spec, c.options }

func (c *concurrency) secret() seed { return c.state.Load().seed }

// reseed does nothing: with the places comes their seed.
func (c *concurrency) reseed(seed) {}

// adopt takes over the places. What is in flight stays so and is given back to
// them, whoever it was that let it in. If the maximum is lower now, nothing is
// cut off, and nothing begins before enough has ended.
func (c *concurrency) adopt(old Limiter, _ Time) {
	from, ok := old.(*concurrency)
	if !ok {
		return
	}
	p := from.state.Load()
	p.most.Store(c.spec.Max)
	p.mostKeys.Store(int64(c.options.MaxKeys))
	c.state.Store(p)
}
