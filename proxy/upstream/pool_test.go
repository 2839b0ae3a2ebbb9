package upstream

import (
	"fmt"
	"testing"
	"time"

	"github.com/lictor/lictor/catalog"
)

var t0 = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// instances returns n passing instances of weight 1.
func instances(n int) []catalog.Instance {
	in := make([]catalog.Instance, n)
	for i := range in {
		in[i] = catalog.Instance{
			Key: fmt.Sprintf("node/web-%04d", i), Address: "127.0.0.1", Port: 20000 + i, Weight: 1,
		}
	}
	return in
}

// snapshot returns a snapshot that holds one service, "web".
func snapshot(source string, in ...catalog.Instance) *catalog.Snapshot {
	return &catalog.Snapshot{Source: source, Services: map[string]*catalog.Service{
		"web": {Name: "web", Instances: in},
	}}
}

// newPool returns a set that knows the instances of "web", and a pool of them.
func newPool(t testing.TB, spec PoolSpec, in ...catalog.Instance) (*Set, *Pool) {
	t.Helper()
	s := NewSet(Options{Sources: []string{"static", "consul"}, Seed: 1})
	s.Apply(snapshot("consul", in...))
	spec.Service = "web"
	p, err := s.Pool(spec)
	if err != nil {
		t.Fatal(err)
	}
	return s, p
}

func TestAcquireSpreadsAndReleases(t *testing.T) {
	_, p := newPool(t, PoolSpec{}, instances(3)...)
	held := make([]Attempt, 9)
	for i := range held {
		if _, why := p.Acquire(&held[i], t0); why != Acquired {
			t.Fatalf("acquire %d: %v", i, why)
		}
	}
	for _, e := range p.eps {
		if e.InFlight() != 3 {
			t.Errorf("%s has %d in flight, want 3", e.Key(), e.InFlight())
		}
	}
	for i := range held {
		held[i].Release()
		held[i].Release() // must do nothing
	}
	for _, e := range p.eps {
		if e.InFlight() != 0 {
			t.Errorf("%s has %d in flight at the end", e.Key(), e.InFlight())
		}
	}
}

func TestAcquireDoesNotAllocate(t *testing.T) {
	for _, b := range Balancers() {
		for _, n := range []int{1, 50, 256} {
			_, p := newPool(t, PoolSpec{Balance: b.Name}, instances(n)...)
			var a Attempt
			got := testing.AllocsPerRun(100, func() {
				a = Attempt{}
				p.Acquire(&a, t0)
				a.Report(Success, t0)
				a.Release()
			})
			if got != 0 {
				t.Errorf("%s with %d: %v allocations", b.Name, n, got)
			}
		}
	}
}
