package limits

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
		m.stand(&d, ahead)
	case ahead <= m.full-cost*m.interval:
		m.allow(&d, ahead, ahead+cost*m.interval)
	default:
		m.deny(&d, ahead, m.full-cost*m.interval)
	}
	return d
}

// allow answers a request that raises the debt from ahead to debt. This and the
// next fill in a zero Decision.
func (m *meter) allow(d *Decision, ahead, debt int64) {
	d.Allowed = true
	d.Delay = span(max(0, ahead-m.undelayed))
	m.stand(d, debt)
}

// deny answers a request that passes at a debt of at most room.
func (m *meter) deny(d *Decision, ahead, room int64) {
	d.RetryAfter = span(ahead - room)
	m.stand(d, ahead)
}

// stand says how a key with some debt stands.
func (m *meter) stand(d *Decision, debt int64) {
	left := m.full - debt
	d.ResetAfter = span(debt)
	if left >= m.interval {
		d.Remaining = m.perInterval.divide(left)
	}
	if debt > 0 {
		d.NextAfter = span((d.Remaining+1)*m.interval - left)
	}
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
