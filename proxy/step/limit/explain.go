package limit

import (
	"fmt"
	"time"

	"github.com/lictor/lictor/limits"
	"github.com/lictor/lictor/proxy"
)

// Explain implements proxy.Explainer: it decides as Request does, by peeking.
// Budgets that are kept elsewhere are not asked, so that of them is known only what
// was denied of late.
func (p *Phase) Explain(x *proxy.Exchange, v *proxy.Explanation) bool {
	first := len(x.Verdicts)
	ok := p.check(x)
	delay, unknown := time.Duration(0), false
	for i, l := range p.limits {
		verdict := &x.Verdicts[first+i]
		if ok {
			verdict.Decision = l.foresee(x, verdict.Decision)
			if !l.Info.Permissive {
				delay = max(delay, verdict.Decision.Delay)
			}
		}
		part := l.explain(x, verdict, v.Reveal)
		unknown = unknown || part.Verdict == proxy.NotKnown
		v.Parts = append(v.Parts, part)
	}
	switch {
	case !ok:
		if len(p.limits) > 1 {
			v.Why = "one limit is enough to refuse, and then none is charged"
		}
		return p.answer(x, first, 0)
	case delay > 0 && p.waiters.Full():
		v.Why = "the request would have to wait, and too many do"
		crowded(x)
		return false
	case unknown:
		v.Verdict = proxy.NotKnown
	case delay > 0:
		v.Verdict = proxy.Delayed
		v.Say("delay_ms", delay.Milliseconds())
	}
	return true
}

// foresee is what charging would decide, given what the check did.
func (l *Limit) foresee(x *proxy.Exchange, checked limits.Decision) limits.Decision {
	if cost := l.cost(x); cost > 0 && l.remote == nil && checked.Allowed {
		return l.Limiter.Peek(l.key(x), cost, x.Start)
	}
	return checked
}

// explain tells of one limit.
func (l *Limit) explain(x *proxy.Exchange, verdict *proxy.Verdict, reveal bool) proxy.Explanation {
	d := &verdict.Decision
	v := proxy.Explanation{Step: l.Spec.Name, Verdict: proxy.Passes}
	cost, policy := l.cost(x), l.Limiter.Policy()
	asked := l.remote == nil || cost == 0 || verdict.Limit != l.silent
	switch {
	case !asked:
		v.Verdict, v.Why = proxy.NotKnown, "its budget is in the store, which can't be asked without charging it"
	case !d.Allowed && l.Info.Permissive:
		v.Verdict, v.Why = proxy.WouldRefuse, "the limit is permissive: it counts and logs, and lets the request pass"
	case !d.Allowed:
		v.Verdict, v.Why = proxy.Refuses, l.why(d, cost)
	case d.Delay > 0:
		v.Verdict = proxy.Delayed
	case cost == 0:
		v.Why = "a request like this costs nothing"
	}
	v.Say("algorithm", l.Spec.Algorithm)
	v.Say("mode", l.Spec.Mode.String())
	v.Say("scope", l.Spec.Scope.String())
	v.Say("key", l.keyFacts(x, reveal))
	if digest := limits.Digest(l.Limiter, l.key(x)); digest != "" {
		v.Say("digest", digest)
	}
	v.Say("quota", policy.Quota)
	if policy.Unit != "" || l.Spec.Unit == Bytes {
		v.Say("unit", l.Info.Policy.Unit)
	}
	if policy.Window > 0 {
		v.Say("window_ms", policy.Window.Milliseconds())
	}
	v.Say("cost", cost)
	if !asked || l.remote != nil && d.Allowed {
		return v
	}
	stands := *d
	if l.remote == nil {
		stands = l.Limiter.Peek(l.key(x), 0, x.Start)
	}
	v.Say("remaining", max(0, stands.Remaining))
	switch {
	case d.Delay > 0:
		v.Say("delay_ms", d.Delay.Milliseconds())
	case d.RetryAfter == limits.Never:
		v.Say("retry", "never")
	case !d.Allowed:
		v.Say("retry_after_ms", ceilMilliseconds(d.RetryAfter))
	}
	if stands.ResetAfter > 0 {
		v.Say("reset_after_ms", ceilMilliseconds(stands.ResetAfter))
	}
	return v
}

// why says why a limit refuses.
func (l *Limit) why(d *limits.Decision, cost int64) string {
	switch {
	case d.RetryAfter == limits.Never:
		return fmt.Sprintf("a cost of %d is more than can ever be spent", cost)
	case l.holder != nil:
		return "as much is in flight as may be"
	}
	return "not enough is left for this key"
}

func ceilMilliseconds(d time.Duration) int64 {
	return int64((d + time.Millisecond - 1) / time.Millisecond)
}

// hidden stands for what says who the client is, other than its network.
const hidden = "(hidden)"

// keyFacts are the parts of an exchange's key, without what only the client should
// know unless it is to be revealed. Networks, and what the policy itself names,
// are shown.
func (l *Limit) keyFacts(x *proxy.Exchange, reveal bool) proxy.Facts {
	facts := proxy.Facts{}
	for i := range l.Spec.Key {
		p := &l.Spec.Key[i]
		one := l.appendPart(nil, x, p)
		value := hidden
		switch {
		case one[0] == byte(ClientIP):
			value = l.network(x)
		case one[0]&fallback != 0:
			value = "missing, so " + l.network(x)
		case p.Kind == RequestHost || p.Kind == RequestMethod || p.Kind == RouteName || p.Kind == ServiceName:
			value = KeyText(one)
		case reveal && p.Kind != ClientCert:
			value = KeyText(one)
		}
		facts = append(facts, proxy.Fact{Name: p.String(), Value: value})
	}
	if len(facts) == 0 {
		facts = append(facts, proxy.Fact{Name: "all", Value: "one budget for all"})
	}
	return facts
}

// network is the part of the client's address that counts.
func (l *Limit) network(x *proxy.Exchange) string {
	bits := l.Spec.IPv6Prefix
	if x.Client.Is4() {
		bits = l.Spec.IPv4Prefix
	}
	p, err := x.Client.Prefix(bits)
	if err != nil || p.IsSingleIP() {
		return x.Client.String()
	}
	return p.String()
}
