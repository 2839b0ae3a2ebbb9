package redis

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/lictor/lictor/limits"
)

// OnError says how a limit decides while the store does not answer.
type OnError uint8

// The ways to decide without the store. The zero value is Share.
const (
	Share  OnError = iota // limit here, to this gateway's share of the traffic
	Open                  // allow everything
	Closed                // deny everything
)

// Spec is one limit whose budgets are in the store.
type Spec struct {
	// Name tells the limit's keys from those of others in the store.
	Name string
	// KeyClass says what the keys are made of. Another one starts fresh.
	KeyClass string
	Limit    limits.Spec
	OnError  OnError
	// Lease is how many units are taken from the store at a time; 0 and 1 mean
	// each by itself. With more, a client may get up to so many more from each
	// gateway in a span that begins after they were taken.
	Lease int64
	// MaxKeys bounds the keys that are limited here while the store does not
	// answer.
	MaxKeys int
}

// Limiter is a limits.Limiter whose budgets are in the store.
type Limiter struct {
	store  *Store
	spec   Spec
	form   *form
	script *script
	domain []byte
	decide limits.Arithmetic
	known  known
	taken  taken
	demand demand
	share  share
	local  local
	grace  int64 // milliseconds that a state is kept beyond its use

	// moment is the clock that decides, for tests; nil means the store's.
	moment func(limits.Time) int64
}

// longestLease bounds how long units of a steadily refilled limit are kept.
const longestLease = 5 * time.Second

// grace is for clocks of stores that step back a little.
const grace = time.Second

// Check says what is wrong with a limit's numbers, for the store; nil if nothing
// is.
func Check(s Spec) error {
	if limits.ArithmeticOf(s.Limit) == nil {
		return fmt.Errorf("%s can't be shared", s.Limit.Algorithm())
	}
	if _, err := formOf(s.Limit); err != nil {
		return err
	}
	if s.Lease > s.Limit.Capacity() {
		return fmt.Errorf("a lease of %d is more than the %d that can be spent at once", s.Lease, s.Limit.Capacity())
	}
	if b, ok := s.Limit.(limits.LeakyBucketSpec); ok && b.Queue > 0 && s.Lease > 1 {
		return errors.New("a queue has no leases: every request waits for its own turn")
	}
	return nil
}

// Limiter makes a limiter. It goes on where old, which may be nil, left off: what
// it knows of the share, and what was spent here while the store was away, once
// the adoption is committed. What is spent in the store is spent there.
func (s *Store) Limiter(spec Spec, old *Limiter) (*Limiter, limits.Adoption, error) {
	if err := Check(spec); err != nil {
		return nil, limits.Adoption{}, fmt.Errorf("limit %q: %w", spec.Name, err)
	}
	f, err := formOf(spec.Limit)
	if err != nil {
		return nil, limits.Adoption{}, err
	}
	l := &Limiter{
		store: s, spec: spec, form: f, script: s.scripts[f.script], grace: grace.Milliseconds(),
		domain: domain(s.options.Salt, spec.Name, f.kind, spec.KeyClass),
		decide: limits.ArithmeticOf(spec.Limit),
	}
	l.known.decide = l.decide
	l.local.spec, l.local.options = spec.Limit, limits.Options{MaxKeys: spec.MaxKeys}
	part := 1 / float64(s.options.Gateways)
	var before limits.Limiter
	if old != nil {
		part, before = old.share.load(), old.local.at.Load().Limiter
	}
	l.share.store(part)
	adoption := limits.Prepare(before, scaled(spec.Limit, part), l.local.options)
	l.local.at.Store(&sized{Limiter: adoption.Limiter, share: part})
	return l, adoption, nil
}

// Take implements limits.Limiter.
func (l *Limiter) Take(key []byte, cost int64, now limits.Time) limits.Decision {
	d, _ := l.Ask(key, cost, now)
	return d
}

// Ask is Take, and reports whether the budget answered: else the decision is
// OnError's.
func (l *Limiter) Ask(key []byte, cost int64, now limits.Time) (limits.Decision, bool) {
	cost = max(cost, 0)
	if cost == 0 || cost > l.spec.Limit.Capacity() { // changes nothing, whatever the answer
		return l.peek(key, cost, now)
	}
	d := digestOf(l.domain, key)
	l.demand.asked.Add(cost)
	if answer, ok := l.unasked(d, cost, now.Mono); ok {
		return answer, true
	}
	most, within := cost, l.store.options.Timeout
	if l.spec.Lease > cost {
		for began := l.now(); ; {
			taken := l.known.begin(d)
			if taken == nil {
				defer l.known.end(d)
				most = l.spec.Lease
				break
			}
			if !await(taken, within) {
				return l.without(key, d, cost, now), false
			}
			if answer, ok := l.unasked(d, cost, now.Mono); ok {
				return answer, true
			}
			within = l.store.options.Timeout - (l.now() - began)
		}
	}
	epoch := l.store.epoch.Load()
	r, err := l.call(opTake, d, cost, most, l.at(now), within)
	if err != nil {
		return l.without(key, d, cost, now), false
	}
	answer := l.decide(r.state, max(cost, r.granted), r.at)
	if answer.Allowed != (r.granted > 0) {
		// Never seen, and never to be passed on.
		l.store.stats.failed.Add(1)
		return l.without(key, d, cost, now), false
	}
	l.learn(d, cost, r, &answer, now.Mono, epoch)
	return answer, true
}

// unasked answers from what is known without asking the store.
func (l *Limiter) unasked(d digest, cost int64, now time.Duration) (limits.Decision, bool) {
	epoch := l.store.epoch.Load()
	if answer, ok := l.known.denied(d, cost, now, epoch); ok {
		l.store.stats.known.Add(1)
		return answer, true
	}
	if l.spec.Lease <= 1 {
		return limits.Decision{}, false
	}
	answer, ok := l.known.lease(d, cost, now, epoch)
	if ok {
		l.store.stats.leased.Add(1)
		l.taken.add(charge{digest: d, now: now, keeper: byLease})
	}
	return answer, ok
}

// await reports whether the channel was closed in time.
func await(closed <-chan struct{}, within time.Duration) bool {
	timer := time.NewTimer(within)
	defer timer.Stop()
	select {
	case <-closed:
		return true
	case <-timer.C:
		return false
	}
}

func (l *Limiter) now() time.Duration { return l.store.options.Clock.Now().Mono }

// learn keeps what an answer tells of the future, and makes the answer of a
// lease that of the request alone.
func (l *Limiter) learn(d digest, cost int64, r reply, answer *limits.Decision, now time.Duration, epoch uint64) {
	if l.store.epoch.Load() != epoch {
		epoch = l.store.epoch.Load() // it was asked of the store as it is now
	}
	e := knownKey{epoch: epoch, asked: now}
	if !answer.Allowed {
		if answer.RetryAfter > 0 {
			e.until = now + min(answer.RetryAfter, longestDenial)
			e.cost, e.state, e.at = cost, r.state, r.at
			l.known.learn(d, e)
		}
		return
	}
	l.taken.add(charge{digest: d, now: now, keeper: byStore, at: r.moment})
	if extra := r.granted - cost; extra > 0 {
		e.until = now + l.lifetime(answer)
		e.left, e.stood = extra, *answer
		l.known.learn(d, e)
		answer.Remaining += extra
	}
}

// lifetime is how long a lease is good for: for a window until it ends, since no
// unit counts in another one than it was charged in, and else for as long as its
// units take to come back, or a second when they are quick.
func (l *Limiter) lifetime(answer *limits.Decision) time.Duration {
	if l.form.wall {
		return answer.ResetAfter
	}
	return min(max(time.Duration(l.spec.Lease)*l.spec.Limit.Policy().Interval, time.Second), longestLease)
}

// Peek implements limits.Limiter.
func (l *Limiter) Peek(key []byte, cost int64, now limits.Time) limits.Decision {
	d, _ := l.peek(key, max(cost, 0), now)
	return d
}

func (l *Limiter) peek(key []byte, cost int64, now limits.Time) (limits.Decision, bool) {
	r, err := l.call(opPeek, digestOf(l.domain, key), cost, cost, l.at(now), l.store.options.Timeout)
	if err != nil {
		return l.blind(func(in limits.Limiter) limits.Decision { return in.Peek(key, min(cost, in.Policy().Quota), now) }), false
	}
	return l.decide(r.state, cost, r.at), true
}

// Known returns the denial of a request that can be denied without asking the
// store.
func (l *Limiter) Known(key []byte, cost int64, now limits.Time) (limits.Decision, bool) {
	return l.known.denied(digestOf(l.domain, key), cost, now.Mono, l.store.epoch.Load())
}

// Refund implements limits.Limiter. A charge made here is given back here, one
// made in the store there.
func (l *Limiter) Refund(key []byte, cost int64, now limits.Time) {
	if cost <= 0 {
		return
	}
	d := digestOf(l.domain, key)
	c := l.taken.remove(d, now.Mono)
	switch c.keeper {
	case byLocal:
		in := l.local.at.Load()
		in.Refund(key, min(cost, in.Policy().Quota), now)
		return
	case byLease:
		l.known.giveBack(d, cost, now.Mono, l.store.epoch.Load())
		return
	case byStore:
		if l.spec.Lease > 1 && l.known.giveBack(d, cost, now.Mono, l.store.epoch.Load()) {
			return
		}
		l.known.forget(d)
		// A refund that fails grants nothing, and the breaker has heard of it.
		_, _ = l.call(opRefund, d, cost, cost, &c.at, l.store.options.Timeout)
	}
}

// without decides on a request that the store gave no answer to.
func (l *Limiter) without(key []byte, d digest, cost int64, now limits.Time) limits.Decision {
	return l.blind(func(in limits.Limiter) limits.Decision {
		answer := in.Take(key, min(cost, in.Policy().Quota), now)
		if answer.Allowed {
			l.taken.add(charge{digest: d, now: now.Mono, keeper: byLocal})
		}
		return answer
	})
}

// blind answers as OnError says; share asks the limiter of this gateway's share.
func (l *Limiter) blind(share func(limits.Limiter) limits.Decision) limits.Decision {
	switch l.spec.OnError {
	case Open:
		return limits.Decision{Allowed: true, Remaining: l.spec.Limit.Capacity()}
	case Closed:
		return limits.Decision{RetryAfter: time.Second}
	default:
		return share(l.local.at.Load())
	}
}

// Policy implements limits.Limiter.
func (l *Limiter) Policy() limits.Policy { return l.spec.Limit.Policy() }

// Keys counts the keys of which something is known here. How many there are in
// the store only the store could tell, at length.
func (l *Limiter) Keys() int {
	n := 0
	l.known.each(func(digest, knownKey) { n++ })
	return n
}

// Top returns the keys that were denied here of late.
func (l *Limiter) Top(n int, now limits.Time) []limits.KeyUsage {
	var list []limits.KeyUsage
	l.known.each(func(d digest, e knownKey) {
		if e.state == nil || now.Mono >= e.until {
			return
		}
		stands := l.decide(e.state, 0, e.at+int64(max(0, now.Mono-e.asked)))
		list = append(list, limits.KeyUsage{Digest: d.short(), Remaining: stands.Remaining, Reset: stands.ResetAfter})
	})
	slices.SortFunc(list, func(a, b limits.KeyUsage) int {
		return cmp.Or(cmp.Compare(a.Remaining, b.Remaining), cmp.Compare(b.Reset, a.Reset), cmp.Compare(a.Digest, b.Digest))
	})
	return list[:min(max(n, 0), len(list))]
}

// Digest implements limits.Digester.
func (l *Limiter) Digest(key []byte) string { return digestOf(l.domain, key).short() }

// The operations of the scripts.
const (
	opTake   = "take"
	opPeek   = "peek"
	opRefund = "refund"
)

// reply is what a script found.
type reply struct {
	granted int64
	moment  int64 // by the store's clock, nanoseconds since the Unix epoch
	at      int64 // the same on the key's time line
	state   []int64
}

// at is the moment that a question says it is asked at; nil leaves it to the
// store.
func (l *Limiter) at(now limits.Time) *int64 {
	if l.moment == nil {
		return nil
	}
	t := l.moment(now)
	return &t
}

func (l *Limiter) call(op string, d digest, cost, most int64, moment *int64, within time.Duration) (reply, error) {
	args := make([]any, 0, 16)
	args = append(args, op)
	if moment == nil {
		args = append(args, "", "")
	} else {
		ms, rest := split(*moment)
		args = append(args, ms, rest)
	}
	args = append(args, l.grace, cost, most)
	from := len(args)
	args = append(args, l.form.args...)
	if t := l.form.interval; t > 0 {
		capacity := l.spec.Limit.Capacity()
		for _, c := range []int64{cost, most} {
			ms, rest := split(min(c, capacity) * t)
			args = append(args, ms, rest)
		}
	}
	offset := l.form.offset
	if l.form.byKey {
		offset = d.below(l.form.window)
		args[from+2], args[from+3] = split(offset)
	}
	numbers := 3
	if op != opRefund {
		numbers += l.form.words(l.spec.Limit)
	}
	out, err := l.store.run(l.script, d.name(l.store.options.Prefix, l.spec.Name), args, numbers, within)
	if err != nil {
		return reply{}, err
	}
	r := reply{granted: out[0], moment: join(out[1], out[2])}
	r.at = r.moment
	if l.form.wall {
		r.at += l.form.window - offset
	}
	if op != opRefund {
		r.state = l.form.state(r.at, out[3:])
	}
	return r, nil
}
