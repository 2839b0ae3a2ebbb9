package limit

import (
	"errors"
	"time"

	"github.com/lictor/lictor/limits"
	"github.com/lictor/lictor/proxy"
)

// Phase is the step that asks a list of limits, all or nothing: either every
// one of them charges the request or none does.
type Phase struct {
	limits  []*Limit
	waiters *limits.Waiters
}

// NewPhase returns the step for these limits, without the disabled ones; nil
// when none is left. Requests that a queueing limit delays wait in waiters; without
// them (nil) nobody waits, see NewReplayed.
func NewPhase(list []*Limit, waiters *limits.Waiters) *Phase {
	p := &Phase{waiters: waiters}
	for _, l := range list {
		if l.Spec.Mode != Disabled {
			p.limits = append(p.limits, l)
		}
	}
	if len(p.limits) == 0 {
		return nil
	}
	return p
}

// Request implements proxy.Step.
func (p *Phase) Request(x *proxy.Exchange) bool {
	first, held := len(x.Verdicts), x.Held()
	if len(p.limits) > 1 && !p.check(x) {
		return p.deny(x, first, 0)
	}
	x.Verdicts = x.Verdicts[:first]
	delay := time.Duration(0)
	var lost unanswered
	for i, l := range p.limits {
		d, info := l.take(x, i, &lost)
		if d.Allowed && d.Delay > 0 && !l.Info.Permissive && tooLate(x, d.Delay) {
			l.Limiter.Refund(l.key(x), l.cost(x), x.Start)
			d = refuseDelay(x, d)
		}
		x.Verdicts = append(x.Verdicts, proxy.Verdict{Limit: info, Decision: d})
		if !d.Allowed && !l.Info.Permissive { // lost a race since the check, or wasn't asked by it
			p.refund(x, first, i, held)
			return p.deny(x, first, lost)
		}
		if !l.Info.Permissive {
			delay = max(delay, d.Delay)
		}
	}
	if delay > 0 && p.waiters != nil {
		if !p.wait(x, first, held, delay, lost) {
			return false
		}
	} else {
		p.count(x, first, lost)
	}
	for _, l := range p.limits {
		if l.Spec.Unit == Bytes {
			l.meter(x)
		}
	}
	return true
}

// unanswered says of which limits of a phase, the first 64, the budget did not
// answer.
type unanswered uint64

func (u *unanswered) add(i int)     { *u |= 1 << i }
func (u unanswered) has(i int) bool { return u&(1<<i) != 0 }

// take charges the i-th limit of the phase. It returns the limit as clients are
// told of it, too.
func (l *Limit) take(x *proxy.Exchange, i int, lost *unanswered) (limits.Decision, *proxy.LimitInfo) {
	switch cost := l.cost(x); {
	case cost == 0 && l.remote != nil: // not worth asking
		return limits.Decision{Allowed: true}, l.silent
	case cost == 0:
		return l.free(x), l.Info
	case l.holder != nil:
		d, hold := l.holder.Begin(l.key(x), cost, x.Start, l.Info.Permissive)
		x.Hold(l.holder, hold)
		return d, l.Info
	case l.remote == nil:
		return l.Limiter.Take(l.key(x), cost, x.Start), l.Info
	}
	d, answered := l.remote.Ask(l.key(x), l.cost(x), x.Start)
	if answered {
		return d, l.Info
	}
	lost.add(i)
	if l.Spec.OnStoreError == Share {
		return d, l.Info
	}
	return d, l.silent
}

// free answers a request that costs nothing: how things stand. It passes and waits
// for nobody.
func (l *Limit) free(x *proxy.Exchange) limits.Decision {
	d := l.Limiter.Peek(l.key(x), 0, x.Start)
	d.Allowed, d.Delay, d.RetryAfter = true, 0, 0
	return d
}

func (l *Limit) key(x *proxy.Exchange) []byte {
	return l.appendKey(x.Space(), x)
}

// check asks every limit without charging any. It reports false when one
// refuses; then the verdicts are those of the check. Remote limits are asked once
// only, when they are charged: here they refuse what they know without asking.
func (p *Phase) check(x *proxy.Exchange) bool {
	ok := true
	for _, l := range p.limits {
		key := l.key(x)
		if l.remote != nil {
			v := proxy.Verdict{Limit: l.silent, Decision: limits.Decision{Allowed: true}}
			if d, denied := l.remote.Known(key, l.cost(x), x.Start); denied {
				v = proxy.Verdict{Limit: l.Info, Decision: d}
				ok = ok && l.Info.Permissive
			}
			x.Verdicts = append(x.Verdicts, v)
			continue
		}
		d := l.Limiter.Peek(key, l.cost(x), x.Start)
		switch {
		case l.cost(x) == 0:
			d = l.free(x)
		case l.Info.Permissive:
		case !d.Allowed:
			ok = false
		case d.Delay > 0 && tooLate(x, d.Delay):
			d = refuseDelay(x, d)
			ok = false
		default: // as it stands, if another one refuses
			d = l.Limiter.Peek(key, 0, x.Start)
			d.Allowed = true
		}
		x.Verdicts = append(x.Verdicts, proxy.Verdict{Limit: l.Info, Decision: d})
	}
	return ok
}

// refund gives back what the limits before the one that refused have charged, and
// ends what the exchange has come to hold since it held so much.
func (p *Phase) refund(x *proxy.Exchange, first, refused, held int) {
	x.Unhold(held)
	for i, l := range p.limits[:refused] {
		v := &x.Verdicts[first+i]
		if v.Decision.Allowed {
			key := l.key(x)
			if l.holder == nil { // else it is at its end already
				l.Limiter.Refund(key, l.cost(x), x.Start)
			}
			if l.remote != nil { // it would have to be asked
				v.Limit, v.Decision = l.silent, limits.Decision{Allowed: true}
				continue
			}
			v.Decision = l.Limiter.Peek(key, 0, x.Start)
			v.Decision.Allowed = true
		}
	}
}

// deny refuses the request. The limits that refused count it.
func (p *Phase) deny(x *proxy.Exchange, first int, lost unanswered) bool {
	for i := range x.Verdicts[first:] {
		v := &x.Verdicts[first+i]
		c := p.limits[i].Counters
		switch {
		case lost.has(i):
			c.StoreError.Add(1)
		case v.Decision.Allowed:
		case v.Limit.Permissive:
			c.WouldDeny.Add(1)
		default:
			c.Denied.Add(1)
		}
	}
	return p.answer(x, first, lost)
}

// answer answers 429, or 503 when the limit that refused did so because its store
// does not answer, or when none but the service's own have refused. It is always
// false.
func (p *Phase) answer(x *proxy.Exchange, first int, lost unanswered) bool {
	last, reduced := len(x.Verdicts)-1-first, true
	for i := range x.Verdicts[first:] {
		if v := &x.Verdicts[first+i]; !v.Decision.Allowed && !v.Limit.Permissive {
			reduced = reduced && p.limits[i].Spec.OfService()
		}
	}
	switch {
	case lost.has(last) && p.limits[last].Spec.OnStoreError == Closed:
		x.Answer(proxy.Overloaded, "a limit that all gateways share can't be checked at the moment", nil)
	case reduced:
		x.Answer(proxy.ReducedCapacity, "", nil)
	default:
		x.Deny()
	}
	return false
}

func (p *Phase) count(x *proxy.Exchange, first int, lost unanswered) {
	for i, l := range p.limits {
		switch d := &x.Verdicts[first+i].Decision; {
		case lost.has(i):
			l.Counters.StoreError.Add(1)
		case !d.Allowed:
			l.Counters.WouldDeny.Add(1)
		case d.Delay > 0:
			l.Counters.Delayed.Add(1)
		default:
			l.Counters.Allowed.Add(1)
		}
	}
}

// LongestGatewayDelay bounds a delay before there is a route, whose timeout would
// bound it: requests that nobody may ever match are not held back for longer.
const LongestGatewayDelay = 30 * time.Second

// patience is how long after its start a request may be held back. It is not
// bounded on a route without a timeout.
func patience(x *proxy.Exchange) (most time.Duration, bounded bool) {
	switch {
	case x.Deadline != 0:
		return x.Deadline - x.Start.Mono, true
	case x.Route == nil:
		return LongestGatewayDelay, true
	}
	return 0, false
}

// tooLate reports whether a delay ends after the route's timeout, or what stands
// for it.
func tooLate(x *proxy.Exchange, delay time.Duration) bool {
	most, bounded := patience(x)
	return bounded && delay >= most
}

// refuseDelay turns an allowed decision whose delay is too long into a refusal.
// The same request would pass once the delay has shrunk to what the timeout
// leaves; until then nothing passes on this route.
func refuseDelay(x *proxy.Exchange, d limits.Decision) limits.Decision {
	most, _ := patience(x)
	d.Allowed, d.Remaining = false, 0
	d.RetryAfter = max(1, d.Delay-most+1)
	d.NextAfter = d.RetryAfter
	d.Delay = 0
	return d
}

// crowded refuses a request that can't wait because too many do.
func crowded(x *proxy.Exchange) {
	x.Answer(proxy.Overloaded, "too many requests are waiting for their turn", nil)
}

// wait holds the request back. What it was charged stays charged once the wait
// has begun, however it ends; when it can't begin, it is given back.
func (p *Phase) wait(x *proxy.Exchange, first, held int, delay time.Duration, lost unanswered) bool {
	began, err := p.waiters.Wait(x.W.Context(), delay)
	if began {
		p.count(x, first, lost)
	} else {
		p.refund(x, first, len(p.limits), held)
	}
	if err == nil {
		return true
	}
	if errors.Is(err, limits.ErrTooManyWaiters) {
		crowded(x)
	} else {
		x.Gone(err)
	}
	return false
}
