package agent

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lictor/lictor/agent/acme"
	"github.com/lictor/lictor/agent/certs"
	"github.com/lictor/lictor/agent/config"
	"github.com/lictor/lictor/catalog/consul"
	"github.com/lictor/lictor/limits"
	"github.com/lictor/lictor/limits/fleet"
	"github.com/lictor/lictor/limits/redis"
	"github.com/lictor/lictor/proxy"
	"github.com/lictor/lictor/proxy/step/jwt"
	"github.com/lictor/lictor/proxy/step/limit"
	"github.com/lictor/lictor/proxy/tcp"
	"github.com/lictor/lictor/proxy/upstream"
)

// generation is everything that one load of the policies made. It is immutable
// once it is current.
type generation struct {
	number    uint64
	ways      uint64 // what Agent.ways was before its routes were sent
	config    *config.Config
	files     *config.Files
	kv        *consul.Documents // that are in it, nil for none
	tags      *tagSet           // that is in it, nil for none
	limits    []*limit.Limit
	shared    []*redis.Limiter // those of limits that are shared
	shares    []*fleet.Limiter // those of limits of which each gateway grants its share
	providers *jwt.Set
	table     *proxy.Table
	passages  *tcp.Table // of connections
	pools     []*upstream.Pool
	services  []string // named by routes, sorted

	certificates map[string]*certs.ServerSet // of listeners, by name
	made         map[string]*acme.View       // those of them that the gateway gets by itself
	clients      []*certs.Client             // of routes that speak TLS to their instances

	adoptions []limits.Adoption
	notes     []string // what operators should know of the change
}

func (g *generation) limit(name string) *limit.Limit {
	if g == nil {
		return nil
	}
	for _, l := range g.limits {
		if l.Spec.Name == name {
			return l
		}
	}
	return nil
}

func (g *generation) route(name string) *proxy.Route {
	if g == nil {
		return nil
	}
	for _, r := range g.table.Routes {
		if r.Name() == name {
			return r
		}
	}
	return nil
}

// build makes the next generation of a configuration, and touches nothing that
// is live: it may be dropped.
func (a *Agent) build(c *config.Config, files *config.Files, old *generation) (*generation, error) {
	g := &generation{number: 1, ways: a.ways.Load(), config: c, files: files}
	if old != nil {
		g.number = old.number + 1
	}
	if err := a.buildLimits(g, old); err != nil {
		return nil, err
	}
	if err := a.buildProviders(g, old); err != nil {
		return nil, err
	}
	if err := a.buildTLS(g); err != nil {
		return nil, err
	}
	var routes []*proxy.Route
	var errs []error
	for i := range c.Policy.Routes {
		r, err := a.buildRoute(g, &c.Policy.Routes[i], old)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		routes = append(routes, r)
		g.addPool(r.Pool)
	}
	errs = append(errs, a.buildPassages(g, old))
	for _, v := range staticServices(c) {
		errs = append(errs, v.Validate())
	}
	g.tidyServices()
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	var err error
	if g.table, err = proxy.NewTable(g.number, append(ipAccess(c.Policy.GatewaySteps), a.phase(g, c.Policy.Gateway, nil)...), routes); err != nil {
		return nil, err
	}
	g.table.SecretParameters = append(keyParameters(c), c.RedactedParameters()...)
	for _, s := range jwtSpecs(c) {
		for _, l := range s.Locations {
			if l.Place == jwt.QueryPlace {
				g.table.SecretParameters = append(g.table.SecretParameters, strings.ToLower(l.Name))
			}
		}
	}
	return g, nil
}

// buildLimits prepares the limits, each to go on with the budgets of the one of
// that name where it is still the same kind of budget.
func (a *Agent) buildLimits(g *generation, old *generation) error {
	p := &g.config.Policy
	var named []string
	for i := range p.Routes {
		named = append(named, p.Routes[i].Hosts...)
	}
	for i := range p.TCPRoutes {
		named = append(named, p.TCPRoutes[i].SNI...)
	}
	hosts := limit.NewHosts(named)
	for i := range p.Limits {
		s := p.Limits[i]
		var was limits.Limiter
		var counters *limit.Counters
		if l := old.limit(s.Name); l != nil {
			counters = l.Counters
			if l.Spec.SameBudgets(&s) {
				was = l.Limiter
			} else {
				g.notes = append(g.notes, fmt.Sprintf("limit %q starts fresh: its algorithm, precision, scope or key changed", s.Name))
			}
		}
		var limiter limits.Limiter
		var ad limits.Adoption
		switch s.Scope {
		case limit.Shared:
			shared, adoption, err := a.sharedLimiter(&s, was)
			if err != nil {
				return err
			}
			limiter, ad = shared, adoption
			g.shared = append(g.shared, shared)
		case limit.FleetShare:
			share, adoption, err := a.fleetLimiter(&s, was)
			if err != nil {
				return err
			}
			limiter, ad = share, adoption
			g.shares = append(g.shares, share)
		case limit.Local:
			ad = limits.Prepare(was, s.Limit, limits.Options{MaxKeys: s.MaxKeys})
			limiter = ad.Limiter
		}
		g.adoptions = append(g.adoptions, ad)
		g.limits = append(g.limits, limit.New(s, limiter, counters, hosts))
	}
	if old == nil {
		return nil
	}
	for _, l := range old.limits {
		if p.Limit(l.Spec.Name) == nil {
			g.notes = append(g.notes, fmt.Sprintf("limit %q was removed, its budgets are forgotten", l.Spec.Name))
		}
	}
	return nil
}

// providersTime bounds the fetching of remote keys in a reload. The start does not
// wait for them: see NotReady.
const providersTime = 6 * time.Second

func (a *Agent) buildProviders(g, old *generation) (err error) {
	if old == nil {
		g.providers, err = a.identities.PrepareFirst(jwtSpecs(g.config))
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), providersTime)
	defer cancel()
	g.providers, err = a.identities.Prepare(ctx, jwtSpecs(g.config))
	return err
}

// jwtSpecs returns the policy's jwt providers.
func jwtSpecs(c *config.Config) []*jwt.Spec {
	var list []*jwt.Spec
	for _, p := range c.Policy.Providers {
		if s, ok := p.Spec.(*jwt.Spec); ok {
			list = append(list, s)
		}
	}
	return list
}

// send says where a route's requests go, and how its instances are spoken to. Those
// of a route without a service go nowhere.
func (a *Agent) send(g *generation, r *config.Route, out *proxy.Route) error {
	switch {
	case !r.Forwards():
		return nil
	case len(r.Split) > 0:
		return a.sendSplit(g, r, out)
	}
	name := r.MainService()
	w := way{followed: []string{name}, pool: name}
	if r.PreparedQuery == "" {
		w = a.elsewhere(a.mesh.way(g.config, r), r)
	}
	g.services = append(g.services, w.followed...)
	var err error
	out.Pool, err = a.set.Pool(upstream.PoolSpec{
		Service: w.pool, Fallbacks: w.fallbacks, Tags: r.Tags, Port: r.Port, Balance: r.Balance, MaxConnections: r.MaxConnections,
	})
	if err != nil {
		return fmt.Errorf("route %q: %w", r.Name, err)
	}
	if w.secure != nil {
		out.UpstreamTLS = w.secure
		return nil
	}
	out.UpstreamTLS, err = a.upstreamTLS(g, r)
	return err
}

// addPool notes a pool that a route sends requests to; nil for none.
func (g *generation) addPool(p *upstream.Pool) {
	if p != nil {
		g.pools = append(g.pools, p)
	}
}

// tidyServices sorts what routes have named.
func (g *generation) tidyServices() {
	slices.Sort(g.services)
	g.services = slices.Compact(g.services)
}

func (a *Agent) buildRoute(g *generation, r *config.Route, old *generation) (*proxy.Route, error) {
	steps, err := a.steps(g, r)
	if err != nil {
		return nil, fmt.Errorf("route %q: %w", r.Name, err)
	}
	out := &proxy.Route{
		Rule:    r.Rule(),
		Service: r.MainService(), Steps: steps,
		StripPrefix: r.StripPrefix, HostHeader: r.HostHeader,
		MaxBody: r.MaxBody, Protocol: r.Protocol,
		Timeout: r.Timeout, ConnectTimeout: r.ConnectTimeout, IdleTimeout: r.IdleTimeout,
	}
	if err := a.send(g, r, out); err != nil {
		return nil, err
	}
	if was := old.route(r.Name); was != nil {
		out.Metrics = was.Metrics
	}
	return out, nil
}

// commit makes the generation current. Nothing in it can fail.
func (a *Agent) commit(g *generation) {
	now := a.clock.Now()
	for i := range g.adoptions {
		g.adoptions[i].Commit(now)
	}
	g.adoptions = nil
	if a.store != nil {
		a.store.Follow(g.shared)
	}
	if a.fleet != nil {
		a.fleet.limits.Follow(g.shares, now)
	}
	a.identities.Adopt(g.providers)
	a.proxy.Swap(g.table)
	a.passages.Swap(g.passages)
	a.proxy.SetErrorPages(errorPages(g.config))
	a.sample(g.config)
	a.current.Store(g)
	a.set.Retain(g.pools)
	a.showCertificates(g)
	a.follow(g)
}

// errorPages sorts the configured pages by status.
func errorPages(c *config.Config) map[int]proxy.ErrorPage {
	pages := map[int]proxy.ErrorPage{}
	for i := range c.ErrorPages {
		p := &c.ErrorPages[i]
		for _, status := range p.Status {
			pages[status] = proxy.ErrorPage{ContentType: p.ContentType, Body: p.Body}
		}
	}
	return pages
}
