package agent

import (
	"fmt"
	"sync/atomic"
	"time"
)

// readiness tells whether the gateway should get traffic. That every routed
// service has had a first answer is latched: a reload that adds a service does
// not make a serving gateway unready.
type readiness struct {
	answered atomic.Bool
	draining atomic.Bool
}

// NotReady returns the reasons why the gateway should get no traffic, none when
// it should.
func (a *Agent) NotReady() []string {
	var why []string
	if a.ready.draining.Load() {
		why = append(why, "draining")
	}
	c := a.current.Load().config
	pending := 0
	for _, s := range a.sources {
		st := s.Status()
		if len(st.Pending) > 0 && !a.ready.answered.Load() {
			pending += len(st.Pending)
			why = append(why, fmt.Sprintf("%s has not answered yet for %d of the routed services: %q", s.Name(), len(st.Pending), first(st.Pending, 5)))
		}
		if c.Consul != nil && s.Name() == "consul" && c.Consul.MaxStale > 0 && st.Age > c.Consul.MaxStale {
			why = append(why, fmt.Sprintf("the catalog of %s is %s old, more than max_stale %s", s.Name(), st.Age.Round(time.Second), c.Consul.MaxStale))
		}
	}
	if pending == 0 {
		a.ready.answered.Store(true)
	}
	return why
}

func first(s []string, n int) []string { return s[:min(n, len(s))] }
