package agent

import (
	"strings"
	"time"

	"github.com/lictor/lictor/agent/config"
	"github.com/lictor/lictor/agent/ui"
	"github.com/lictor/lictor/catalog"
	"github.com/lictor/lictor/proxy"
	"github.com/lictor/lictor/proxy/upstream"
)

// dashboard is the gateway as package ui shows it.
type dashboard struct{ agent *Agent }

// openDashboard returns what serves /ui/ and what it is fed by.
func (a *Agent) openDashboard(ad *admin) (*ui.Handler, *ui.Sampler) {
	s := ui.NewSampler(dashboard{a})
	o := ui.Options{Port: ad.addr.Port(), Explain: ad.explain, Fail: writeProblem}
	if ad.guard.token != nil {
		o.Token = ad.guard.token.is
	}
	return ui.NewHandler(s, o), s
}

// Counted implements ui.Gateway.
func (d dashboard) Counted() ui.Counted {
	g := d.agent.current.Load()
	var c ui.Counted
	for _, r := range g.table.Routes {
		c.Routes = append(c.Routes, r.Metrics)
	}
	c.Routes = append(c.Routes, d.agent.proxy.Unmatched)
	for _, l := range g.limits {
		c.Limits = append(c.Limits, ui.LimitCounters{Name: l.Spec.Name, Counters: l.Counters})
	}
	return c
}

// Answers implements ui.Gateway.
func (d dashboard) Answers(since uint64) []ui.Answer {
	var out []ui.Answer
	for _, a := range d.agent.proxy.RecentAnswers(since) {
		out = append(out, ui.Answer{
			Seq: a.Seq, Time: a.Time.UTC(), Status: a.Problem.Status, Problem: a.Problem.Name, Method: a.Method, Host: a.Host, Path: a.Path,
			Route: a.Route, RequestID: a.RequestID, Client: a.Client, Limit: a.Limit, Cause: a.Err,
		})
	}
	return out
}

// gatewayRow tells of the gateway as a whole.
type gatewayRow struct {
	Node        string      `json:"node"`
	Version     string      `json:"version"`
	Started     int64       `json:"started"` // milliseconds since the Unix epoch
	Generation  uint64      `json:"generation"`
	Reasons     []string    `json:"reasons"` // why it is not ready; none when it is
	Warnings    []string    `json:"warnings"`
	Sources     []sourceRow `json:"sources"`
	InFlight    int64       `json:"in_flight"`
	Connections int64       `json:"connections"`
	Load        *LoadReport `json:"load"`
	Reloads     uint64      `json:"reloads"`
	Refused     uint64      `json:"reloads_refused"`
	Token       bool        `json:"token"` // the admin API asks for one
}

// sourceRow is a source of the catalog. A source that answers has no age.
type sourceRow struct {
	Name    string `json:"name"`
	Age     int64  `json:"age_s"`
	Error   string `json:"error,omitempty"`
	Pending int    `json:"pending"`
}

// routeRow is a route as people tell it from others.
type routeRow struct {
	Hosts   string `json:"hosts,omitempty"`
	Methods string `json:"methods,omitempty"`
	Path    string `json:"path"`
	Service string `json:"service"`
	Limits  string `json:"limits,omitempty"`
	Balance string `json:"balance"`
	At      string `json:"at"`
	From    string `json:"from"`
}

// serviceRow is a service without its instances.
type serviceRow struct {
	Datacenter string `json:"datacenter,omitempty"`
	Source     string `json:"source"`
	Known      bool   `json:"known"`
	Registered bool   `json:"registered"`
	Stale      bool   `json:"stale,omitempty"`
	Age        int64  `json:"age_s,omitempty"`
	Held       string `json:"held,omitempty"`
	Error      string `json:"error,omitempty"`
	Routes     string `json:"routes,omitempty"`
}

// instanceRow is what seldom changes of an instance.
type instanceRow struct {
	Address string `json:"address"`
	Node    string `json:"node,omitempty"`
	Zone    string `json:"zone,omitempty"`
	Weight  int    `json:"weight"`
	Tags    string `json:"tags,omitempty"`
	Health  string `json:"health"`
	Output  string `json:"output,omitempty"`
	State   string `json:"state"`
	Why     string `json:"why,omitempty"`
}

// mostOutput bounds what is shown of a check's output, in bytes.
const mostOutput = 400

// State implements ui.Gateway.
func (d dashboard) State(slow bool) *ui.State {
	a := d.agent
	g := a.current.Load()
	s := &ui.State{Gateway: a.gatewayRow(g), Routes: map[string]any{}, Limits: map[string]any{}, Tops: map[string]any{}}
	for i, r := range g.table.Routes {
		c := &g.config.Policy.Routes[i]
		s.Routes[r.Name()] = routeRow{
			Hosts: strings.Join(r.Rule.Hosts, ", "), Methods: strings.Join(r.Rule.Methods, ", "), Path: pathText(r.Rule.Path, r.Rule.PathPrefix, r.Rule.PathPattern, r.Rule.PathRegex),
			Service: routeService(r, c), Limits: strings.Join(g.config.Policy.EffectiveLimits(c), ", "), Balance: c.Balance, At: c.Range.String(), From: routeFrom(c),
		}
	}
	a.serviceRows(g, s)
	by := limitUsers(g)
	if slow {
		s.Unknown = a.unknownPaths(unknownShown)
	}
	for _, l := range g.limits {
		v := a.limitFigures(l)
		v.Routes, v.Gateway = orEmpty(by.routes[v.Name]), by.gateway[v.Name]
		v.Allowed, v.Delayed, v.Denied, v.WouldDeny = 0, 0, 0, 0 // points tell
		s.Limits[v.Name] = v
		if v.Keys <= fewRanked || slow && v.Keys <= mostRanked {
			s.Tops[v.Name] = a.topKeys(l)
		}
	}
	return s
}

// How many keys a limit may have for the dashboard to look through them each second,
// and to look through them now and then.
const (
	fewRanked  = 2_000
	mostRanked = 200_000
)

func (a *Agent) gatewayRow(g *generation) gatewayRow {
	v := gatewayRow{
		Node: a.config.NodeName, Version: a.options.Version, Started: a.started.UnixMilli(), Generation: g.number,
		Reasons: orEmpty(a.NotReady()), Warnings: a.warnings(), InFlight: a.proxy.InFlight(), Load: a.loaded.Load(),
		Reloads: a.reloads.ok.Load(), Refused: a.reloads.failed.Load(), Token: a.admin.guard.token != nil,
	}
	for _, s := range a.sources {
		st := s.Status()
		row := sourceRow{Name: s.Name(), Age: int64(st.Age / time.Second), Pending: len(st.Pending)}
		if st.Err != nil {
			row.Error = st.Err.Error()
		}
		v.Sources = append(v.Sources, row)
	}
	for _, s := range a.servers {
		v.Connections += s.listener.Open.Load()
	}
	return v
}

// routeService says where a route's requests go, and how they are divided.
func routeService(r *proxy.Route, c *config.Route) string {
	if all := sharesOf(r, c); len(all) > 0 {
		return shareNames(all)
	}
	return r.Service
}

// pathText says which paths a route takes, as `lictor routes` does.
func pathText(path, prefix, pattern, regex string) string {
	switch {
	case path != "":
		return "= " + path
	case regex != "":
		return "~ " + regex
	case pattern != "":
		return pattern
	case prefix != "":
		return strings.TrimSuffix(prefix, "/") + "/..."
	}
	return "any"
}

func (a *Agent) serviceRows(g *generation, s *ui.State) {
	s.Services, s.Instances, s.Loads = map[string]any{}, map[string]any{}, map[string]any{}
	routes := map[string][]string{}
	for _, r := range g.table.Routes {
		if len(r.Ways) == 0 {
			routes[r.Service] = append(routes[r.Service], r.Name())
		}
		for _, w := range r.Ways {
			routes[w.Name] = append(routes[w.Name], r.Name())
		}
	}
	status := map[string]map[string]catalog.ServiceStatus{}
	for _, source := range a.sources {
		status[source.Name()] = source.Status().Services
	}
	for _, st := range a.set.Describe(time.Now()) {
		cat := status[st.Source][st.Name]
		if !st.Known {
			cat = status["consul"][st.Name] // may say why not
		}
		row := serviceRow{
			Datacenter: st.Datacenter, Source: st.Source, Known: st.Known, Registered: st.Registered, Stale: st.Stale,
			Age: int64(cat.Age / time.Second), Held: cat.Held, Routes: strings.Join(routes[st.Name], ", "),
		}
		if cat.Err != nil {
			row.Error = cat.Err.Error()
		}
		s.Services[st.Name] = row
		for i := range st.Endpoints {
			addInstance(s, st.Name, &st.Endpoints[i])
		}
	}
}

func addInstance(s *ui.State, service string, e *upstream.EndpointStats) {
	in := e.Instance
	address := e.Target
	if address == "" {
		address, _ = in.Target("")
	}
	key := ui.Instance(service, in.Key)
	if _, taken := s.Instances[key]; taken { // of several ports
		key += " " + address
	}
	s.Instances[key] = instanceRow{
		Address: address, Node: in.Node, Zone: in.Zone, Weight: in.Weight, Tags: strings.Join(in.Tags, ", "),
		Health: in.Health.String(), Output: in.Output[:min(len(in.Output), mostOutput)], State: e.State.String(), Why: e.Why,
	}
	s.Loads[key] = [...]uint64{uint64(max(0, e.InFlight)), e.Requests, e.Failures.Total()}
}

// limitUse is who asks limits.
type limitUse struct {
	routes  map[string][]string
	gateway map[string]bool
}

func limitUsers(g *generation) limitUse {
	p := &g.config.Policy
	by := limitUse{map[string][]string{}, map[string]bool{}}
	for i := range p.Routes {
		for _, n := range p.EffectiveLimits(&p.Routes[i]) {
			by.routes[n] = append(by.routes[n], p.Routes[i].Name)
		}
	}
	for i := range p.TCPRoutes {
		for _, n := range p.TCPRoutes[i].Limits {
			by.routes[n] = append(by.routes[n], p.TCPRoutes[i].Name)
		}
	}
	for _, n := range p.Gateway {
		by.gateway[n] = true
	}
	return by
}
