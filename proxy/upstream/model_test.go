package upstream

import (
	"math/rand/v2"
	"testing"
	"time"
)

// check holds what must be true of a pool at any moment.
func check(t *testing.T, p *Pool, now time.Time) {
	t.Helper()
	var eligible, benched int
	waiting, next := false, time.Time{}
	for i, e := range p.eps {
		c := p.cands[i]
		open := e.eligible && !e.bench.benched && (p.spec.MaxConnections == 0 || int(e.inFlight) < p.spec.MaxConnections)
		switch {
		case c.InFlight != e.inFlight || e.inFlight < 0:
			t.Fatalf("candidate %d has %d in flight, its endpoint %d", i, c.InFlight, e.inFlight)
		case open && c.Weight != e.weight, !open && c.Weight != 0:
			t.Fatalf("candidate %d weighs %d, its endpoint %d, open %v", i, c.Weight, e.weight, open)
		case e.seatLocked(p) != i:
			t.Fatalf("candidate %d sits at %d", i, e.seatLocked(p))
		case e.retired:
			t.Fatalf("candidate %d has retired", i)
		}
		if !e.eligible {
			continue
		}
		eligible++
		if e.bench.benched {
			benched++
			if e.bench.probe == 0 && (!waiting || e.bench.until.Before(next)) {
				waiting, next = true, e.bench.until
			}
		}
	}
	if p.eligible != eligible || p.benched != benched || p.waiting != waiting || waiting && !p.nextProbe.Equal(next) {
		t.Fatalf("the pool counts %d eligible, %d benched, waiting %v for %v; it has %d, %d, %v, %v",
			p.eligible, p.benched, p.waiting, p.nextProbe.Sub(now), eligible, benched, waiting, next.Sub(now))
	}
	if l, ok := p.picker.(*leastConn); ok && l.tree.half > 0 {
		if got, want := l.tree.winner(p.cands), oracle(p.cands); got != want {
			t.Fatalf("the tournament is won by %d, want %d", got, want)
		}
	}
}

// A long random life of three pools over one service: what Acquire gives is
// always fit, and when it gives nothing, there is nothing fit.
func TestModel(t *testing.T) {
	for seed := range uint64(6) {
		r := rand.New(rand.NewPCG(seed, 3))
		n := []int{1, 2, 5, 40}[seed%4]
		all := instances(n)
		for i := range all {
			all[i].Weight = 1 + r.IntN(4)
			if i%3 == 0 {
				all[i].Tags = []string{"third"}
			}
		}
		s, p := newPool(t, PoolSpec{}, all...)
		pools := []*Pool{
			p,
			mustPool(t, s, PoolSpec{Service: "web", Tags: []string{"third"}, Balance: "p2c"}),
			mustPool(t, s, PoolSpec{Service: "web", Balance: "round_robin", MaxConnections: 2}),
		}
		now := t0
		held := make([]Attempt, 3*n)
		for range 4000 {
			now = now.Add(time.Duration(r.IntN(200)) * time.Millisecond)
			a := &held[r.IntN(len(held))]
			switch r.IntN(12) {
			case 0:
				next := instances(n)
				kept := next[:0]
				for i := range next {
					next[i].Weight, next[i].Tags = all[i].Weight, all[i].Tags
					if r.IntN(6) == 0 {
						next[i].Ineligible = "critical"
					}
					if r.IntN(6) > 0 {
						kept = append(kept, next[i])
					}
				}
				s.Apply(snapshot("consul", kept...))
			case 1, 2:
				a.Release()
				*a = Attempt{}
			case 3, 4, 5, 6:
				a.Report(Outcome(1+r.IntN(outcomes-1)), now)
			default:
				acquire(t, pools[r.IntN(len(pools))], a, now)
			}
			for _, p := range pools {
				check(t, p, now)
			}
		}
		for i := range held {
			held[i].Release()
		}
		if st, _ := s.DescribeService("web", now); st.InFlight != 0 {
			t.Errorf("%d in flight at the end", st.InFlight)
		}
	}
}

// acquire acquires and judges what comes of it.
func acquire(t *testing.T, p *Pool, a *Attempt, now time.Time) {
	t.Helper()
	a.Release()
	tried := map[*Endpoint]bool{}
	for _, e := range a.tried[:a.n] {
		tried[e] = true
	}
	open, probes := 0, map[*Endpoint]bool{} // what could be given
	for i, e := range p.eps {
		full := p.spec.MaxConnections > 0 && int(e.inFlight) >= p.spec.MaxConnections
		switch {
		case tried[e] || full || !e.eligible:
		case e.bench.benched && e.bench.probe == 0:
			probes[e] = true
		case p.cands[i].Weight > 0:
			open++
		}
	}
	before := a.Tries()
	e, why := p.Acquire(a, now)
	switch {
	case e == nil && before < MaxAttempts && open+len(probes) > 0:
		t.Fatalf("nothing given (%v), %d open, %d to probe", why, open, len(probes))
	case e == nil && why == Acquired:
		t.Fatal("nothing given, and no reason")
	case e == nil:
		return
	case tried[e] || !e.eligible || e != a.Endpoint() || a.Tries() != before+1:
		t.Fatalf("given %s, tried %v, eligible %v", e.Key(), tried[e], e.eligible)
	case a.Probe() != probes[e] || a.Probe() != e.bench.benched:
		t.Fatalf("given %s as a probe %v, benched %v", e.Key(), a.Probe(), e.bench.benched)
	case a.Probe() && open > 0 && (before > 0 || now.Before(e.bench.until)):
		t.Fatalf("given %s as a probe with %d open", e.Key(), open)
	case p.spec.MaxConnections > 0 && e.InFlight() > p.spec.MaxConnections:
		t.Fatalf("given %s with %d in flight", e.Key(), e.InFlight())
	}
}
