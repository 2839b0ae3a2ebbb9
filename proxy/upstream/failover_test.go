package upstream

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/lictor/lictor/catalog"
)

// everywhere returns a snapshot of services by name, each with its instances.
func everywhere(services map[string][]catalog.Instance) *catalog.Snapshot {
	snap := &catalog.Snapshot{Source: "consul", Services: map[string]*catalog.Service{}}
	for name, in := range services {
		snap.Services[name] = &catalog.Service{Name: name, Instances: in}
	}
	return snap
}

// inPlace returns n instances that no other place has.
func inPlace(place string, n int) []catalog.Instance {
	in := instances(n)
	for i := range in {
		in[i].Key = place + "/" + in[i].Key
	}
	return in
}

// critical returns the instances as not eligible.
func critical(in []catalog.Instance) []catalog.Instance {
	out := make([]catalog.Instance, len(in))
	for i := range in {
		out[i] = in[i]
		out[i].Ineligible = "critical"
	}
	return out
}

var threePlaces = PoolSpec{Service: "web", Fallbacks: []string{"web2", "web3", "web2", "web"}}

// goesTo returns the service that a new request is sent to, or why to none.
func goesTo(p *Pool) string {
	var a Attempt
	defer a.Release()
	e, why := p.Acquire(&a, t0)
	if e == nil {
		return why.String()
	}
	a.Report(Success, t0)
	return e.Service()
}

// The first service that has a healthy endpoint gets the requests; each is used
// again at once when it can be, and what is in flight stays.
func TestFailoverOrder(t *testing.T) {
	s := NewSet(Options{Seed: 1})
	p := mustPool(t, s, threePlaces)
	one, two, three := inPlace("1", 2), inPlace("2", 2), inPlace("3", 1)
	var kept Attempt
	for i, step := range []struct {
		now  map[string][]catalog.Instance
		want string
	}{
		{nil, "not known yet"},
		{map[string][]catalog.Instance{"web": nil}, "not registered"},
		{map[string][]catalog.Instance{"web": nil, "web2": critical(two)}, "no healthy instance"},
		{map[string][]catalog.Instance{"web": one, "web2": two, "web3": three}, "web"},
		{map[string][]catalog.Instance{"web": critical(one), "web2": two, "web3": three}, "web2"},
		{map[string][]catalog.Instance{"web": nil, "web2": critical(two), "web3": three}, "web3"},
		{map[string][]catalog.Instance{"web": nil, "web2": two[:1], "web3": three}, "web2"},
		{map[string][]catalog.Instance{"web": one[1:], "web2": two, "web3": three}, "web"},
	} {
		s.Apply(everywhere(step.now))
		if got := goesTo(p); got != step.want {
			t.Errorf("step %d: %s, want %s", i, got, step.want)
		}
		if i == 4 {
			p.Acquire(&kept, t0)
		}
	}
	if e := kept.Endpoint(); e == nil || e.Service() != "web2" || e.InFlight() != 1 {
		t.Error("what was in flight elsewhere did not stay there")
	}
	kept.Release()
	for _, st := range s.Describe(t0) {
		if st.InFlight != 0 {
			t.Errorf("%s has %d in flight at the end", st.Name, st.InFlight)
		}
	}
}

// A request that an endpoint refused finds one elsewhere, even before the
// catalog knows; the benched endpoint is probed when that is due, and no sooner
// while anybody else is in order.
func TestFailoverOfBenched(t *testing.T) {
	s := NewSet(Options{Seed: 1})
	p := mustPool(t, s, threePlaces)
	s.Apply(everywhere(map[string][]catalog.Instance{"web": inPlace("1", 2), "web2": inPlace("2", 1), "web3": nil}))
	var a Attempt
	now := t0
	for _, want := range []string{"web", "web", "web2"} {
		e, why := p.Acquire(&a, now)
		if e == nil || e.Service() != want {
			t.Fatalf("attempt %d: %v (%v), want %s", a.Tries(), e, why, want)
		}
		if want == "web" {
			a.Report(Refused, now)
		}
	}
	a.Report(Success, now)
	a.Release()
	if st, _ := s.Failover(p); st.Serving != "web2" || st.Switches != 1 || strings.Join(st.Services, " ") != "web web2 web3" {
		t.Errorf("%+v", st)
	}
	for range 20 {
		if got := goesTo(p); got != "web2" {
			t.Fatalf("%s, though web is benched and web2 is not", got)
		}
	}
	now = now.Add(benchMin)
	a = Attempt{}
	if e, _ := p.Acquire(&a, now); e == nil || e.Service() != "web" || !a.Probe() {
		t.Fatalf("the probe that is due went to %v", e)
	}
	a.Report(Success, now)
	a.Release()
	if got := goesTo(p); got != "web" {
		t.Errorf("%s, though web is back", got)
	}
	if st, _ := s.Failover(p); st.Serving != "web" || st.Switches != 2 {
		t.Errorf("%+v", st)
	}
}

// With every endpoint of every service benched, a request probes one before it
// is due, the first service's first.
func TestFailoverAllBenched(t *testing.T) {
	s := NewSet(Options{Seed: 1})
	p := mustPool(t, s, threePlaces)
	s.Apply(everywhere(map[string][]catalog.Instance{"web": inPlace("1", 1), "web2": inPlace("2", 1), "web3": nil}))
	var a Attempt
	for range 2 {
		p.Acquire(&a, t0)
		a.Report(Refused, t0)
	}
	if e, why := p.Acquire(&a, t0); e != nil || why != AllTried {
		t.Fatalf("given %v (%v) once more", e, why)
	}
	var first, second, third Attempt
	for i, a := range []*Attempt{&first, &second} {
		e, _ := p.Acquire(a, t0)
		if want := p.over.tiers[i].Service(); e == nil || e.Service() != want || !a.Probe() {
			t.Fatalf("probe %d goes to %v, want %s", i, e, want)
		}
	}
	if e, why := p.Acquire(&third, t0); e != nil || why != AllBenched {
		t.Errorf("given %v (%v) while both are probed", e, why)
	}
	first.Release()
	second.Release()
	if st, _ := s.Failover(p); st.Serving != "" {
		t.Errorf("%s serves", st.Serving)
	}
}

// A full service is not a sick one.
func TestFailoverNotWhenFull(t *testing.T) {
	s := NewSet(Options{Seed: 1})
	spec := threePlaces
	spec.MaxConnections = 1
	p := mustPool(t, s, spec)
	s.Apply(everywhere(map[string][]catalog.Instance{"web": inPlace("1", 1), "web2": inPlace("2", 1)}))
	var a, b Attempt
	p.Acquire(&a, t0)
	if e, why := p.Acquire(&b, t0); e != nil || why != AtCapacity {
		t.Errorf("given %v (%v)", e, why)
	}
	a.Release()
}

// The endpoints are those of the pools of one service, whose budgets they do
// not touch; a pool with fallbacks keeps its tiers.
func TestFailoverSharesPools(t *testing.T) {
	s := NewSet(Options{Seed: 1})
	alone := mustPool(t, s, PoolSpec{Service: "web"})
	p := mustPool(t, s, threePlaces)
	if p != mustPool(t, s, PoolSpec{Service: "web", Fallbacks: []string{"web2", "web3"}}) {
		t.Error("specs that mean the same give two pools")
	}
	if p == mustPool(t, s, PoolSpec{Service: "web", Fallbacks: []string{"web3", "web2"}}) {
		t.Error("another order gives the same pool")
	}
	if p.over.tiers[0] != alone {
		t.Error("the first tier is not the service's pool")
	}
	s.Apply(everywhere(map[string][]catalog.Instance{"web": inPlace("1", 1), "web2": inPlace("2", 1), "web3": nil}))
	for range 1000 {
		goesTo(p)
	}
	if n := alone.budget.requests; n != 0 {
		t.Errorf("%d requests counted in the budget of another pool", n)
	}
	left := 0
	for p.Retry(t0) {
		left++
	}
	if left != 300 {
		t.Errorf("%d retries for 1000 requests, want 300", left)
	}
	s.Retain([]*Pool{p})
	if !alone.seated || s.pools[p.key] != p || s.composed.Load() != 1 {
		t.Error("Retain dropped what the pool needs")
	}
	s.Retain(nil)
	if got := goesTo(p); got != "web" {
		t.Errorf("a request that began before: %s", got)
	}
	s.Retain(nil)
	if st := s.Describe(t0); len(st) != 0 || len(s.pools) != 0 || s.composed.Load() != 0 {
		t.Errorf("%+v is left", st)
	}
	if _, err := s.Pool(PoolSpec{Service: "web", Fallbacks: []string{""}}); err == nil {
		t.Error("a fallback without a name was accepted")
	}
}

// One line a switch, none while nothing is known of a service before.
func TestFailoverLog(t *testing.T) {
	var out bytes.Buffer
	s := NewSet(Options{Logger: hclog.New(&hclog.LoggerOptions{Output: &out, DisableTime: true})})
	p := mustPool(t, s, threePlaces)
	one, two := inPlace("1", 1), inPlace("2", 1)
	for _, now := range []map[string][]catalog.Instance{
		{"web2": two},
		{"web": one, "web2": two, "web3": nil},
		{"web": one, "web2": two, "web3": nil},
		{"web": critical(one), "web2": two, "web3": nil},
		{"web": critical(one), "web2": two, "web3": inPlace("3", 1)},
		{"web": critical(one), "web2": nil, "web3": nil},
		{"web": one, "web2": nil, "web3": nil},
	} {
		s.Apply(everywhere(now))
	}
	want := []string{
		"[WARN]  failed over: service=web from=web to=web2",
		"[WARN]  no service to fail over to: service=web from=web2",
		"[INFO]  back from failover: service=web from=none to=web",
	}
	if got := strings.TrimSpace(out.String()); got != strings.Join(want, "\n") {
		t.Errorf("logged\n%s\nwant\n%s", got, strings.Join(want, "\n"))
	}
	if st, _ := s.Failover(p); st.Switches != 3 {
		t.Errorf("%d switches", st.Switches)
	}
}

// A request goes from the endpoints of one service to those of another while
// both are busy: nothing of the one is touched under the lock of the other.
func TestFailoverRace(t *testing.T) {
	s := NewSet(Options{Seed: 1})
	p := mustPool(t, s, threePlaces)
	alone := mustPool(t, s, PoolSpec{Service: "web"})
	one, two := inPlace("1", 3), inPlace("2", 3)
	s.Apply(everywhere(map[string][]catalog.Instance{"web": one, "web2": two, "web3": nil}))
	done := make(chan struct{})
	for k := range 4 {
		go func() {
			defer func() { done <- struct{}{} }()
			for i := range 1000 {
				now := t0.Add(time.Duration(i) * time.Millisecond)
				pool := p
				if k == 3 {
					pool = alone
				}
				var a Attempt
				for range 4 {
					if e, _ := pool.Acquire(&a, now); e == nil {
						break
					}
					a.Report([]Outcome{Refused, Success, Broke}[(i+k)%3], now)
				}
				a.Release()
			}
		}()
	}
	for i := range 200 {
		in := one
		if i%2 > 0 {
			in = critical(one)
		}
		s.Apply(everywhere(map[string][]catalog.Instance{"web": in, "web2": two, "web3": nil}))
		s.Failover(p)
	}
	for range 4 {
		<-done
	}
	for _, st := range s.Describe(t0) {
		if st.InFlight != 0 {
			t.Errorf("%s has %d in flight at the end", st.Name, st.InFlight)
		}
	}
}
