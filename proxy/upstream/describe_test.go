package upstream

import (
	"testing"
	"time"

	"github.com/lictor/lictor/catalog"
)

func TestDescribe(t *testing.T) {
	in := instances(6)
	in[0].Tags = []string{"v2"}
	in[1].Tags = []string{"v2"}
	in[2].Ineligible = "check \"ping\" is critical"
	in[2].Tags = []string{"v2"}
	in[3].Port = 0
	in[4].Tags = []string{"v1"}
	in[5].Tags = []string{"v2"}
	s, p := newPool(t, PoolSpec{Tags: []string{"v2"}, Balance: "round_robin", MaxConnections: 1}, in...)

	var refused, full Attempt
	p.Acquire(&refused, t0)
	refused.Report(Refused, t0)
	p.Acquire(&refused, t0)
	refused.Report(Success, t0)
	refused.Release()
	p.Acquire(&full, t0)
	defer full.Release()

	wait := p.Describe(t0)[0].BenchedUntil.Sub(t0).Round(time.Millisecond).String()
	for i, want := range []struct {
		state State
		why   string
	}{
		{Benched, "failed (refused), next try in " + wait},
		{Open, ""},
		{Ineligible, `check "ping" is critical`},
		{Unmatched, `lacks the tag "v2"`},
		{Unmatched, `lacks the tag "v2"`},
		{Full, "1 in flight, at most 1 allowed"},
	} {
		got := p.Describe(t0)[i]
		if got.State == Open && got.InFlight == 1 { // which of the two is the full one is the balancer's choice
			t.Errorf("instance %d is open with %d in flight", i, got.InFlight)
		}
		if i == 1 || i == 5 {
			continue
		}
		if got.State != want.state || got.Why != want.why {
			t.Errorf("instance %d: %v (%s), want %v (%s)", i, got.State, got.Why, want.state, want.why)
		}
	}

	st, ok := s.DescribeService("web", t0)
	if !ok || st.Source != "consul" || !st.Known || !st.Registered || st.InFlight != 1 || st.Requests != 3 {
		t.Errorf("the service is %+v", st)
	}
	if st.Failures != (Causes{Refused: 1}) || st.Retries != (Causes{Refused: 1}) {
		t.Errorf("failures %+v, retries %+v", st.Failures, st.Retries)
	}
	if len(st.Endpoints) != 6 || st.Endpoints[3].State != Unmatched || st.Endpoints[3].Target != "" {
		t.Errorf("the endpoints are %+v", st.Endpoints)
	}
	if len(st.Pools) != 1 || st.Pools[0].Endpoints != 4 || st.Pools[0].Eligible != 3 || st.Pools[0].Benched != 1 {
		t.Errorf("the pools are %+v", st.Pools)
	}
}

func TestTotalsSurviveTheCatalog(t *testing.T) {
	s, p := newPool(t, PoolSpec{}, instances(2)...)
	for range 7 {
		var a Attempt
		p.Acquire(&a, t0)
		a.Report(TimedOut, t0)
		a.Release()
	}
	s.Apply(snapshot("consul"))
	s.Apply(snapshot("consul", instances(1)...))
	st, ok := s.DescribeService("web", t0)
	if !ok || st.Requests != 7 || st.Failures.TimedOut != 7 || st.Endpoints[0].Requests != 0 {
		t.Errorf("the totals are %+v", st)
	}
}

func TestDescribeBeforeAnythingIsKnown(t *testing.T) {
	s := NewSet(Options{})
	p := mustPool(t, s, PoolSpec{Service: "web"})
	if st, ok := s.DescribeService("web", t0); !ok || st.Known || st.Registered || st.Source != "" {
		t.Errorf("the service is %+v", st)
	}
	if got := p.Describe(t0); len(got) != 0 {
		t.Errorf("the pool is %+v", got)
	}
	if _, ok := s.DescribeService("api", t0); ok {
		t.Error("a service that nobody asked for is described")
	}
	s.Apply(&catalog.Snapshot{Source: "consul", Services: map[string]*catalog.Service{"web": {Name: "web", Stale: true, Instances: instances(1)}}})
	if st, _ := s.DescribeService("web", t0); !st.Stale {
		t.Error("the service is not described as stale")
	}
}
