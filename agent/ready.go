package agent

import (
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/lictor/lictor/catalog"
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
	g := a.current.Load()
	kv, tags := a.kv.notReady(g), a.tags.notReady(g)
	if !a.ready.answered.Load() {
		waiting := a.unanswered(g)
		for i, s := range a.sources {
			if names := waiting[i]; len(names) > 0 {
				why = append(why, fmt.Sprintf("%s has not answered yet for %d of the routed services: %q", s.Name(), len(names), first(names, 5)))
			}
		}
		switch {
		case len(waiting) > 0:
		case g.ways != a.ways.Load(): // looked at after the answers, which change it
			why = append(why, "routes are about to go where Consul says by now")
		case len(a.mesh.unasked(g)) > 0:
			names := a.mesh.unasked(g)
			why = append(why, fmt.Sprintf("consul has not said yet what %d of the services in the mesh speak: %q", len(names), first(names, 5)))
		case kv == "" && tags == "": // or there are routes to come, whose services have not been asked for
			a.ready.answered.Store(true)
		}
	}
	if m := a.fleet; m != nil && !m.isKnown() && len(g.shares) > 0 {
		why = append(why, fmt.Sprintf("consul has not told yet how many gateways there are of %q, among whom limits are shared out", m.service))
	}
	if names := g.providers.Fetching(); len(names) > 0 {
		why = append(why, fmt.Sprintf("the keys of jwt providers are being fetched for the first time: %q", first(names, 5)))
	}
	for _, reason := range []string{kv, tags, a.mesh.notReady(g)} {
		if reason != "" {
			why = append(why, reason)
		}
	}
	for _, s := range a.sources {
		c := a.config.Consul
		if c == nil || s.Name() != "consul" || c.MaxStale <= 0 {
			continue
		}
		if age := s.Status().Age; age > c.MaxStale {
			why = append(why, fmt.Sprintf("the catalog of %s is %s old, more than max_stale %s", s.Name(), age.Round(time.Second), c.MaxStale))
		}
	}
	return why
}

// unanswered returns the routed services that still wait for a first answer, by
// the index of the source that they wait for. A service that one source has is
// not waited for at those that come after it: they would not be heard.
func (a *Agent) unanswered(g *generation) map[int][]string {
	waiting := make(map[int][]string)
	found := make(map[string]bool)
	for i, s := range a.sources {
		status := s.Status()
		pending := status.Pending
		snap := s.applied.Load()
		for _, name := range s.asked(g) {
			if found[name] {
				continue
			}
			answered := false
			if snap != nil {
				v := snap.Services[name]
				answered, found[name] = v != nil, v.Registered()
			}
			if st := status.Services[name]; catalog.Elsewhere(name) && (st.Err != nil || st.Held != "") {
				continue // another datacenter that is away holds nobody up
			}
			if !answered || slices.Contains(pending, name) {
				waiting[i] = append(waiting[i], name)
				found[name] = true
			}
		}
	}
	return waiting
}

func first(s []string, n int) []string { return s[:min(n, len(s))] }
