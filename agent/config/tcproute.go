package config

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"

	"github.com/lictor/lictor/attr"
	"github.com/lictor/lictor/proxy/step/limit"
)

// defaultPassageIdle is long, because clients of databases keep connections for
// later.
const defaultPassageIdle = time.Hour

// Values of TCPRoute.ProxyProtocol besides ProxyOff.
const (
	ProxyV1 = "v1"
	ProxyV2 = "v2"
)

// TCPRoute is one route for connections that are carried as they are.
type TCPRoute struct {
	// Route holds what it has in common with a route for requests: Name, Range,
	// Service, Datacenters, Tags, Port, Mesh, UpstreamTLS, Limits, Costs, Steps,
	// Balance, MaxConnections, ConnectTimeout and IdleTimeout. All else is zero.
	Route
	// Listener is the name of the listener whose connections it takes.
	Listener string
	// SNI are the names that it takes, in lower case; none stands for all that no
	// other route of the listener takes.
	SNI []string
	// ProxyProtocol is how instances are told who the client is: ProxyOff, ProxyV1
	// or ProxyV2.
	ProxyProtocol string
}

type tcpRouteBlock struct {
	Listener       *hcl.Attribute `hcl:"listener,optional"`
	SNI            *hcl.Attribute `hcl:"sni,optional"`
	Service        *hcl.Attribute `hcl:"service,optional"`
	Datacenters    *hcl.Attribute `hcl:"datacenters,optional"`
	Tags           *hcl.Attribute `hcl:"tags,optional"`
	Port           *hcl.Attribute `hcl:"port,optional"`
	Limits         *hcl.Attribute `hcl:"limits,optional"`
	Balance        *hcl.Attribute `hcl:"balance,optional"`
	MaxConnections *hcl.Attribute `hcl:"max_connections,optional"`
	ConnectTimeout *hcl.Attribute `hcl:"connect_timeout,optional"`
	IdleTimeout    *hcl.Attribute `hcl:"idle_timeout,optional"`
	ProxyProtocol  *hcl.Attribute `hcl:"proxy_protocol,optional"`
	Mesh           *hcl.Attribute `hcl:"mesh,optional"`

	UpstreamTLS *upstreamTLSBlock `hcl:"upstream_tls,block"`
}

// tcpRoutes reads the routes for connections. Their names are not those of routes
// for requests, since metrics and logs tell both apart by name alone.
func (r *reader) tcpRoutes(blocks []*hcl.Block, o *Options, table *limitTable, others []Route) []TCPRoute {
	named := map[string]hcl.Range{}
	for i := range others {
		named[others[i].Name] = others[i].Range
	}
	taken := map[[2]string]*TCPRoute{} // by listener and name
	var out []TCPRoute
	for _, b := range blocks {
		r.name("tcp_route", b.Labels[0], b.LabelRanges[0], named)
		out = append(out, r.tcpRoute(b, o, table))
	}
	for i := range out {
		r.conflicts(&out[i], taken)
	}
	return out
}

func (r *reader) tcpRoute(b *hcl.Block, o *Options, table *limitTable) TCPRoute {
	before := r.Errors()
	var in tcpRouteBlock
	rest := r.decode(b, &in, o.everywhere()...)
	names := r.limitRefs(in.Limits)
	t := TCPRoute{
		Route: Route{
			Name:           b.Labels[0],
			Range:          b.DefRange,
			Service:        r.Required(in.Service, "service", b.DefRange),
			Tags:           attr.Values(r.Unique(in.Tags)),
			Port:           r.Text(in.Port, ""),
			Limits:         names.values(),
			Costs:          names.costs(),
			Balance:        r.Enum(in.Balance, defaultBalance, o.balancers()...),
			MaxConnections: r.integer(in.MaxConnections, 0, 0, mostConnections),
			ConnectTimeout: r.Duration(in.ConnectTimeout, defaultConnectTimeout, time.Millisecond, 0),
			IdleTimeout:    r.Duration(in.IdleTimeout, defaultPassageIdle, 0, 0),
			UpstreamTLS:    r.upstreamTLS(in.UpstreamTLS),
		},
		Listener:      r.Required(in.Listener, "listener", b.DefRange),
		ProxyProtocol: r.Enum(in.ProxyProtocol, ProxyOff, ProxyOff, ProxyV1, ProxyV2),
	}
	t.SNI = r.serverNames(in.SNI)
	t.Mesh = r.tcpMesh(&in, &t)
	t.Datacenters = r.datacenters(in.Datacenters, &t.Route)
	t.origin = routeOrigin{attrs: map[string]hcl.Range{}, limits: names.ranges()}
	for _, a := range []*hcl.Attribute{in.Listener, in.SNI} {
		if a != nil {
			t.origin.attrs[a.Name] = a.Expr.Range()
		}
	}
	if in.UpstreamTLS != nil && len(t.SNI) > 0 {
		r.Errorf(in.UpstreamTLS.Range, "TLS within TLS", "What a client asks for by name is passed on as it came, TLS and all, so the gateway can't speak TLS to the instance as well.")
	}
	r.tcpListener(&t)
	r.tcpLimits(&t, table)
	t.origin.unsound = r.Errors() > before
	t.Steps = r.steps(rest, t.Name, &t.Route, o, nil)
	return t
}

// serverNames reads the names that a route takes.
func (r *reader) serverNames(a *hcl.Attribute) []string {
	items := r.Unique(a)
	if a != nil && len(items) == 0 && !attr.Null(a) {
		r.Errorf(a.Expr.Range(), "No sni", "Without a name the route would take every connection: leave the argument out if it is to.")
	}
	var out []string
	for _, n := range items {
		name := strings.ToLower(strings.TrimSuffix(n.Value, "."))
		if !askable(strings.TrimPrefix(name, "*.")) {
			r.Errorf(n.At, "Invalid sni", `%q is not a host name, such as "db.example.com", nor "*." before one.`, n.Value)
			continue
		}
		out = append(out, name)
	}
	return out
}

// askable reports whether a client can ask for the name by TLS: addresses are none.
func askable(name string) bool {
	if _, err := netip.ParseAddr(name); err == nil || len(name) > 253 {
		return false
	}
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > 63 || strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			return false
		}
	}
	return true
}

// tcpMesh is routeMesh for connections. One that says first whose it is goes past
// the mesh: a sidecar would take that for the service's own protocol.
func (r *reader) tcpMesh(in *tcpRouteBlock, t *TCPRoute) string {
	mode := r.routeMesh(in.Mesh, &t.Route)
	if t.ProxyProtocol == ProxyOff {
		return mode
	}
	if mode == MeshOn {
		r.Errorf(in.ProxyProtocol.Expr.Range(), "PROXY protocol in the mesh", "A sidecar expects TLS from the first byte on, so it can't be told whose connection it is.")
	}
	return MeshOff
}

// tcpListener checks that the listener is there and can serve the route.
func (r *reader) tcpListener(t *TCPRoute) {
	if r.noListeners || r.partial || t.Listener == "" {
		return
	}
	at := t.at("listener")
	i := slices.IndexFunc(r.listening, func(l Listener) bool { return l.Name == t.Listener })
	if i < 0 {
		var names []string
		for _, l := range r.listening {
			names = append(names, l.Name)
		}
		r.Errorf(at, "Unknown listener", "There is no listener named %q.%s", t.Listener, attr.DidYouMean(t.Listener, names))
		return
	}
	switch l := &r.listening[i]; {
	case l.Protocol == ProtocolTCP:
	case l.Mesh:
		r.Errorf(at, "Listener in the mesh", "The listener %q takes connections from the mesh alone, by its own TLS: nothing can pass it.", l.Name)
	case l.TLS == nil:
		r.Errorf(at, "Listener of HTTP in clear", `The listener %q takes requests in clear. Set its protocol to "tcp", or give it a tls block so that clients ask for a name.`, l.Name)
	case len(t.SNI) == 0:
		r.Errorf(at, "Listener of HTTP", `The listener %q takes requests. A tcp_route may take connections from it by name alone, so sni is required, unless its protocol is "tcp".`, l.Name)
	}
}

// conflicts looks for two routes between which nobody could choose.
func (r *reader) conflicts(t *TCPRoute, taken map[[2]string]*TCPRoute) {
	if t.Listener == "" || t.origin.unsound {
		return
	}
	names := t.SNI
	if len(names) == 0 {
		names = []string{""}
	}
	for _, name := range names {
		key := [2]string{t.Listener, name}
		what := fmt.Sprintf("the name %q", name)
		if name == "" {
			what = "every connection that no name leads elsewhere"
		}
		if other := taken[key]; other != nil {
			r.Errorf(t.at("sni"), "Conflicting routes", "The tcp_route %q at %s takes %s of the listener %q already.", other.Name, other.Range, what, t.Listener)
			continue
		}
		taken[key] = t
	}
}

// tcpLimits resolves the limits that the route names, and refuses those that can't
// be asked about a connection.
func (r *reader) tcpLimits(t *TCPRoute, table *limitTable) {
	own := make([]attr.Item, len(t.Limits))
	for i, n := range t.Limits {
		own[i] = attr.Item{Value: n, At: t.origin.limits[i]}
	}
	own = r.known(own, table)
	t.Limits, t.origin.limits = attr.Values(own), attr.Ranges(own)
	r.checkCosts(&t.Route, table)
	for _, n := range own {
		s := table.sound[n.Value]
		if s == nil {
			continue
		}
		if s.OfService() || s.Unit == limit.Bytes {
			r.Errorf(n.At, "Limit of requests", "The limit %q is about requests and their answers, which the gateway does not see in a connection that it only carries.", n.Value)
			continue
		}
		for _, p := range s.Key {
			switch p.Kind {
			case limit.ClientIP, limit.ClientCert, limit.RequestHost, limit.RouteName, limit.ServiceName:
			default:
				r.Errorf(n.At, "Limit of requests", "The key of limit %q holds %s, which a connection does not have. Its limits may be keyed by client.ip, client.cert, route.name, service.name and request.host, which is the name asked for by TLS.", n.Value, p)
			}
		}
	}
}

// redacted shows the route in the names of the configuration language.
func (t *TCPRoute) redacted() object {
	out := object{
		"listener":        t.Listener,
		"sni":             listOf(t.SNI),
		"service":         t.Service,
		"datacenters":     listOf(t.Datacenters),
		"tags":            listOf(t.Tags),
		"port":            t.Port,
		"limits":          t.redactedLimits(),
		"balance":         t.Balance,
		"max_connections": t.MaxConnections,
		"connect_timeout": t.ConnectTimeout.String(),
		"idle_timeout":    t.IdleTimeout.String(),
		"proxy_protocol":  t.ProxyProtocol,
		"mesh":            t.Mesh,
	}
	if t.UpstreamTLS != nil {
		out["upstream_tls"] = redactedUpstreamTLS(t.UpstreamTLS)
	}
	stepsRedacted(out, t.Steps)
	return out
}
