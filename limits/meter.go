package limits

// meter is the arithmetic that token_bucket and leaky_bucket share: the generic
// cell rate algorithm of ITU-T I.371 in its virtual scheduling form. All there
// is to a key is one moment, its theoretical arrival time (TAT): when the units
// spent so far will all have come back. How far it lies ahead of now is the
// key's debt, and a debt of burst*interval is an empty bucket.
type meter struct {
	interval  int64 // T, nanoseconds for one unit to come back
	burst     int64 // B, units that can be spent at once
	immediate int64 // units of debt that don't delay; burst for a meter that polices
}

func newMeter(r Rate, burst, immediate int64) meter {
	return meter{interval: int64(r.Interval()), burst: burst, immediate: immediate}
}

// full is the debt of a key that has nothing left.
func (m meter) full() int64 { return m.burst * m.interval }

func (m meter) clock(now Time) int64 { return int64(now.Mono) }

func (m meter) lag(digest) int64 { return 0 }

// fresh lets a TAT that has passed stand for none at all.
func (m meter) fresh(at int64) int64 { return at }

func (m meter) expiry(tat int64) int64 { return tat }

func (m meter) debt(tat, at int64) int64 { return tat - at }

func (m meter) decide(tat, cost, at int64) Decision {
	var d Decision
	full := m.full()
	ahead := max(tat, at) - at
	debt := ahead
	switch {
	case cost > m.burst:
		d.RetryAfter = Never
	case ahead <= full-cost*m.interval:
		d.Allowed = true
		d.Delay = span(max(0, ahead-m.immediate*m.interval))
		debt += cost * m.interval
	default:
		d.RetryAfter = span(ahead - (full - cost*m.interval))
	}
	d.Remaining = max(0, (full-debt)/m.interval)
	if debt > 0 {
		d.NextAfter = span(debt + (d.Remaining+1)*m.interval - full)
	}
	d.ResetAfter = span(debt)
	return d
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
	if !ok || debt > m.full() {
		debt = m.full()
	}
	return at + debt
}
