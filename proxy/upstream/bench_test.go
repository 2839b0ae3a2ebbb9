package upstream

import (
	"testing"
	"time"

	"github.com/lictor/lictor/catalog"
)

// scene is a pool of endpoints that are down or up as the script says, asked at
// times that the script says.
type scene struct {
	t    *testing.T
	set  *Set
	pool *Pool
	down map[string]Outcome // by key: how it fails
}

func newScene(t *testing.T, n int) *scene {
	s, p := newPool(t, PoolSpec{Balance: "round_robin"}, instances(n)...)
	return &scene{t: t, set: s, pool: p, down: map[string]Outcome{}}
}

// key returns the key of endpoint i.
func (s *scene) key(i int) string { return s.pool.eps[i].Key() }

// ask sends one request without retries at t0 + at, and returns its outcome, 0
// when it found no endpoint.
func (s *scene) ask(at time.Duration) Outcome {
	s.t.Helper()
	var a Attempt
	defer a.Release()
	e, _ := s.pool.Acquire(&a, t0.Add(at))
	if e == nil {
		return 0
	}
	o := s.down[e.Key()]
	if o == 0 {
		o = Success
	}
	a.Report(o, t0.Add(at))
	return o
}

// fails sends n requests and returns how many failed.
func (s *scene) fails(n int, at time.Duration) (failed int) {
	s.t.Helper()
	for range n {
		if s.ask(at) != Success {
			failed++
		}
	}
	return failed
}

func (s *scene) state(i int) State {
	return s.pool.Describe(t0)[i].State
}

func TestOneRefusalBenches(t *testing.T) {
	s := newScene(t, 3)
	s.down[s.key(1)] = Refused
	if got := s.fails(30, 0); got != 1 {
		t.Errorf("%d of 30 requests failed, want 1", got)
	}
	if got := s.state(1); got != Benched {
		t.Errorf("the refusing endpoint is %v", got)
	}
}

// Each probe that fails doubles the wait, which is drawn from its upper half,
// up to benchMax.
func TestProbesBackOff(t *testing.T) {
	s := newScene(t, 2)
	s.down[s.key(0)] = Refused
	s.fails(2, 0)
	at := time.Duration(0)
	for _, wait := range []time.Duration{
		500 * time.Millisecond, time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second,
		16 * time.Second, 30 * time.Second, 30 * time.Second,
	} {
		if got := s.fails(10, at+wait/2-1); got != 0 {
			t.Fatalf("%d probes before half of %v", got, wait)
		}
		until := s.pool.Describe(t0)[0].BenchedUntil.Sub(t0)
		if until < at+wait/2 || until > at+wait {
			t.Fatalf("the probe is due after %v, want between %v and %v", until-at, wait/2, wait)
		}
		if got := s.fails(10, until-1); got != 0 {
			t.Fatalf("%d probes before they were due", got)
		}
		if got := s.fails(10, until); got != 1 {
			t.Fatalf("%d probes when one was due", got)
		}
		at = until
	}
	delete(s.down, s.key(0))
	until := s.pool.Describe(t0)[0].BenchedUntil.Sub(t0)
	if got := s.fails(10, until); got != 0 || s.state(0) != Open {
		t.Errorf("once back, %d fail and it is %v", got, s.state(0))
	}
}

func TestOneProbeAtATime(t *testing.T) {
	s := newScene(t, 2)
	s.down[s.key(0)] = Refused
	s.fails(2, 0)
	due := t0.Add(benchMin)
	var probe, other Attempt
	if e, _ := s.pool.Acquire(&probe, due); e != s.pool.eps[0] || !probe.Probe() {
		t.Fatalf("the first request when due is no probe: %v", e.Key())
	}
	for range 5 {
		if e, _ := s.pool.Acquire(&other, due); e != s.pool.eps[1] || other.Probe() {
			t.Fatalf("a second probe of %v", e.Key())
		}
		other.Release()
		other = Attempt{}
	}

	// A probe whose request goes away tells nothing, and the next may start.
	probe.Report(Canceled, due)
	probe.Release()
	probe = Attempt{}
	if e, _ := s.pool.Acquire(&probe, due); e != s.pool.eps[0] {
		t.Fatalf("no probe after one was given up, but %v", e.Key())
	}
	probe.Report(Success, due)
	if probe.Probe() || s.state(0) != Open {
		t.Errorf("after a good probe the endpoint is %v", s.state(0))
	}
	probe.Release()
	if got := s.pool.eps[0].InFlight(); got != 0 {
		t.Errorf("%d in flight at the end", got)
	}
}

// A response on a connection from before is no sign that new ones are taken.
func TestOnlyAProbeEndsBenching(t *testing.T) {
	s := newScene(t, 2)
	var old Attempt
	s.pool.Acquire(&old, t0)
	s.down[old.Endpoint().Key()] = Refused
	s.fails(4, 0)
	old.Report(Success, t0)
	old.Release()
	if got := s.state(0); got != Benched {
		t.Errorf("it is %v", got)
	}
}

// A request that has failed once is not spent on a probe while others are open.
func TestRetriesAreNoProbes(t *testing.T) {
	s := newScene(t, 3)
	s.down[s.key(0)] = Refused
	s.fails(3, 0)
	due := t0.Add(benchMin)
	var a Attempt
	a.n, a.tried[0] = 1, s.pool.eps[1]
	if e, _ := s.pool.Acquire(&a, due); e != s.pool.eps[2] || a.Probe() {
		t.Errorf("the retry went to %v, want %v", e.Key(), s.key(2))
	}
	// But rather that than nothing.
	if e, _ := s.pool.Acquire(&a, t0); e != s.pool.eps[0] || !a.Probe() {
		t.Errorf("the last resort was not taken")
	}
	if e, why := s.pool.Acquire(&a, due); e != nil || why != AllTried {
		t.Errorf("a fourth of three: %v", why)
	}
}

func TestFailuresInARowBench(t *testing.T) {
	for _, o := range []Outcome{Broke, TimedOut} {
		t.Run(o.String(), func(t *testing.T) {
			s := newScene(t, 4)
			s.down[s.key(2)] = o
			if got := s.fails(100, 0); got != failureLimit {
				t.Errorf("%d of 100 requests failed, want %d", got, failureLimit)
			}
			if got := s.state(2); got != Benched {
				t.Errorf("it is %v", got)
			}
		})
	}
}

func TestASuccessBetweenStartsTheCountAgain(t *testing.T) {
	s := newScene(t, 2)
	for range 10 {
		s.down[s.key(0)] = Broke
		s.fails(2*(failureLimit-1), 0)
		delete(s.down, s.key(0))
		s.fails(2, 0)
	}
	if got := s.state(0); got != Open {
		t.Errorf("it is %v", got)
	}
}

func TestCanceledCountsForNothing(t *testing.T) {
	s := newScene(t, 2)
	s.down[s.key(0)] = Canceled
	s.fails(100, 0)
	if got := s.pool.Describe(t0)[0]; got.State != Open || got.Failures.Total() != 0 || got.Streak != 0 {
		t.Errorf("it is %+v", got)
	}
}

// When everything is slow, at most half is benched, and an endpoint that has no
// sibling never is; what refuses connections is benched all the same.
func TestHalfIsSpared(t *testing.T) {
	for n, want := range map[int]int{1: 0, 2: 1, 3: 1, 4: 2, 5: 2, 10: 5} {
		for outcome, want := range map[Outcome]int{TimedOut: want, Refused: n} {
			s := newScene(t, n)
			for i := range n {
				s.down[s.key(i)] = outcome
			}
			s.fails(20*n, 0)
			got := 0
			for i := range n {
				if s.state(i) == Benched {
					got++
				}
			}
			if got != want {
				t.Errorf("%d of %d are benched after %v, want %d", got, n, outcome, want)
			}
		}
	}
}

// The narrowest pool decides: what is one of many to one route may be the only
// one to another.
func TestHalfIsSparedInEveryPool(t *testing.T) {
	in := instances(4)
	in[0].Tags = []string{"canary"}
	s, all := newPool(t, PoolSpec{Balance: "round_robin"}, in...)
	if _, err := s.Pool(PoolSpec{Service: "web", Tags: []string{"canary"}}); err != nil {
		t.Fatal(err)
	}
	sc := &scene{t: t, set: s, pool: all, down: map[string]Outcome{in[0].Key: Broke, in[1].Key: Broke}}
	sc.fails(100, 0)
	if sc.state(0) != Open || sc.state(1) != Benched {
		t.Errorf("the canary is %v, its sibling %v", sc.state(0), sc.state(1))
	}
}

// With every endpoint down, a request at a time still goes to each, and the
// first one after the outage finds it over; the others are asked again soon.
func TestFullOutage(t *testing.T) {
	const n = 3
	s := newScene(t, n)
	for i := range n {
		s.down[s.key(i)] = Refused
	}
	if got := s.fails(n, 0); got != n {
		t.Fatalf("%d failed, want all %d", got, n)
	}

	var held [n + 1]Attempt
	for i := range held {
		e, why := s.pool.Acquire(&held[i], t0)
		switch {
		case i < n && (e == nil || !held[i].Probe()):
			t.Fatalf("request %d is not let through: %v", i, why)
		case i == n && why != AllBenched:
			t.Fatalf("a request besides the probes: %v", why)
		}
	}
	for i := range held {
		held[i].Report(Refused, t0)
		held[i].Release()
	}

	clear(s.down)
	if got := s.ask(0); got != Success {
		t.Fatalf("the first request after the outage: %v", got)
	}
	if got := s.fails(10, 0); got != 0 {
		t.Errorf("%d of 10 requests failed after the outage", got)
	}
	for i := range n {
		if s.state(i) != Open {
			t.Errorf("endpoint %d is %v", i, s.state(i))
		}
	}
}

// In a full outage the endpoints are probed in turns, so that one that is back
// is found although others stay away.
func TestProbesTakeTurns(t *testing.T) {
	const n = 5
	for back := range n {
		s := newScene(t, n)
		for i := range n {
			s.down[s.key(i)] = Refused
		}
		s.fails(4*n+2, 0)
		delete(s.down, s.key(back))
		if got := s.fails(n, 0); got >= n {
			t.Errorf("%d is back, and %d requests did not find it", back, n)
		}
	}
}

// Probes of a full outage do not wait, and so do not lengthen the wait either.
func TestEarlyProbesDoNotBackOff(t *testing.T) {
	s := newScene(t, 1)
	s.down[s.key(0)] = Refused
	s.fails(100, 0)
	if until := s.pool.Describe(t0)[0].BenchedUntil.Sub(t0); until > benchMin {
		t.Errorf("after 100 requests it is due in %v", until)
	}
}

// A health check that went red and green again is news, and ends benching; a
// catalog change that is not leaves it.
func TestHealthEndsBenching(t *testing.T) {
	s := newScene(t, 2)
	s.down[s.key(0)] = Refused
	s.fails(2, 0)

	in := instances(2)
	in[0].Weight = 7
	s.set.Apply(snapshot("consul", in...))
	if got := s.state(0); got != Benched {
		t.Fatalf("after another weight it is %v", got)
	}
	in = instances(2)
	in[0].Health, in[0].Ineligible = catalog.Critical, "critical"
	s.set.Apply(snapshot("consul", in...))
	if got := s.state(0); got != Ineligible {
		t.Fatalf("after a red check it is %v", got)
	}
	s.set.Apply(snapshot("consul", instances(2)...))
	if got := s.state(0); got != Open {
		t.Errorf("after a green check it is %v", got)
	}
}

// The outcome of a probe from before a clean record says nothing about the
// probe that runs now.
func TestLateProbeSpeaksForItselfOnly(t *testing.T) {
	s := newScene(t, 1)
	s.down[s.key(0)] = Refused
	s.fails(1, 0)
	var late, now Attempt
	s.pool.Acquire(&late, t0)

	in := instances(1)
	in[0].Ineligible = "critical"
	s.set.Apply(snapshot("consul", in...))
	s.set.Apply(snapshot("consul", instances(1)...))
	s.fails(1, 0)
	s.pool.Acquire(&now, t0)
	if !late.Probe() || !now.Probe() {
		t.Fatal("both should be probes")
	}
	late.Report(Success, t0)
	if got := s.state(0); got != Benched {
		t.Errorf("after the late probe it is %v", got)
	}
	late.Release()
	if got := s.pool.Describe(t0)[0]; !got.Probing {
		t.Error("the late probe ended the one that runs")
	}
	now.Report(Success, t0)
	now.Release()
	if got := s.state(0); got != Open {
		t.Errorf("after its own probe it is %v", got)
	}
}

// Nor does one that is given up without an outcome.
func TestLateProbeGivenUp(t *testing.T) {
	s := newScene(t, 1)
	s.down[s.key(0)] = Refused
	s.fails(1, 0)
	var late, now Attempt
	s.pool.Acquire(&late, t0)
	in := instances(1)
	in[0].Ineligible = "critical"
	s.set.Apply(snapshot("consul", in...))
	s.set.Apply(snapshot("consul", instances(1)...))
	s.fails(1, 0)
	s.pool.Acquire(&now, t0)
	late.Release()
	if got := s.pool.Describe(t0)[0]; !got.Probing {
		t.Error("the late probe ended the one that runs")
	}
	now.Release()
}

// That an instance which has left the catalog refuses is no surprise.
func TestDrainingIsNotBenched(t *testing.T) {
	s := newScene(t, 1)
	var a Attempt
	e, _ := s.pool.Acquire(&a, t0)
	s.set.Apply(snapshot("consul"))
	a.Report(Refused, t0)
	s.set.Apply(snapshot("consul", instances(1)...))
	a.Release()
	if s.pool.eps[0] != e || s.state(0) != Open {
		t.Errorf("back in the catalog, it is %v", s.state(0))
	}
}
