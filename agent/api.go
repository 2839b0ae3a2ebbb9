package agent

import (
	"net/http"
	"strings"
	"time"

	"github.com/lictor/lictor/agent/config"
	"github.com/lictor/lictor/catalog"
	"github.com/lictor/lictor/limits"
	"github.com/lictor/lictor/limits/fleet"
	"github.com/lictor/lictor/proxy"
	"github.com/lictor/lictor/proxy/step/limit"
	"github.com/lictor/lictor/proxy/upstream"
)

// The types of this file are the answers of the admin API's lists.

// RouteInfo is one element of GET /v1/routes.
type RouteInfo struct {
	Name        string            `json:"name"`
	Hosts       []string          `json:"hosts"`
	Path        string            `json:"path,omitempty"`
	PathPrefix  string            `json:"path_prefix,omitempty"`
	PathPattern string            `json:"path_pattern,omitempty"`
	PathRegex   string            `json:"path_regex,omitempty"`
	Methods     []string          `json:"methods"`
	Headers     map[string]string `json:"headers,omitempty"`
	Query       map[string]string `json:"query,omitempty"`
	Service     string            `json:"service"` // of several, with a split, all names
	Split       []ShareInfo       `json:"split,omitempty"`
	Prepared    string            `json:"prepared_query,omitempty"`
	Datacenters []string          `json:"datacenters,omitempty"`
	LocalShare  *float64          `json:"local_share,omitempty"` // of requests, that stays in the gateway's zone
	Tags        []string          `json:"tags,omitempty"`
	Balance     string            `json:"balance"`
	Limits      []string          `json:"limits"`
	TimeoutMS   int64             `json:"timeout_ms"`
	Requests    uint64            `json:"requests"`
	Errors      uint64            `json:"errors"` // answers of 500 and more
	At          string            `json:"at"`     // file and line
	// From is "policy", or "tag" for a route that a service asks for by a tag.
	From string `json:"from"`
}

func (ad *admin) listRoutes(w http.ResponseWriter, _ *http.Request) {
	g := ad.agent.current.Load()
	routes := make([]RouteInfo, 0, len(g.table.Routes))
	for i, r := range g.table.Routes {
		c := &g.config.Policy.Routes[i]
		all, failed := r.Metrics.Requests()
		routes = append(routes, RouteInfo{
			Name: r.Name(), Hosts: orEmpty(r.Rule.Hosts), Path: r.Rule.Path, PathPrefix: r.Rule.PathPrefix,
			PathPattern: r.Rule.PathPattern, PathRegex: r.Rule.PathRegex, Methods: orEmpty(r.Rule.Methods),
			Headers: r.Rule.Headers, Query: r.Rule.Query, Service: servicesText(r, c), Split: sharesOf(r, c),
			Prepared: c.PreparedQuery, Datacenters: c.Datacenters, Tags: c.Tags, Balance: c.Balance,
			Limits: orEmpty(g.config.Policy.EffectiveLimits(c)), TimeoutMS: r.Timeout.Milliseconds(),
			Requests: all, Errors: failed, At: c.Range.String(), From: routeFrom(c),
		})
		if share, divided := r.Pool.Local(); divided {
			routes[i].LocalShare = &share
		}
	}
	writeJSON(w, http.StatusOK, map[string]any{
		"generation": g.number, "gateway_limits": orEmpty(g.config.Policy.Gateway), "routes": routes, "tcp_routes": tcpRoutes(g),
	})
}

// servicesText names the service that a route's requests go to, or all of a split.
func servicesText(r *proxy.Route, c *config.Route) string {
	if len(c.Split) > 0 {
		return strings.Join(c.Services(), ", ")
	}
	return r.Service
}

// routeFrom says who has asked for a route.
func routeFrom(r *config.Route) string {
	if r.Last {
		return "tag"
	}
	return "policy"
}

// ServiceInfo is one element of GET /v1/services.
type ServiceInfo struct {
	Name       string `json:"name"`
	Datacenter string `json:"datacenter,omitempty"` // where the instances are, unless it is the gateway's own
	Source     string `json:"source"`
	Known      bool   `json:"known"`
	Registered bool   `json:"registered"`
	Stale      bool   `json:"stale"`
	// Index is the catalog's index, AgeMS the time since the source last
	// confirmed the service, Held why an answer is being held back.
	Index     uint64         `json:"index,omitempty"`
	AgeMS     int64          `json:"age_ms"`
	Held      string         `json:"held,omitempty"`
	Error     string         `json:"error,omitempty"`
	Shadows   string         `json:"shadows,omitempty"`
	InFlight  int            `json:"in_flight"`
	Requests  uint64         `json:"requests"`
	Failures  uint64         `json:"failures"`
	Retries   uint64         `json:"retries"`
	Instances []InstanceInfo `json:"instances"`
}

// InstanceInfo is one instance of a ServiceInfo.
type InstanceInfo struct {
	ID       string            `json:"id"`
	Node     string            `json:"node,omitempty"`
	Address  string            `json:"address"`
	Weight   int               `json:"weight"`
	Protocol string            `json:"protocol,omitempty"` // by its own word
	Zone     string            `json:"zone,omitempty"`
	Tags     []string          `json:"tags"`
	Meta     map[string]string `json:"meta,omitempty"`
	Health   string            `json:"health"`
	Output   string            `json:"output,omitempty"` // of the worst check
	State    string            `json:"state"`
	Eligible bool              `json:"eligible"`
	Why      string            `json:"why,omitempty"` // requests don't go there
	InFlight int               `json:"in_flight"`
	Requests uint64            `json:"requests"`
	Failures uint64            `json:"failures"`
}

func (ad *admin) listServices(w http.ResponseWriter, _ *http.Request) {
	a := ad.agent
	status := map[string]catalog.Status{}
	sources := []map[string]any{}
	for _, s := range a.sources {
		st := s.Status()
		status[s.Name()] = st
		entry := map[string]any{"name": s.Name(), "age_ms": st.Age.Milliseconds(), "pending": orEmpty(st.Pending), "warnings": orEmpty(st.Warnings)}
		if st.Err != nil {
			entry["error"] = st.Err.Error()
		}
		sources = append(sources, entry)
	}
	shadowed := map[string]string{}
	for _, s := range a.set.Shadowed() {
		shadowed[s.Service] = s.Ignored
	}
	services := []ServiceInfo{}
	for _, st := range a.set.Describe(time.Now()) {
		source := st.Source
		if !st.Known {
			source = "consul" // may say why not
		}
		v := serviceInfo(&st, status[source].Services[st.Name])
		v.Shadows = shadowed[st.Name]
		services = append(services, v)
	}
	writeJSON(w, http.StatusOK, map[string]any{
		"sources": sources, "services": services, "failover": a.failover(a.current.Load()),
	})
}

func serviceInfo(st *upstream.ServiceStats, cat catalog.ServiceStatus) ServiceInfo {
	v := ServiceInfo{
		Name: st.Name, Datacenter: st.Datacenter, Source: st.Source, Known: st.Known, Registered: st.Registered, Stale: st.Stale,
		Index: cat.Index, AgeMS: cat.Age.Milliseconds(), Held: cat.Held,
		InFlight: st.InFlight, Requests: st.Requests, Failures: st.Failures.Total(), Retries: st.Retries.Total(),
		Instances: make([]InstanceInfo, 0, len(st.Endpoints)),
	}
	if cat.Err != nil {
		v.Error = cat.Err.Error()
	}
	for i := range st.Endpoints {
		e := &st.Endpoints[i]
		in := e.Instance
		address := e.Target
		if address == "" {
			address, _ = in.Target("")
		}
		v.Instances = append(v.Instances, InstanceInfo{
			ID: in.Key, Node: in.Node, Address: address, Weight: in.Weight, Protocol: in.Protocol.String(), Zone: in.Zone, Tags: orEmpty(in.Tags), Meta: in.Meta,
			Health: in.Health.String(), Output: in.Output, State: e.State.String(), Eligible: in.Eligible(), Why: e.Why,
			InFlight: e.InFlight, Requests: e.Requests, Failures: e.Failures.Total(),
		})
	}
	return v
}

// LimitInfo is one element of GET /v1/limits.
type LimitInfo struct {
	Name       string    `json:"name"`
	Algorithm  string    `json:"algorithm"`
	Key        string    `json:"key"`
	Quota      int64     `json:"quota"`
	Unit       string    `json:"unit,omitempty"`     // when requests are not what is counted
	WindowMS   int64     `json:"window_ms"`          // 0 where time brings nothing back
	Calendar   string    `json:"calendar,omitempty"` // a window of one, such as "month, Europe/Berlin"
	Scope      string    `json:"scope"`
	Share      string    `json:"share,omitempty"` // of a fleet_share, such as "1 of 3"; Quota and WindowMS are this share's
	Mode       string    `json:"mode"`
	Routes     []string  `json:"routes"`
	Gateway    bool      `json:"gateway"`
	Keys       int       `json:"keys"`
	MaxKeys    int       `json:"max_keys"`
	Allowed    uint64    `json:"allowed"`
	Delayed    uint64    `json:"delayed"`
	Denied     uint64    `json:"denied"`
	WouldDeny  uint64    `json:"would_deny"`
	StoreError uint64    `json:"store_error"`
	Top        []KeyInfo `json:"top"`
	// InFlight is what is in flight, of limits that count that, and Adaptive how
	// the services stand whose limit is found by itself.
	InFlight *int64     `json:"in_flight,omitempty"`
	Adaptive []HeldInfo `json:"adaptive,omitempty"`
}

// KeyInfo is a key with little left, by a digest that gives nobody away.
type KeyInfo struct {
	Key       string `json:"key"`
	Remaining int64  `json:"remaining"`
	ResetMS   int64  `json:"reset_ms"`
}

// topKeys is how many keys of each limit are shown.
const topKeys = 10

func (ad *admin) listLimits(w http.ResponseWriter, _ *http.Request) {
	a := ad.agent
	g := a.current.Load()
	by := limitUsers(g)
	list := make([]LimitInfo, 0, len(g.limits))
	for _, l := range g.limits {
		v := a.limitFigures(l)
		v.Routes, v.Gateway, v.Top = orEmpty(by.routes[v.Name]), by.gateway[v.Name], a.topKeys(l)
		list = append(list, v)
	}
	answer := map[string]any{"generation": g.number, "limits": list}
	if a.store != nil {
		answer["store"] = a.storeInfo()
	}
	if a.fleet != nil {
		answer["fleet"] = a.fleet.info()
	}
	writeJSON(w, http.StatusOK, answer)
}

// limitFigures is all that is soon told of a limit.
func (a *Agent) limitFigures(l *limit.Limit) LimitInfo {
	p, c := l.Limiter.Policy(), l.Counters
	v := LimitInfo{
		Name: l.Spec.Name, Algorithm: l.Spec.Algorithm, Key: l.Info.KeyClass, Quota: p.Quota, Unit: l.Info.Policy.Unit, WindowMS: p.Window.Milliseconds(),
		Scope: l.Spec.Scope.String(), Mode: l.Spec.Mode.String(), Keys: l.Limiter.Keys(), MaxKeys: l.Spec.MaxKeys,
		Allowed: c.Allowed.Load(), Delayed: c.Delayed.Load(), Denied: c.Denied.Load(), WouldDeny: c.WouldDeny.Load(),
		StoreError: c.StoreError.Load(), Top: []KeyInfo{},
	}
	if w, ok := l.Spec.Limit.(limits.FixedWindowSpec); ok && w.Calendar != "" {
		v.Calendar = w.Calendar + ", " + w.Zone
	}
	a.held(l, &v)
	if f, ok := l.Limiter.(*fleet.Limiter); ok {
		v.Share = f.Share().String()
	}
	return v
}

// topKeys looks at every key of a limit.
func (a *Agent) topKeys(l *limit.Limit) []KeyInfo {
	top := []KeyInfo{}
	for _, k := range l.Limiter.Top(topKeys, a.clock.Now()) {
		top = append(top, KeyInfo{Key: k.Digest, Remaining: k.Remaining, ResetMS: k.Reset.Milliseconds()})
	}
	return top
}
