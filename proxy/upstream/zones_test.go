package upstream

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/lictor/lictor/catalog"
)

// zoned returns a set in zone a and a pool with so many endpoints near and far,
// the first of each critical.
func zoned(t testing.TB, balance string, near, nearCritical, far, farCritical int) (*Set, *Pool) {
	t.Helper()
	in := instances(near + far)
	for i := range in {
		in[i].Zone = "b"
		if i%2 > 0 && i/2 < near || i >= 2*far {
			in[i].Zone = "a" // mixed, as a catalog is
		}
	}
	left := map[string]int{"a": nearCritical, "b": farCritical}
	count := map[string]int{}
	for i := range in {
		count[in[i].Zone]++
		if left[in[i].Zone] > 0 {
			left[in[i].Zone]--
			in[i].Ineligible = "critical"
		}
	}
	if count["a"] != near || count["b"] != far {
		t.Fatalf("%v, want %d near and %d far", count, near, far)
	}
	s := NewSet(Options{Zone: "a", Seed: 1})
	s.Apply(snapshot("consul", in...))
	return s, mustPool(t, s, PoolSpec{Service: "web", Balance: balance})
}

// nearShare sends n requests and returns the share that stayed in zone a.
func nearShare(t testing.TB, p *Pool, n int) float64 {
	t.Helper()
	r := rand.New(rand.NewPCG(4, 2))
	near := 0
	for range n {
		a := Attempt{}
		if p.spec.Balance == "hash" {
			a.Key = r.Uint64()
		}
		e, why := p.Acquire(&a, t0)
		if e == nil {
			t.Fatal(why)
		}
		if e.Instance().Zone == "a" {
			near++
		}
		a.Report(Success, t0)
		a.Release()
	}
	return float64(near) / float64(n)
}

// With every balancer the requests divide as the healthy share of the zone
// says.
func TestZoneProportions(t *testing.T) {
	for _, b := range Balancers() {
		for _, tc := range []struct {
			near, nearCritical, far, farCritical int
			want                                 float64
		}{
			{4, 0, 4, 0, 1},
			{10, 2, 10, 0, 1},      // 80 % healthy, 112 % borne
			{10, 3, 10, 0, 0.98},   // 70 %
			{10, 5, 10, 0, 0.7},    // 50 %
			{10, 9, 10, 0, 0.14},   // 10 %
			{10, 10, 10, 0, 0},     // nobody
			{10, 5, 10, 10, 1},     // nobody is far
			{10, 9, 10, 9, 0.5},    // both bear 14 %
			{10, 8, 10, 9, 2. / 3}, // 28 % and 14 %
			{10, 5, 10, 8, 5. / 7}, // 70 % and 28 %
			{0, 0, 5, 0, 0},        // nobody lives here
			{5, 0, 0, 0, 1},        // everybody does
			{2 * scanLimit, 0, 3, 0, 1},
			{2 * scanLimit, scanLimit, 2 * scanLimit, 0, 0.7},
		} {
			_, p := zoned(t, b.Name, tc.near, tc.nearCritical, tc.far, tc.farCritical)
			tolerance := 0.002
			if b.Name == "hash" {
				tolerance = 0.03
			}
			want := tc.want
			if got := nearShare(t, p, 2000); math.Abs(got-want) > tolerance {
				t.Errorf("%s, %+v: %.3f stay in the zone, want %.3f", b.Name, tc, got, want)
			}
		}
	}
}

// Weights count, in the proportion and on each side.
func TestZoneWeights(t *testing.T) {
	in := instances(4)
	for i := range in {
		in[i].Zone = []string{"a", "b"}[i%2]
	}
	in[0].Weight, in[2].Weight, in[1].Weight, in[3].Weight = 3, 7, 1, 4
	in[2].Ineligible = "critical" // 30 % healthy near, 42 % borne
	s := NewSet(Options{Zone: "a", Seed: 1})
	s.Apply(snapshot("consul", in...))
	p := mustPool(t, s, PoolSpec{Service: "web", Balance: "round_robin"})
	if got := nearShare(t, p, 10000); math.Abs(got-0.42) > 0.001 {
		t.Errorf("%.4f stay in the zone, want 0.42", got)
	}
	var one, four uint64
	for _, e := range p.eps {
		switch e.Key() {
		case in[1].Key:
			one = e.requests
		case in[3].Key:
			four = e.requests
		}
	}
	if r := float64(four) / float64(one); math.Abs(r-4) > 0.05 {
		t.Errorf("%d and %d requests at weights 1 and 4", one, four)
	}
}

// A random life keeps the proportion that a naive count of who is healthy says,
// and a request finds somebody whenever there is anybody.
func TestZoneModel(t *testing.T) {
	for seed := range uint64(10) {
		r := rand.New(rand.NewPCG(seed, 9))
		balance := Balancers()[int(seed)%len(Balancers())].Name
		in := instances(1 + r.IntN(12))
		s := NewSet(Options{Zone: "a", Seed: seed})
		s.Apply(snapshot("consul", in...))
		p := mustPool(t, s, PoolSpec{Service: "web", Balance: balance})
		for range 150 {
			next := instances(len(in))
			for i := range next {
				next[i].Weight = 1 + r.IntN(9)
				next[i].Zone = []string{"", "a", "b"}[r.IntN(3)]
				if r.IntN(3) == 0 {
					next[i].Ineligible = "critical"
				}
			}
			s.Apply(snapshot("consul", next...))
			if r.IntN(2) > 0 {
				var a Attempt
				if e, _ := p.Acquire(&a, t0); e != nil {
					a.Report(Refused, t0)
				}
				a.Release()
			}
			check(t, p, t0)
			wantSpill(t, p)
			for range 5 {
				a := Attempt{Key: r.Uint64()}
				e, why := p.Acquire(&a, t0)
				if e == nil && (why == Acquired || p.eligible > p.benched) {
					t.Fatalf("nothing given: %v, with %d eligible and %d benched", why, p.eligible, p.benched)
				}
				a.Release()
			}
		}
	}
}

// wantSpill compares the pool's proportion with one in floating point.
func wantSpill(t *testing.T, p *Pool) {
	t.Helper()
	var healthy, all [2]float64
	var members [2]int
	for _, e := range p.eps {
		i := 1
		if e.Instance().Zone == "a" {
			i = 0
		}
		members[i]++
		all[i] += float64(e.weight)
		if e.eligible && !e.bench.benched {
			healthy[i] += float64(e.weight)
		}
	}
	want := 0.0
	if members[0] > 0 && members[1] > 0 {
		near := min(1.4*healthy[0]/all[0], 1)
		far := min(1.4*healthy[1]/all[1], 1-near)
		if far > 0 {
			want = far / (near + far)
		}
	}
	if got := float64(p.zones.spill) / wholeShare; math.Abs(got-want) > 0.001 {
		t.Fatalf("%.4f go far, want %.4f: healthy %v of %v", got, want, healthy, all)
	}
}

// A benched endpoint of the zone counts as not healthy, and the zone has all
// requests again when it is back.
func TestZoneBench(t *testing.T) {
	_, p := zoned(t, "", 2, 0, 2, 0)
	var a Attempt
	p.Acquire(&a, t0)
	a.Report(Refused, t0)
	a.Release()
	if got := nearShare(t, p, 1000); math.Abs(got-0.7) > 0.01 {
		t.Errorf("%.3f stay in the zone, want 0.7", got)
	}
	a = Attempt{}
	now := t0.Add(benchMin)
	if p.Acquire(&a, now); !a.Probe() {
		t.Fatal("no probe was due")
	}
	a.Report(Success, now)
	a.Release()
	if got := nearShare(t, p, 1000); got != 1 {
		t.Errorf("%.3f stay in the zone, want all", got)
	}
}

// Who has no room is passed over, across zones too, and a request that failed
// in the zone is tried elsewhere when there is nobody else.
func TestZoneRoom(t *testing.T) {
	in := instances(2)
	in[0].Zone, in[1].Zone = "a", "b"
	s := NewSet(Options{Zone: "a", Seed: 1})
	s.Apply(snapshot("consul", in...))
	p := mustPool(t, s, PoolSpec{Service: "web", MaxConnections: 1})
	var a, b Attempt
	if e, _ := p.Acquire(&a, t0); e == nil || e.Instance().Zone != "a" {
		t.Fatalf("the first goes to %v", e)
	}
	if e, _ := p.Acquire(&b, t0); e == nil || e.Instance().Zone != "b" {
		t.Fatalf("the second goes to %v", e)
	}
	b.Release()
	a.Report(Broke, t0)
	if e, _ := p.Acquire(&a, t0); e == nil || e.Instance().Zone != "b" {
		t.Errorf("the failed one goes to %v", e)
	}
	a.Release()
	st, _ := s.DescribeService("web", t0)
	if st.Pools[0].Near != 1 || st.Pools[0].NearShare != 1 {
		t.Errorf("%+v", st.Pools[0])
	}
}

// The keys that leave the zone are those whose share does, and no others.
func TestZoneKeysStay(t *testing.T) {
	s, p := zoned(t, "hash", 10, 5, 10, 0)
	where := func() map[uint64]string {
		m := map[uint64]string{}
		for key := range uint64(2000) {
			a := Attempt{Key: mix(key + 1)}
			e, _ := p.Acquire(&a, t0)
			m[key] = e.Key()
			a.Release()
		}
		return m
	}
	before := where()
	if again := where(); len(again) != len(before) {
		t.Fatal("keys are lost")
	} else {
		for key, e := range again {
			if before[key] != e {
				t.Fatalf("key %d moved from %s to %s, though nothing changed", key, before[key], e)
			}
		}
	}
	moved, far := 0, 0
	known := s.snapshots["consul"].Services["web"]
	in := append([]catalog.Instance(nil), known.Instances...)
	gone := ""
	for i := range in { // one more of the zone is critical: 56 % stay
		if in[i].Zone == "a" && in[i].Eligible() {
			in[i].Ineligible, gone = "critical", in[i].Key
			break
		}
	}
	s.Apply(snapshot("consul", in...))
	after := where()
	for key, e := range before {
		if e != after[key] {
			moved++
			if e != gone {
				far++
			}
		}
	}
	// Those of the endpoint that is gone, 14 %, and 14 % of the others.
	if share := float64(far) / float64(len(before)); share > 0.16 {
		t.Errorf("%.2f of the keys moved off endpoints that are well, %d in all", share, moved)
	}
}

func BenchmarkZones(b *testing.B) {
	for _, bm := range []struct {
		name         string
		near, nearCr int
	}{{"local", 10, 0}, {"spilling", 10, 5}} {
		b.Run(bm.name, func(b *testing.B) {
			_, p := zoned(b, "", bm.near, bm.nearCr, 10, 0)
			b.ReportAllocs()
			var a Attempt
			for b.Loop() {
				a = Attempt{}
				p.Acquire(&a, t0)
				a.Report(Success, t0)
				a.Release()
			}
		})
	}
}
