package limits

import "time"

// meter is the arithmetic that token_bucket and leaky_bucket share: the generic
// cell rate algorithm of ITU-T I.371 in its virtual scheduling form. All there
// is to a key is one moment, its theoretical arrival time (TAT): when the units
// spent so far will all have come back. How far it lies ahead of now is the
// key's debt, and a debt of burst*interval is an empty bucket.
type meter struct {
	interval    int64 // T, nanoseconds for one unit to come back
	burst       int64 // B, units that can be spent at once
	full        int64 // the debt of a key that has nothing left, B*T
	undelayed   int64 // the debt that doesn't delay; full for a meter that polices
	perInterval divisor
}

// newMeter makes one in which so many units of debt are immediate: they don't
// delay.
func newMeter(r Rate, burst, immediate int64) meter {
	t := int64(r.Interval())
	return meter{
		interval:    t,
		burst:       burst,
		full:        burst * t,
		undelayed:   immediate * t,
		perInterval: divisorOf(t),
	}
}

func (m meter) clock(now Time) int64 { return int64(now.Mono) }

func (m meter) lag(digest) int64 { return 0 }

// fresh lets a TAT that has passed stand for none at all.
func (m meter) fresh(at int64) int64 { return at }

func (m meter) expiry(tat int64) int64 { return tat }

func (m meter) debt(tat, at int64) int64 { return tat - at }

func (m meter) decide(tat, cost, at int64) (d Decision) {
	ahead := max(tat, at) - at
	switch {
	case cost > m.burst:
		d.RetryAfter = Never
	case ahead <= m.full-cost*m.interval:
		d.Allowed = true
		d.Delay = m.delay(ahead)
		ahead += cost * m.interval
	default:
		d.RetryAfter = span(ahead - (m.full - cost*m.interval))
	}
	if ahead == 0 {
		d.Remaining = m.burst
		return d
	}
	m.stand(&d, ahead)
	return d
}

// delay is how long a request waits that finds the debt given.
func (m *meter) delay(ahead int64) time.Duration { return span(max(0, ahead-m.undelayed)) }

// stand says how a key stands that has a debt, in a Decision that is zero in
// this.
func (m *meter) stand(d *Decision, debt int64) {
	d.ResetAfter = time.Duration(debt)
	left := m.full - debt
	if left >= m.interval {
		n := m.perInterval.divide(left)
		d.Remaining = n
		left -= n * m.interval
	}
	d.NextAfter = time.Duration(m.interval - left)
}

func (m meter) charge(tat, cost, at int64) int64 {
	return max(tat, at) + cost*m.interval
}

func (m meter) refund(tat, cost, at int64) int64 {
	if tat <= at {
		return tat
	}
	return max(tat-min(cost, m.burst)*m.interval, at)
}

// inherit keeps the units spent, fractions of one included and rounded up, and
// lets them come back at the new rate from now on.
func (m meter) inherit(from meter, tat, was, at int64) int64 {
	debt, ok := mulDivUp(max(0, tat-was), m.interval, from.interval)
	if !ok || debt > m.full {
		debt = m.full
	}
	return at + debt
}
