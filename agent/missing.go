package agent

import (
	"slices"
	"sync"

	"github.com/lictor/lictor/catalog"
	"github.com/lictor/lictor/proxy/upstream"
)

// missingWarnings remembers which routed services no source knows, so that each
// is warned about once, and told of when it has come to be.
type missingWarnings struct {
	mu   sync.Mutex
	told map[string]bool
}

// warnMissing warns of services that a route names and the catalog lacks, once
// all sources that are asked for it have answered. That is no error: the service
// may be registered later, and the route answers 503 until then. One that goes
// away is warned about again.
func (a *Agent) warnMissing() {
	w := &a.missing
	w.mu.Lock()
	defer w.mu.Unlock()
	g := a.current.Load()
	answers := make(map[string]int)
	asked := make(map[string]int)
	registered := make(map[string]bool)
	for _, s := range a.sources {
		snap := s.applied.Load()
		for _, name := range s.asked(g) {
			asked[name]++
			if snap == nil {
				continue
			}
			if v := snap.Services[name]; v != nil {
				answers[name]++
				registered[name] = registered[name] || v.Registered()
			}
		}
	}
	told := make(map[string]bool)
	for _, name := range g.services {
		if _, mesh := catalog.CutMeshName(name); mesh && !g.meshes(name) {
			continue // only looked at, for routes that go there if there is something
		}
		switch before := w.told[name]; {
		case registered[name]:
			if before {
				a.log.Info("service is registered now", "service", name)
			}
		case before:
			told[name] = true
		case answers[name] > 0 && answers[name] == asked[name]:
			a.log.Warn("no such service is registered", "service", name, "routes", g.routesOf(name))
			told[name] = true
		}
	}
	w.told = told
}

// meshes reports whether a route's requests go to a service through the mesh, of
// that name to the catalog.
func (g *generation) meshes(name string) bool {
	return slices.ContainsFunc(g.pools, func(p *upstream.Pool) bool { return uses(p, name) })
}

// routesOf names the routes that send requests to a service.
func (g *generation) routesOf(name string) []string {
	var names []string
	for _, r := range g.everyRoute() {
		if r.Pool != nil && uses(r.Pool, name) {
			names = append(names, r.Name())
		}
	}
	return names
}
