package agent

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/lictor/lictor/agent/config"
	"github.com/lictor/lictor/catalog"
	"github.com/lictor/lictor/catalog/consul"
	"github.com/lictor/lictor/catalog/static"
)

// source is a running catalog source and where its snapshots come in.
type source struct {
	catalog.Source
	feed catalog.Feed
	// applied is the snapshot that the pools know, nil before the first.
	applied atomic.Pointer[catalog.Snapshot]
	// knows narrows the services that the source is asked for; nil means all.
	knows func(c *config.Config, services []string) []string
	// also are services that the source is asked for besides those of routes; nil
	// means none.
	also func() []string
	// reload gives the source its part of a new configuration; nil when it has
	// none that can change.
	reload func(c *config.Config)
}

// sourceKind is one line of the registry.
type sourceKind struct {
	name string
	open func(a *Agent, c *config.Config) (*source, error) // nil when not configured
}

// sourceKinds lists the sources of the catalog. Where two know a service of the
// same name, the earlier one has it.
func sourceKinds() []sourceKind {
	return []sourceKind{
		{"static", openStatic},
		{"consul", openConsul},
	}
}

func sourceOrder() []string {
	var names []string
	for _, k := range sourceKinds() {
		names = append(names, k.name)
	}
	return names
}

func (a *Agent) openSources(c *config.Config) error {
	for _, k := range sourceKinds() {
		s, err := k.open(a, c)
		if err != nil {
			return fmt.Errorf("opening the catalog %s: %w", k.name, err)
		}
		if s != nil {
			a.sources = append(a.sources, s)
		}
	}
	return nil
}

func openConsul(a *Agent, c *config.Config) (*source, error) {
	if c.Consul == nil {
		return nil, nil //nolint:nilnil // not configured is no error
	}
	s, err := consul.New(a.consulConfig(c))
	if err != nil {
		return nil, err
	}
	return &source{Source: s, also: a.tags.services}, nil
}

func (a *Agent) consulConfig(c *config.Config) consul.Config {
	return consul.Config{
		Address: c.Consul.Address, TokenFile: c.Consul.TokenFile, Datacenter: c.Consul.Datacenter, ZoneMeta: c.Consul.ZoneMeta,
		RequireServiceCheck: c.Consul.RequireServiceCheck, DataDir: c.DataDir,
		Login: a.login, Own: a.own, Logger: a.log.Named("consul"),
	}
}

func openStatic(a *Agent, c *config.Config) (*source, error) {
	s, err := static.New(static.Config{Logger: a.log.Named("static"), Own: a.own, Services: staticServices(c)})
	if err != nil {
		return nil, err
	}
	alone := c.Consul == nil
	return &source{
		Source: s,
		knows: func(c *config.Config, services []string) []string {
			if alone { // nobody else could know the others
				return services
			}
			var known []string
			for _, name := range services {
				for i := range c.Services {
					if c.Services[i].Name == name {
						known = append(known, name)
					}
				}
			}
			return known
		},
		reload: func(c *config.Config) {
			if err := s.Replace(staticServices(c)); err != nil { // build has validated them
				a.log.Error("static services not replaced", "error", err)
			}
		},
	}, nil
}

func staticServices(c *config.Config) []static.Spec {
	var out []static.Spec
	for _, v := range c.Services {
		s := static.Spec{Name: v.Name}
		for _, i := range v.Instances {
			s.Instances = append(s.Instances, static.Instance{Address: i.Address, Port: i.Port, Weight: i.Weight})
		}
		if k := v.Check; k != nil {
			s.Check = &static.Check{
				HTTP: k.HTTP, TCP: k.TCP, Interval: k.Interval, Timeout: k.Timeout,
				HealthyAfter: k.HealthyAfter, UnhealthyAfter: k.UnhealthyAfter, Status: k.Status,
			}
		}
		out = append(out, s)
	}
	return out
}

// follow tells the sources which services the routes name now.
func (a *Agent) follow(g *generation) {
	for _, s := range a.sources {
		if s.reload != nil {
			s.reload(g.config)
		}
		s.Follow(s.asked(g))
	}
	a.mesh.follow(g)
	a.warnMissing()
}

// asked returns the services that a generation's routes want of the source, and
// those that it is asked for besides.
func (s *source) asked(g *generation) []string {
	if s.also != nil {
		if more := s.also(); len(more) > 0 {
			return slices.Compact(slices.Sorted(slices.Values(slices.Concat(g.services, more))))
		}
	}
	if s.knows == nil {
		return g.services
	}
	return s.knows(g.config, g.services)
}

// followSource passes a source's snapshots on to the pools.
func (a *Agent) followSource(ctx context.Context, s *source) {
	for {
		snap, err := s.feed.Next(ctx)
		if err != nil {
			return
		}
		if a.tags != nil && s.also != nil {
			a.tags.applyTo(a, s, snap)
			continue
		}
		a.apply(s, snap)
	}
}

// apply has the pools and all others know what a source knows. What it says of the ways
// of routes is taken in first: by what is applied, the gateway is ready.
func (a *Agent) apply(s *source, snap *catalog.Snapshot) {
	a.set.Apply(snap)
	a.learnDatacenter(snap)
	a.mesh.take(a, snap)
	s.applied.Store(snap)
	a.warnShadowed()
	a.warnMissing()
}
