package upstream

import (
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"

	"github.com/lictor/lictor/catalog"
)

// closer counts how often it is closed.
type closer struct{ closed int }

func (c *closer) Close() error {
	c.closed++
	return errors.New("closing an idle connection may fail")
}

func mustPool(t testing.TB, s *Set, spec PoolSpec) *Pool {
	t.Helper()
	p, err := s.Pool(spec)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func keys(p *Pool) string {
	var k []string
	for _, e := range p.eps {
		k = append(k, strings.TrimPrefix(e.Key(), "node/web-"))
	}
	return strings.Join(k, " ")
}

func TestSameSpecSamePool(t *testing.T) {
	s, p := newPool(t, PoolSpec{Tags: []string{"b", "a"}}, instances(2)...)
	for _, spec := range []PoolSpec{
		{Service: "web", Tags: []string{"a", "b"}},
		{Service: "web", Tags: []string{"a", "b", "a"}, Balance: DefaultBalancer},
	} {
		if mustPool(t, s, spec) != p {
			t.Errorf("%+v gives another pool", spec)
		}
	}
	for _, spec := range []PoolSpec{
		{Service: "web"},
		{Service: "web", Tags: []string{"a", "b", "c"}},
		{Service: "web", Tags: []string{`a""b`}},
		{Service: "web", Tags: []string{"a", "b"}, Port: "http"},
		{Service: "web", Tags: []string{"a", "b"}, Balance: "random"},
		{Service: "web", Tags: []string{"a", "b"}, MaxConnections: 1},
		{Service: "api", Tags: []string{"a", "b"}},
	} {
		if mustPool(t, s, spec) == p {
			t.Errorf("%+v gives the same pool", spec)
		}
	}
}

func TestPoolErrors(t *testing.T) {
	s := NewSet(Options{})
	for _, tc := range []struct {
		spec PoolSpec
		want string
	}{
		{PoolSpec{}, "pool without a service"},
		{PoolSpec{Service: "web", Balance: "best"}, `pool of service "web": unknown balancer "best"`},
		{PoolSpec{Service: "web", MaxConnections: -1}, `pool of service "web": max connections -1 is negative`},
	} {
		if _, err := s.Pool(tc.spec); err == nil || err.Error() != tc.want {
			t.Errorf("%+v: error %v, want %s", tc.spec, err, tc.want)
		}
	}
}

func TestPoolsByTagsAndPort(t *testing.T) {
	in := instances(4)
	in[0].Tags = []string{"blue", "fast"}
	in[1].Tags = []string{"blue"}
	in[2].Ports = map[string]int{"http": 8080}
	in[3].Socket = "/run/web.sock"
	s, all := newPool(t, PoolSpec{}, in...)
	for _, tc := range []struct {
		spec PoolSpec
		want string
	}{
		{PoolSpec{}, "0000 0001 0002 0003"},
		{PoolSpec{Tags: []string{"blue"}}, "0000 0001"},
		{PoolSpec{Tags: []string{"fast", "blue"}}, "0000"},
		{PoolSpec{Tags: []string{"green"}}, ""},
		{PoolSpec{Port: "http"}, "0002"},
	} {
		tc.spec.Service = "web"
		if got := keys(mustPool(t, s, tc.spec)); got != tc.want {
			t.Errorf("%+v holds %q, want %q", tc.spec, got, tc.want)
		}
	}
	blue := mustPool(t, s, PoolSpec{Service: "web", Tags: []string{"blue"}})
	if blue.eps[0] != all.eps[0] {
		t.Error("two pools of a service do not share an endpoint")
	}
	http := mustPool(t, s, PoolSpec{Service: "web", Port: "http"})
	if got := http.eps[0].Target(); got != "127.0.0.1:8080" || http.eps[0] == all.eps[2] {
		t.Errorf("the named port is dialled at %s", got)
	}
	if got := all.eps[3].Target(); got != "unix:/run/web.sock" {
		t.Errorf("the socket is dialled at %s", got)
	}
}

// What is in flight through one pool weighs in every other of the service, in
// those that scan and those that are indexed.
func TestPoolsShareWhatIsInFlight(t *testing.T) {
	in := instances(2 * scanLimit)
	in[0].Tags, in[1].Tags = []string{"few"}, []string{"few"}
	s, all := newPool(t, PoolSpec{}, in...)
	few := mustPool(t, s, PoolSpec{Service: "web", Tags: []string{"few"}})
	held := make([]Attempt, 2*len(in))
	for i := range held {
		if i%2 == 0 {
			all.Acquire(&held[i], t0)
		} else {
			few.Acquire(&held[i], t0)
		}
		for _, p := range []*Pool{all, few} {
			for j, c := range p.cands {
				if c.InFlight != p.eps[j].inFlight {
					t.Fatalf("after %d: candidate %d has %d in flight, its endpoint %d", i, j, c.InFlight, p.eps[j].inFlight)
				}
			}
			if got, want := p.picker.(*leastConn), oracle(p.cands); got.tree.half > 0 && got.tree.winner(p.cands) != want {
				t.Fatalf("after %d: the tournament is won by %d, want %d", i, got.tree.winner(p.cands), want)
			}
		}
	}
	// Of the wide pool's, only the very first went to one of the few.
	if got, want := all.eps[0].InFlight()+all.eps[1].InFlight(), len(held)/2+1; got != want {
		t.Errorf("the few hold %d, want %d", got, want)
	}
}

func TestApplyKeepsEndpoints(t *testing.T) {
	s, p := newPool(t, PoolSpec{}, instances(3)...)
	was := p.eps[1]
	conns := &closer{}
	was.LoadOrAttach(0, func(*Endpoint) io.Closer { return conns })
	var a Attempt
	for a.Endpoint() != was {
		a.Release()
		a = Attempt{}
		p.Acquire(&a, t0)
	}
	a.Report(Broke, t0)

	in := instances(5)[1:]
	in[0].Weight, in[0].Meta = 9, map[string]string{"version": "2"}
	s.Apply(snapshot("consul", in...))
	if keys(p) != "0001 0002 0003 0004" || p.eps[0] != was {
		t.Fatalf("the pool holds %s, and its first is not the one of before", keys(p))
	}
	if was.InFlight() != 1 || was.Connections(0) != conns || conns.closed > 0 || was.streak.Load() != 1 {
		t.Error("the endpoint lost what it had")
	}
	if got := was.Instance(); got.Meta["version"] != "2" || p.cands[0].Weight != 9 {
		t.Error("the endpoint missed the news")
	}
	a.Release()
}

func TestGoneDrainsThenRetires(t *testing.T) {
	s, p := newPool(t, PoolSpec{}, instances(2)...)
	var busy Attempt
	first, _ := p.Acquire(&busy, t0)
	conns, idle := &closer{}, &closer{}
	first.LoadOrAttach(2, func(*Endpoint) io.Closer { return conns })
	p.eps[1].LoadOrAttach(0, func(*Endpoint) io.Closer { return idle })

	s.Apply(snapshot("consul"))
	if !first.Draining() || conns.closed != 0 || idle.closed != 1 {
		t.Fatalf("draining %v, busy connections closed %d times, idle ones %d", first.Draining(), conns.closed, idle.closed)
	}
	var other Attempt
	if _, why := p.Acquire(&other, t0); why != NotRegistered {
		t.Errorf("an endpoint that drains: %v", why)
	}
	if st, ok := s.DescribeService("web", t0); !ok || len(st.Endpoints) != 1 || st.Endpoints[0].State != Draining || st.InFlight != 1 {
		t.Errorf("described as %+v", st)
	}
	busy.Release()
	if conns.closed != 1 {
		t.Errorf("closed %d times", conns.closed)
	}
	late := &closer{}
	if got := first.LoadOrAttach(1, func(*Endpoint) io.Closer { return late }); got != late || late.closed != 1 {
		t.Errorf("what came late was closed %d times", late.closed)
	}

	s.Apply(snapshot("consul", instances(2)...))
	if p.eps[0] == first {
		t.Error("a retired endpoint came back")
	}
}

func TestReturnWhileDraining(t *testing.T) {
	s, p := newPool(t, PoolSpec{}, instances(1)...)
	var a Attempt
	e, _ := p.Acquire(&a, t0)
	conns := &closer{}
	e.LoadOrAttach(0, func(*Endpoint) io.Closer { return conns })
	s.Apply(snapshot("consul"))
	s.Apply(snapshot("consul", instances(1)...))
	a.Release()
	if p.eps[0] != e || conns.closed != 0 || e.Draining() {
		t.Error("the endpoint did not come back as it was")
	}
}

func TestNewTargetIsANewEndpoint(t *testing.T) {
	s, p := newPool(t, PoolSpec{}, instances(1)...)
	was := p.eps[0]
	in := instances(1)
	in[0].Port++
	s.Apply(snapshot("consul", in...))
	if p.eps[0] == was || p.eps[0].Key() != was.Key() || !was.retired {
		t.Error("the endpoint moved")
	}
}

func TestSameKeyTwiceSitsOnce(t *testing.T) {
	in := instances(1)
	_, p := newPool(t, PoolSpec{}, in[0], in[0])
	if keys(p) != "0000" || len(p.eps[0].seats) != 1 {
		t.Errorf("the pool holds %q", keys(p))
	}
}

func TestReasons(t *testing.T) {
	sick := instances(2)
	for i := range sick {
		sick[i].Ineligible = "critical"
	}
	for _, tc := range []struct {
		name string
		snap *catalog.Snapshot
		spec PoolSpec
		held int
		want Reason
	}{
		{"nothing known", nil, PoolSpec{}, 0, Unknown},
		{"another service known", &catalog.Snapshot{Source: "consul"}, PoolSpec{}, 0, Unknown},
		{"not registered", snapshot("consul"), PoolSpec{}, 0, NotRegistered},
		{"not healthy", snapshot("consul", sick...), PoolSpec{}, 0, NoneHealthy},
		{"no such tag", snapshot("consul", instances(1)...), PoolSpec{Tags: []string{"x"}}, 0, NoneHealthy},
		{"no such port", snapshot("consul", instances(1)...), PoolSpec{Port: "x"}, 0, NoneHealthy},
		{"room left", snapshot("consul", instances(2)...), PoolSpec{MaxConnections: 2}, 3, Acquired},
		{"full", snapshot("consul", instances(2)...), PoolSpec{MaxConnections: 2}, 4, AtCapacity},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := NewSet(Options{})
			if tc.snap != nil {
				s.Apply(tc.snap)
			}
			tc.spec.Service = "web"
			p := mustPool(t, s, tc.spec)
			held := make([]Attempt, tc.held+1)
			for i := range held {
				e, why := p.Acquire(&held[i], t0)
				want := tc.want
				if i < tc.held {
					want = Acquired
				}
				if why != want || (e != nil) != (want == Acquired) {
					t.Errorf("acquire %d: %v, want %v", i, why, want)
				}
			}
		})
	}
}

// One request gets each endpoint once, and MaxAttempts of them at most.
func TestTriedEndpointsAreNotPickedAgain(t *testing.T) {
	for _, b := range Balancers() {
		for _, n := range []int{1, 3, MaxAttempts + 5, 2 * scanLimit} {
			_, p := newPool(t, PoolSpec{Balance: b.Name}, instances(n)...)
			var a Attempt
			seen := map[*Endpoint]bool{}
			for range min(n, MaxAttempts) {
				e, why := p.Acquire(&a, t0)
				if e == nil || seen[e] {
					t.Fatalf("%s with %d: after %d comes %v (%v)", b.Name, n, a.Tries(), e, why)
				}
				seen[e] = true
				a.Report(Broke, t0)
			}
			if e, why := p.Acquire(&a, t0); e != nil || why != AllTried {
				t.Errorf("%s with %d: %v, want all tried", b.Name, n, why)
			}
			for i, e := range p.eps {
				if e.inFlight != 0 || p.cands[i].Weight != 1 {
					t.Errorf("%s with %d: %+v is left", b.Name, n, p.cands[i])
				}
			}
		}
	}
}

func TestSourcesByPrecedence(t *testing.T) {
	in := instances(3)
	s := NewSet(Options{Sources: []string{"static", "consul"}})
	p := mustPool(t, s, PoolSpec{Service: "web"})
	step := func(name string, snap *catalog.Snapshot, want string, shadows ...Shadow) {
		t.Helper()
		s.Apply(snap)
		if got := keys(p); got != want {
			t.Errorf("%s: the pool holds %q, want %q", name, got, want)
		}
		if got := s.Shadowed(); !reflect.DeepEqual(got, shadows) {
			t.Errorf("%s: shadowed are %+v, want %+v", name, got, shadows)
		}
	}
	both := Shadow{Service: "web", Used: "static", Ignored: "consul"}
	step("consul alone", snapshot("consul", in[0]), "0000")
	step("static comes and wins", snapshot("static", in[1]), "0001", both)
	step("consul changes in its shadow", snapshot("consul", in[0], in[2]), "0001", both)
	step("a third comes last", snapshot("nomad", in[2]), "0001", both, Shadow{"web", "static", "nomad"})
	step("static goes", &catalog.Snapshot{Source: "static"}, "0000 0002", Shadow{"web", "consul", "nomad"})
	step("consul has none", snapshot("consul"), "0002")
	step("nobody has any", snapshot("nomad"), "")
}

// A service that every source has let go, because nobody asked to follow it or
// because it moves from one source to another, is not gone.
func TestAbsenceIsNoNews(t *testing.T) {
	s, p := newPool(t, PoolSpec{}, instances(2)...)
	s.Apply(&catalog.Snapshot{Source: "consul"})
	if got := keys(p); got != "0000 0001" {
		t.Errorf("the pool holds %q", got)
	}
	// But what was known before the last pool went is too old for a new one.
	s.Retain(nil)
	if _, why := mustPool(t, s, PoolSpec{Service: "web"}).Acquire(&Attempt{}, t0); why != Unknown {
		t.Errorf("a new pool long after: %v", why)
	}
}

func TestApplyTellsWhatChanged(t *testing.T) {
	in := instances(4)
	s := NewSet(Options{})
	mustPool(t, s, PoolSpec{Service: "web"})
	changed := in[1]
	changed.Weight = 5
	for _, tc := range []struct {
		name string
		snap *catalog.Snapshot
		want []Change
	}{
		{"first", snapshot("consul", in[:3]...), []Change{{
			Service: "web", Source: "consul", First: true,
			Added: []string{in[0].Key, in[1].Key, in[2].Key},
		}}},
		{"same", snapshot("consul", in[:3]...), nil},
		{"one of each", snapshot("consul", changed, in[2], in[3]), []Change{{
			Service: "web", Source: "consul",
			Added: []string{in[3].Key}, Removed: []string{in[0].Key}, Changed: []string{in[1].Key},
		}}},
		{"a service that no pool names", &catalog.Snapshot{Source: "consul", Services: map[string]*catalog.Service{
			"api": {Name: "api", Instances: in},
		}}, nil},
	} {
		if got := s.Apply(tc.snap); !reflect.DeepEqual(got, tc.want) {
			t.Errorf("%s: %+v, want %+v", tc.name, got, tc.want)
		}
	}
}

func TestRetain(t *testing.T) {
	s, keep := newPool(t, PoolSpec{}, instances(2)...)
	drop := mustPool(t, s, PoolSpec{Service: "web", Balance: "random"})
	gone := mustPool(t, s, PoolSpec{Service: "api"})
	s.Apply(&catalog.Snapshot{Source: "consul", Services: map[string]*catalog.Service{
		"api": {Name: "api", Instances: instances(1)},
		"web": {Name: "web", Instances: instances(2)},
	}})
	conns := &closer{}
	gone.eps[0].LoadOrAttach(0, func(*Endpoint) io.Closer { return conns })

	s.Retain([]*Pool{keep})
	if len(keep.eps) != 2 || len(keep.eps[0].seats) != 1 {
		t.Error("the retained pool lost its endpoints")
	}
	if conns.closed != 1 {
		t.Errorf("the connections of a service that no pool names were closed %d times", conns.closed)
	}
	if mustPool(t, s, PoolSpec{Service: "web", Balance: "random"}) == drop {
		t.Error("the dropped pool is still given out")
	}
	if st := s.Describe(t0); len(st) != 1 || st[0].Name != "web" {
		t.Errorf("described are %+v", st)
	}
}

// A request that began under the policies of before finds its pool.
func TestDroppedPoolServesStragglers(t *testing.T) {
	s, p := newPool(t, PoolSpec{}, instances(2)...)
	s.Retain(nil)
	var a Attempt
	if _, why := p.Acquire(&a, t0); why != Acquired {
		t.Fatalf("the straggler: %v", why)
	}
	if again := mustPool(t, s, PoolSpec{Service: "web"}); again != p {
		t.Error("the same spec gives another pool while the old one lives")
	}
	e := a.Endpoint()
	s.Retain(nil)
	a.Release()
	if !e.retired {
		t.Error("the next Retain did not drop it again")
	}
}

// The balancer goes on where it was: a catalog change does not send everyone to
// the first instance again.
func TestApplyKeepsTheTurn(t *testing.T) {
	for _, balance := range []string{"least_conn", "round_robin"} {
		s, p := newPool(t, PoolSpec{Balance: balance}, instances(3)...)
		got := ""
		for i := range 6 {
			in := instances(3)
			in[0].Meta = map[string]string{"change": strings.Repeat("x", i)}
			s.Apply(snapshot("consul", in...))
			var a Attempt
			e, _ := p.Acquire(&a, t0)
			got += e.Key()[len(e.Key())-1:]
			a.Release()
		}
		if got != "012012" {
			t.Errorf("%s went to %s", balance, got)
		}
	}
}

// Two stragglers at once revive their pool once.
func TestAdoptTwice(t *testing.T) {
	s, p := newPool(t, PoolSpec{}, instances(1)...)
	s.Retain(nil)
	s.adopt(p)
	s.adopt(p)
	if len(p.svc.pools) != 1 || len(p.eps[0].seats) != 1 {
		t.Errorf("%d pools, %d seats", len(p.svc.pools), len(p.eps[0].seats))
	}
}

// Further attempts of a request do not earn retries.
func TestRetryBudgetOfAPool(t *testing.T) {
	_, p := newPool(t, PoolSpec{}, instances(MaxAttempts)...)
	for range 10 {
		var a Attempt
		for range MaxAttempts {
			p.Acquire(&a, t0)
		}
		a.Release()
	}
	got := 0
	for p.Retry(t0) {
		got++
	}
	if want := retryFloor*budgetSeconds + 10*retryPercent/100; got != want {
		t.Errorf("ten requests earned %d retries, want %d", got, want)
	}
}
