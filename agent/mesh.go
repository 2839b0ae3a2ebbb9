package agent

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/lictor/lictor/agent/config"
	"github.com/lictor/lictor/catalog"
	"github.com/lictor/lictor/catalog/connect"
	"github.com/lictor/lictor/catalog/consul"
	"github.com/lictor/lictor/proxy"
)

// mesh is the gateway's part in Consul's service mesh. A nil one is that of a
// gateway that takes none.
type mesh struct {
	access     *consul.Access
	identity   *connect.Identity
	intentions *connect.Intentions // nil when no listener is a destination
	servers    []*connect.Server   // of listeners that are

	moved  chan struct{}     // capacity 1: routes have to go otherwise
	memory meshMemory        // of offered
	able   func(string) bool // whether the gateway can speak to a service through it

	mu   sync.Mutex
	last *catalog.Snapshot // what was learnt from; nil before the first
	// offered holds the services that have been seen to offer the mesh. One
	// stays for as long as the gateway runs, and with data_dir over restarts:
	// that its sidecars are gone is no reason to speak to it in clear.
	offered map[string]bool
	// lacking holds those that don't, by an answer of Consul's that stands.
	lacking map[string]bool
}

// openMesh returns nil when the gateway takes no part in the mesh.
func (a *Agent) openMesh(c *config.Config) (*mesh, error) {
	if c.Consul == nil || !c.Consul.Connect {
		return nil, nil //nolint:nilnil // not configured is no error
	}
	conf := a.consulConfig(c)
	access, err := consul.NewAccess(conf)
	if err != nil {
		return nil, fmt.Errorf("joining the mesh: %w", err)
	}
	m := &mesh{access: access, moved: make(chan struct{}, 1), memory: newMeshMemory(c.DataDir), lacking: make(map[string]bool)}
	if m.offered, err = m.memory.load(); err != nil {
		return nil, err // to go on without might speak in clear what should not
	}
	m.identity = connect.New(connect.Config{
		Consul: access, Service: c.Consul.MeshService(), Datacenter: c.Consul.Datacenter, Logger: a.log.Named("mesh"),
	})
	m.able = m.identity.Able
	m.identity.Progress = func() { m.takeAgain(a) }
	if slices.ContainsFunc(c.Listeners, func(l config.Listener) bool { return l.Mesh }) {
		m.intentions = connect.NewIntentions(m.identity)
		m.intentions.Normal = normal
		m.intentions.Changed = func() {
			for _, s := range m.servers {
				s.Review()
			}
		}
	}
	return m, nil
}

// runMesh keeps the identity, what is judged by it, and the ways of routes
// current until ctx is done.
func (a *Agent) runMesh(ctx context.Context) {
	m := a.mesh
	if m == nil {
		return
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-m.moved:
				a.remesh()
			}
		}
	})
	wg.Go(func() { m.access.Run(ctx) })
	wg.Go(func() { m.identity.Run(ctx) })
	if m.intentions != nil {
		wg.Go(func() { m.intentions.Run(ctx) })
	}
	wg.Wait()
}

// server returns what judges the connections of one listener, and with requests
// those too. It is for the start alone.
func (m *mesh) server(requests bool) *connect.Server {
	s := connect.NewServer(m.identity, m.intentions)
	s.Requests = requests
	m.servers = append(m.servers, s)
	return s
}

// take takes in what Consul says of who offers the mesh, and has routes follow. It
// doesn't wait for them: a reload may be under way, and the catalog must not wait
// for that.
func (m *mesh) take(a *Agent, snap *catalog.Snapshot) {
	if m.learn(a, snap) {
		m.change(a)
	}
}

// takeAgain has routes follow that have waited for the gateway to be able to.
func (m *mesh) takeAgain(a *Agent) {
	m.mu.Lock()
	changed := m.last != nil && m.learnLocked(a, m.last)
	m.mu.Unlock()
	if changed {
		m.change(a)
	}
}

// change remembers what was learnt, and has routes follow.
func (m *mesh) change(a *Agent) {
	a.ways.Add(1)
	m.mu.Lock()
	err := m.memory.save(m.offered)
	m.mu.Unlock()
	if err != nil {
		a.log.Warn("which services offer the mesh will not be known after a restart", "error", err)
	}
	select {
	case m.moved <- struct{}{}:
	default:
	}
}

// learn reports whether a route that leaves it to Consul how it goes is to go
// otherwise than before.
func (m *mesh) learn(a *Agent, snap *catalog.Snapshot) (changed bool) {
	if m == nil || snap.Source != "consul" {
		return false
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.last = snap
	return m.learnLocked(a, snap)
}

// learnLocked is learn of a snapshot of Consul's, under m.mu.
func (m *mesh) learnLocked(a *Agent, snap *catalog.Snapshot) (changed bool) {
	for service := range m.lacking {
		if snap.Services[catalog.MeshName(service)] == nil {
			delete(m.lacking, service) // nobody follows it, so nobody knows
		}
	}
	for name, v := range snap.Services {
		service, is := catalog.CutMeshName(name)
		switch {
		case !is || m.offered[service]:
		case m.lacking[service] && slices.ContainsFunc(v.Instances, func(i catalog.Instance) bool { return i.Eligible() }) && m.able(service),
			!m.lacking[service] && v.Registered():
			// A route that goes in clear moves once somebody is there to take its
			// requests, and the gateway can speak to him. Until it was known either way,
			// it went through the mesh, and now needs the service in clear no longer
			// followed.
			changed = true
			m.offered[service] = true
			delete(m.lacking, service)
			if _, dc := catalog.CutDatacenter(service); dc != "" {
				a.log.Warn("service offers the mesh in another datacenter, so it can't take over there", "service", service, "instances", len(v.Instances))
				break
			}
			a.log.Info("service is spoken to through the mesh", "service", service, "instances", len(v.Instances))
		case !m.lacking[service]:
			m.lacking[service] = true
			changed = true
		}
	}
	return changed
}

// way is how a route speaks to its service.
type way struct {
	// followed are the names that the catalog is asked for, pool the one of
	// them that requests go to.
	followed []string
	pool     string
	// fallbacks take over from the pool's service: it, in other datacenters.
	fallbacks []string
	// secure is nil for a way past the mesh.
	secure *connect.Destination
}

// way decides how a route speaks to its service. While it is not known whether
// the service offers the mesh, a route that leaves it to that waits at the
// mesh's side, where nobody answers yet: nothing goes in clear that may not.
func (m *mesh) way(c *config.Config, r *config.Route) way {
	past := way{followed: []string{r.Service}, pool: r.Service}
	isStatic := slices.ContainsFunc(c.Services, func(s config.Service) bool { return s.Name == r.Service })
	if m == nil || r.Mesh == config.MeshOff || isStatic && r.Mesh != config.MeshOn {
		return past
	}
	name := catalog.MeshName(r.Service)
	through := way{followed: []string{name}, pool: name, secure: m.identity.Destination(r.Service)}
	if r.Mesh == config.MeshOn {
		return through
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.offered[r.Service]:
		return through
	case m.lacking[r.Service]:
		past.followed = append(past.followed, name)
		return past
	}
	through.followed = append(through.followed, r.Service)
	return through
}

// follow tells the identity which services are spoken to through the mesh, or may be
// once they offer it.
func (m *mesh) follow(g *generation) {
	if m == nil {
		return
	}
	var services []string
	for _, name := range g.services {
		if service, is := catalog.CutMeshName(name); is && !catalog.Elsewhere(service) {
			services = append(services, service)
		}
	}
	m.identity.Follow(services)
}

// unasked names the services that a generation's routes send requests to through the
// mesh while Consul has not said yet what they speak.
func (m *mesh) unasked(g *generation) (services []string) {
	for _, r := range g.everyRoute() {
		for _, d := range destinations(r) {
			if !d.Asked() {
				services = append(services, d.Service())
			}
		}
	}
	return slices.Compact(slices.Sorted(slices.Values(services)))
}

// notReady says why what a generation's routes send through the mesh can't go
// there, before it ever could; empty means that it can.
func (m *mesh) notReady(g *generation) string {
	if m == nil {
		return ""
	}
	select {
	case <-m.identity.First():
		return ""
	default:
	}
	for _, r := range g.everyRoute() {
		if len(destinations(r)) > 0 {
			return fmt.Sprintf("the gateway has no identity in the mesh yet: %v", m.identity.Check())
		}
	}
	return ""
}

// remesh lets routes go where the mesh is by now: it makes the present policies'
// table anew, and changes nothing else of them.
func (a *Agent) remesh() {
	a.reloading.Lock()
	defer a.reloading.Unlock()
	old := a.current.Load()
	g, err := a.remeshed(old)
	if err != nil { // the same routes were built before
		a.log.Error("routes can't follow the mesh", "error", err)
		return
	}
	a.proxy.Swap(g.table)
	a.passages.Swap(g.passages)
	a.current.Store(g)
	a.set.Retain(g.pools)
	a.follow(g)
}

// remeshed returns the generation with its routes sent anew.
func (a *Agent) remeshed(old *generation) (*generation, error) {
	g := *old
	g.ways = a.ways.Load()                         // before it is looked at what changes it
	g.pools, g.services, g.clients = nil, nil, nil // which send makes anew
	routes := make([]*proxy.Route, len(old.table.Routes))
	for i, was := range old.table.Routes {
		r := *was
		if err := a.send(&g, &g.config.Policy.Routes[i], &r); err != nil {
			return nil, err
		}
		routes[i] = &r
		g.addPool(r.Pool)
	}
	if err := a.buildPassages(&g, old); err != nil {
		return nil, err
	}
	g.tidyServices()
	var err error
	g.table, err = old.table.WithRoutes(routes)
	return &g, err
}
