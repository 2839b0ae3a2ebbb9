package redis

import (
	"math"
	"sync/atomic"
	"time"

	"github.com/lictor/lictor/limits"
)

// demand measures how much is asked of a limit here, in units a second.
type demand struct {
	asked atomic.Int64
	// smooth and last belong to whoever calls settle.
	smooth float64
	last   time.Duration
}

// settle returns the demand of late, in thousandths of a unit a second: half of
// it is of the time since the last call.
func (d *demand) settle(now time.Duration) int64 {
	asked := float64(d.asked.Swap(0))
	if elapsed := now - d.last; elapsed > 0 {
		d.smooth = (d.smooth + asked/elapsed.Seconds()) / 2
	}
	d.last = now
	return int64(d.smooth * 1000)
}

// share is the part of a limit's traffic that comes through this gateway, in (0,
// 1].
type share struct{ bits atomic.Uint64 }

func (s *share) load() float64   { return math.Float64frombits(s.bits.Load()) }
func (s *share) store(v float64) { s.bits.Store(math.Float64bits(v)) }

// observe takes in what the gateways told. Without any demand they are taken to
// share alike; one without demand of its own keeps a little, lest all that comes
// its way once the store is gone be refused.
func (s *share) observe(mine, all, gateways int64) {
	gateways = max(1, gateways)
	v := 1 / float64(gateways)
	if all > 0 {
		v = max(float64(mine)/float64(all), v/10)
	}
	s.store(min(1, v))
}

// scaled is a limit that grants a share of what spec does, and at least one unit
// at a time.
func scaled(spec limits.Spec, share float64) limits.Spec {
	part := func(n int64) int64 { return max(1, int64(float64(n)*share)) }
	slower := func(r limits.Rate) limits.Rate {
		longest := float64(limits.Longest)
		r.Window = time.Duration(min(math.Ceil(float64(r.Window)/share), longest))
		return r
	}
	switch s := spec.(type) {
	case limits.TokenBucketSpec:
		s.Rate, s.Burst = slower(s.Rate), part(s.Burst)
		return s
	case limits.LeakyBucketSpec:
		s.Rate = slower(s.Rate)
		if s.Queue > 0 {
			s.Queue = part(s.Queue)
			s.Immediate = min(s.Queue, int64(float64(s.Immediate)*share))
			s.Burst = s.Queue + 1
			return s
		}
		s.Burst = part(s.Burst)
		return s
	case limits.FixedWindowSpec:
		s.Limit = part(s.Limit)
		return s
	case limits.SlidingWindowSpec:
		s.Limit = part(s.Limit)
		return s
	}
	return spec
}

// local is the limiter that decides while the store does not answer, at this
// gateway's share. It is kept in step with the share so that it is ready when it
// is needed.
type local struct {
	spec    limits.Spec
	options limits.Options
	at      atomic.Pointer[sized]
}

// sized is a limiter for a share.
type sized struct {
	limits.Limiter
	share float64
}

// fit makes the limiter fit a share, unless it nearly does.
func (l *local) fit(share float64, now limits.Time) {
	was := l.at.Load()
	if share > was.share*0.9 && share < was.share*1.1 {
		return
	}
	next := limits.Adopt(was.Limiter, scaled(l.spec, share), l.options, now)
	l.at.CompareAndSwap(was, &sized{Limiter: next, share: share})
}
