package upstream

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/hashicorp/go-hclog"

	"github.com/lictor/lictor/catalog"
)

// shares returns the spec of a pool that splits, with a share for each weight: of the
// services "0", "1" and so on.
func shares(weights ...int) PoolSpec {
	spec := PoolSpec{Turns: "r"}
	for i, w := range weights {
		spec.Split = append(spec.Split, Share{Weight: w, Service: fmt.Sprint(i)})
	}
	return spec
}

// splitPool returns the pool of such a spec, with n instances of each service.
func splitPool(t testing.TB, s *Set, n int, spec PoolSpec) *Pool {
	t.Helper()
	p, err := s.Pool(spec)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][]catalog.Instance{}
	for _, one := range spec.Split {
		all[one.Service] = inPlace(one.Service, n)
	}
	s.Apply(everywhere(all))
	return p
}

// Every share has its part of the requests, whatever the weights: of the requests since
// the beginning, of any in a row, and exactly of as many as the weights add up to.
func TestShares(t *testing.T) {
	var weights func(of []int, n, most int, f func([]int))
	weights = func(of []int, n, most int, f func([]int)) {
		if n == 0 {
			f(of)
			return
		}
		for w := 0; w <= most; w++ {
			weights(append(of, w), n-1, most, f)
		}
	}
	for _, c := range []struct {
		shares, most int
		row          float64 // bound for any requests in a row
	}{{1, 3, 1}, {2, 12, 1}, {3, 5, 2}, {4, 3, 2}} {
		weights(nil, c.shares, c.most, func(of []int) {
			sum := 0
			for _, w := range of {
				sum += w
			}
			if sum == 0 {
				return
			}
			p := splitPool(t, NewSet(Options{Seed: 1}), 2, shares(of...))
			away := make([]float64, len(of))
			low, high := make([]float64, len(of)), make([]float64, len(of))
			for n := 1; n <= 2*sum; n++ {
				got := goesTo(p)
				for i, w := range of {
					away[i] -= float64(w) / float64(sum)
					if got == fmt.Sprint(i) {
						away[i]++
					}
					low[i], high[i] = min(low[i], away[i]), max(high[i], away[i])
					if n%sum == 0 && math.Abs(away[i]) > 1e-9 {
						t.Fatalf("weights %v: share %d is %v away from its due after %d requests", of, i, away[i], n)
					}
				}
			}
			const alike = 1e-9
			for i := range of {
				if max(-low[i], high[i]) > 1-alike || high[i]-low[i] > c.row-alike {
					t.Fatalf("weights %v: share %d was from %v to %v requests away from its due", of, i, low[i], high[i])
				}
			}
		})
	}
}

// count counts which services n requests get.
func count(p *Pool, n int) map[string]int {
	got := map[string]int{}
	for range n {
		got[goesTo(p)]++
	}
	return got
}

// takes is count in words.
func takes(p *Pool, n int) string {
	var text []string
	for name, n := range count(p, n) {
		text = append(text, fmt.Sprintf("%s:%d", name, n))
	}
	slices.Sort(text)
	return strings.Join(text, " ")
}

// A share without a healthy instance has its requests given to the others, in the
// proportion of their weights, and has its own again as soon as it has one.
func TestShareWithoutInstance(t *testing.T) {
	var log bytes.Buffer
	s := NewSet(Options{Seed: 1, Logger: hclog.New(&hclog.LoggerOptions{Output: &log, DisableTime: true})})
	p := splitPool(t, s, 2, shares(60, 30, 10, 0))
	for i, step := range []struct {
		critical string
		want     [4]int // of 100 requests
		none     int
	}{
		{"", [4]int{60, 30, 10}, 0},
		{"2", [4]int{67, 33}, 0},
		{"0", [4]int{0, 75, 25}, 0},
		{"01", [4]int{0, 0, 100}, 0},
		{"012", [4]int{}, 100},
		{"", [4]int{60, 30, 10}, 0},
	} {
		all := map[string][]catalog.Instance{}
		for _, one := range p.Spec().Split {
			all[one.Service] = inPlace(one.Service, 2)
			if strings.Contains(step.critical, one.Service) {
				all[one.Service] = critical(all[one.Service])
			}
		}
		s.Apply(everywhere(all))
		got := count(p, 100)
		if got["no healthy instance"] != step.none {
			t.Errorf("step %d: %v", i, got)
		}
		for j, want := range step.want {
			if n := got[fmt.Sprint(j)]; n < want-1 || n > want+1 || want == 0 && n > 0 {
				t.Errorf("step %d: %v, want %v, give or take one", i, got, step.want)
			}
		}
		for _, one := range p.Shares() {
			if one.Up == strings.Contains(step.critical, one.Service) {
				t.Errorf("step %d: %+v", i, one)
			}
		}
	}
	text := log.String()
	for line, want := range map[string]int{
		"[WARN]  share without a healthy instance, others get its requests: route=r share=": 4,
		"[INFO]  share has a healthy instance again: route=r share=":                        4,
		"share=3": 0,
	} {
		if got := strings.Count(text, line); got != want {
			t.Errorf("%d times %q in\n%s", got, line, text)
		}
	}
}

// What is drawn for each share is counted, and what others take over is theirs.
func TestShareStats(t *testing.T) {
	s := NewSet(Options{Seed: 1})
	spec := shares(3, 1, 0)
	spec.Split[1].Tags, spec.Split[1].Port = []string{"b", "a"}, "http"
	p := splitPool(t, s, 1, spec)
	takes(p, 40) // nobody has the tags
	got := p.Shares()
	for i, want := range []struct {
		name     string
		up       bool
		due, now float64
		requests uint64
	}{{"0", true, 0.75, 1, 40}, {"1[a,b]:http", false, 0.25, 0, 0}, {"2", true, 0, 0, 0}} {
		if one := &got[i]; one.String() != want.name || one.Up != want.up || one.Due != want.due || one.Now != want.now || one.Requests != want.requests || len(one.Tiers) != 1 {
			t.Errorf("share %d: %+v", i, one)
		}
	}
	if (*Pool)(nil).Shares() != nil || mustPool(t, s, PoolSpec{Service: "0"}).Shares() != nil {
		t.Error("a pool that does not split has shares")
	}
}

// A request stays with its share while that has somebody whom it has not tried, and then
// goes on to the others; the share it was drawn for is the one that has had it.
func TestRetryStaysWithShare(t *testing.T) {
	for _, first := range []string{"0", "1"} {
		p := splitPool(t, NewSet(Options{Seed: 1}), 2, shares(1, 1))
		if first == "1" {
			goesTo(p)
		}
		other := map[string]string{"0": "1", "1": "0"}[first]
		var a Attempt
		for i, want := range []string{first, first, other, other} {
			e, why := p.Acquire(&a, t0)
			if e == nil || e.Service() != want {
				t.Fatalf("attempt %d: %v (%v), want %s", i+1, e, why, want)
			}
			a.Report(Refused, t0)
		}
		if e, why := p.Acquire(&a, t0); e != nil || why != AllTried {
			t.Errorf("one more: %v (%v)", e, why)
		}
		for _, one := range p.Shares() {
			if one.Up {
				t.Errorf("%+v, though all are benched", one)
			}
		}
	}
}

// A share that is out gains nothing by what is retried meanwhile: it has its part once it
// is back, and no more.
func TestRetriesOweNothing(t *testing.T) {
	s := NewSet(Options{Seed: 1})
	p := splitPool(t, s, 1, shares(1, 1, 1))
	up := func(names ...string) {
		all := map[string][]catalog.Instance{}
		for _, one := range p.Spec().Split {
			if all[one.Service] = inPlace(one.Service, 1); !slices.Contains(names, one.Service) {
				all[one.Service] = critical(all[one.Service])
			}
		}
		s.Apply(everywhere(all))
	}
	up("0", "1")
	for range 100 {
		var a Attempt
		for range 2 { // canceled says nothing of who was asked
			if e, why := p.Acquire(&a, t0); e == nil || e.Service() == "2" {
				t.Fatalf("%v (%v)", e, why)
			}
			a.Report(Canceled, t0)
		}
		a.Release()
	}
	up("0", "1", "2")
	if got := count(p, 30); got["2"] < 9 || got["2"] > 11 {
		t.Errorf("%v once all are up", got)
	}
}

// The retry budget is that of all shares together.
func TestSplitBudget(t *testing.T) {
	p := splitPool(t, NewSet(Options{Seed: 1}), 1, shares(1, 1))
	takes(p, 1000)
	left := 0
	for p.Retry(t0) {
		left++
	}
	if left != 300 {
		t.Errorf("%d retries for 1000 requests, want 300", left)
	}
}

// A share that is merely full refuses its requests, and the others still get no more
// than theirs.
func TestFullShare(t *testing.T) {
	spec := shares(1, 1)
	spec.MaxConnections = 1
	p := splitPool(t, NewSet(Options{Seed: 1}), 1, spec)
	var held Attempt
	if e, _ := p.Acquire(&held, t0); e == nil || e.Service() != "0" {
		t.Fatal("the first share has not had the first request")
	}
	if got := takes(p, 10); got != "1:5 all instances at capacity:5" {
		t.Error(got)
	}
	held.Release()
	if got := takes(p, 10); got != "0:5 1:5" {
		t.Error(got)
	}
}

// Whoever has failed lately is probed when that is due, and not before while another
// share has anybody; with nobody left anywhere, at once.
func TestBenchedShare(t *testing.T) {
	p := splitPool(t, NewSet(Options{Seed: 1}), 1, shares(1, 1))
	now := t0
	refuse := func(want string) {
		t.Helper()
		var a Attempt
		e, why := p.Acquire(&a, now)
		if e == nil || e.Service() != want {
			t.Fatalf("%v (%v), want %s", e, why, want)
		}
		a.Report(Refused, now)
		a.Release()
	}
	refuse("0")
	if got := takes(p, 20); got != "1:20" {
		t.Errorf("%s, though 0 is benched", got)
	}
	now = now.Add(benchMin)
	var probe Attempt
	if e, _ := p.Acquire(&probe, now); e == nil || e.Service() != "0" || !probe.Probe() {
		t.Errorf("no probe of %v when it is due", e)
	}
	if got := takes(p, 20); got != "1:20" {
		t.Errorf("%s, though 0 is being probed", got)
	}
	probe.Report(Refused, now)
	probe.Release()
	refuse("1")
	for range 4 { // whose turn was longest ago, whatever the weights
		var a Attempt
		if e, why := p.Acquire(&a, now); e == nil || !a.Probe() {
			t.Errorf("%v (%v), though all are benched", e, why)
		}
		a.Report(Refused, now)
		a.Release()
	}
	var a Attempt
	p.Acquire(&a, now)
	back := a.Endpoint().Service()
	a.Report(Success, now)
	a.Release()
	var b Attempt
	if e, _ := p.Acquire(&b, now); e == nil || e.Service() != back {
		t.Errorf("%v, though %s is back", e, back)
	}
}

// With a key the request is drawn by it: keys stay, shares of keys are those of the
// weights, and a change of weights or a share without instances moves no more of them
// than must go.
func TestKeysStayWithShares(t *testing.T) {
	s := NewSet(Options{Seed: 1})
	const n = 20_000
	where := func(weights ...int) []string {
		spec := shares(weights...)
		spec.Balance = "hash"
		p := splitPool(t, s, 3, spec)
		homes := make([]string, n)
		for k := range homes {
			for range 2 {
				a := Attempt{Key: mix(uint64(k)) | 1}
				look := p.Look(a.Key, t0)
				e, _ := p.Acquire(&a, t0)
				if e == nil || homes[k] != "" && homes[k] != e.Service() || look.Service != e.Service() || look.Instance != e.Key() {
					t.Fatalf("key %d is at %v, was at %q", k, e, homes[k])
				}
				homes[k] = e.Service()
				a.Release()
			}
		}
		return homes
	}
	count := func(homes []string, of string) float64 {
		c := 0
		for _, h := range homes {
			if h == of {
				c++
			}
		}
		return float64(c) / n
	}
	before, after := where(90, 10), where(80, 20)
	for _, c := range []struct {
		got, want float64
	}{{count(before, "1"), 0.1}, {count(after, "1"), 0.2}} {
		if math.Abs(c.got-c.want) > 0.02 {
			t.Errorf("%v of the keys, want %v", c.got, c.want)
		}
	}
	for k := range before {
		if before[k] == "1" && after[k] != "1" {
			t.Fatalf("key %d has left a share that has grown", k)
		}
	}
	spec := shares(90, 10)
	spec.Balance = "hash"
	p := splitPool(t, s, 3, spec)
	s.Apply(everywhere(map[string][]catalog.Instance{"0": inPlace("0", 3), "1": critical(inPlace("1", 3))}))
	for k := range 100 {
		a := Attempt{Key: mix(uint64(k)) | 1}
		if e, why := p.Acquire(&a, t0); e == nil || e.Service() != "0" {
			t.Fatalf("key %d: %v (%v), though 1 is critical", k, e, why)
		}
		a.Release()
	}
	s.Apply(everywhere(map[string][]catalog.Instance{"0": inPlace("0", 3), "1": inPlace("1", 3)}))
	if again := where(90, 10); !slices.Equal(again, before) {
		t.Error("the keys are not where they were before")
	}
}

// A share with fallbacks is one that other datacenters take over before the other
// shares do.
func TestShareWithFallbacks(t *testing.T) {
	s := NewSet(Options{Seed: 1})
	spec := shares(1, 1)
	spec.Split[1].Fallbacks = []string{"2"}
	p := mustPool(t, s, spec)
	up, down := inPlace("x", 1), critical(inPlace("x", 1))
	for _, step := range []struct {
		now  map[string][]catalog.Instance
		want string
	}{
		{map[string][]catalog.Instance{"0": up, "1": up, "2": up}, "0:5 1:5"},
		{map[string][]catalog.Instance{"0": up, "1": down, "2": up}, "0:5 2:5"},
		{map[string][]catalog.Instance{"0": up, "1": down, "2": down}, "0:10"},
		{map[string][]catalog.Instance{"0": down, "1": down, "2": up}, "2:10"},
		{map[string][]catalog.Instance{"0": up, "1": up, "2": up}, "0:5 1:5"},
	} {
		s.Apply(everywhere(step.now))
		if got := takes(p, 10); got != step.want {
			t.Errorf("%s, want %s", got, step.want)
		}
	}
	if over := p.Failovers(); len(over) != 1 || over[0].Service() != "1" {
		t.Errorf("pools with fallbacks: %v", over)
	}
	if tiers := p.Shares()[1].Tiers; len(tiers) != 2 {
		t.Errorf("%d pools of the second share", len(tiers))
	}
	if len(p.Describe(t0)) != 3 {
		t.Errorf("%+v", p.Describe(t0))
	}
	s.Retain([]*Pool{p})
	if got := takes(p, 10); got != "0:5 1:5" || s.composed.Load() != 2 {
		t.Errorf("%s once others were dropped", got)
	}
	s.Retain(nil)
	if len(s.pools) != 0 || s.composed.Load() != 0 {
		t.Errorf("%d pools are left", len(s.pools))
	}
}

// The same spec is the same pool and goes on where it was; another route has turns of its
// own, so that each gets its shares however their requests alternate.
func TestTurns(t *testing.T) {
	s := NewSet(Options{Seed: 1})
	spec := shares(1, 1)
	p := splitPool(t, s, 1, spec)
	first := goesTo(p)
	if again := splitPool(t, s, 1, shares(1, 1)); again != p || goesTo(again) == first {
		t.Error("the pool has not gone on")
	}
	spec.Turns = "other"
	other := splitPool(t, s, 1, spec)
	if other == p {
		t.Fatal("two routes take turns together")
	}
	got := map[string]int{}
	for range 10 {
		got["p"+goesTo(p)]++
		got["o"+goesTo(other)]++
	}
	if got["p0"] != 5 || got["o0"] != 5 {
		t.Errorf("%v", got)
	}
}

// Specs that make no sense are refused by name.
func TestSplitSpec(t *testing.T) {
	many := shares(make([]int, MaxShares+1)...)
	for want, spec := range map[string]PoolSpec{
		"it also splits":            {Service: "web", Split: []Share{{Weight: 1, Service: "a"}}},
		"all weights are 0":         shares(0, 0),
		"weight -1":                 shares(-1, 1),
		"weight 1000001":            shares(1_000_001),
		"without a service":         {Split: []Share{{Weight: 1}}},
		"at most 32":                many,
		"nothing to divide":         {Service: "web", Turns: "r"},
		`unknown balancer "nobody"`: {Balance: "nobody", Split: []Share{{Weight: 1, Service: "a"}}},
	} {
		if _, err := NewSet(Options{}).Pool(spec); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

// However many ask at once, each share gets its part, and nothing stays in flight.
func TestSharesOfManyAtOnce(t *testing.T) {
	s := NewSet(Options{Seed: 1})
	p := splitPool(t, s, 3, shares(7, 2, 1))
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 500 {
				goesTo(p)
			}
		})
	}
	wg.Wait()
	for i, want := range []uint64{2800, 800, 400} {
		if got := p.Shares()[i].Requests; got != want {
			t.Errorf("share %d has had %d requests, want %d", i, got, want)
		}
	}
	for _, st := range s.Describe(t0) {
		if st.InFlight != 0 {
			t.Errorf("%s has %d in flight at the end", st.Name, st.InFlight)
		}
	}
}

// Shares come and go while requests are made: none fails as long as one share is up.
func TestSharesThatChange(t *testing.T) {
	s := NewSet(Options{Seed: 1})
	p := splitPool(t, s, 2, shares(9, 1))
	up := map[string][]catalog.Instance{"0": inPlace("0", 2), "1": inPlace("1", 2)}
	down := map[string][]catalog.Instance{"0": inPlace("0", 2), "1": critical(inPlace("1", 2))}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 1000 {
				if got := goesTo(p); got != "0" && got != "1" {
					t.Errorf("a request got %q", got)
				}
			}
		})
	}
	for range 100 {
		s.Apply(everywhere(down))
		s.Apply(everywhere(up))
	}
	wg.Wait()
	count(p, 1000) // what was drawn while a share went away may still be owed to it
	if got := takes(p, 100); got != "0:90 1:10" {
		t.Errorf("%s in the end", got)
	}
}

func TestSplitDoesNotAllocate(t *testing.T) {
	for _, balance := range []string{"least_conn", "hash"} {
		spec := shares(90, 10, 5)
		spec.Balance = balance
		s := NewSet(Options{Seed: 1})
		p := splitPool(t, s, 2, spec)
		s.Apply(everywhere(map[string][]catalog.Instance{"0": inPlace("0", 2), "1": inPlace("1", 2), "2": nil}))
		var a Attempt
		if got := testing.AllocsPerRun(100, func() {
			a = Attempt{Key: 42}
			p.Acquire(&a, t0)
			a.Report(Success, t0)
			a.Release()
		}); got != 0 {
			t.Errorf("%s: %v allocations", balance, got)
		}
	}
}

func BenchmarkSplit(b *testing.B) {
	for _, c := range []struct {
		name    string
		weights []int
		key     uint64
	}{{"2", []int{90, 10}, 0}, {"2 by key", []int{90, 10}, 42}, {"8", []int{8, 7, 6, 5, 4, 3, 2, 1}, 0}} {
		b.Run(c.name, func(b *testing.B) {
			spec := shares(c.weights...)
			if c.key != 0 {
				spec.Balance = "hash"
			}
			p := splitPool(b, NewSet(Options{Seed: 1}), 5, spec)
			b.ReportAllocs()
			var a Attempt
			for b.Loop() {
				a = Attempt{Key: c.key}
				p.Acquire(&a, t0)
				a.Report(Success, t0)
				a.Release()
			}
		})
	}
}
