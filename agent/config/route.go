package config

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lictor/lictor/attr"
	"github.com/lictor/lictor/catalog"

	"github.com/hashicorp/hcl/v2"
)

// Defaults of a route.
const (
	defaultBalance        = "least_conn"
	defaultTimeout        = 30 * time.Second
	defaultConnectTimeout = 5 * time.Second
	defaultRouteIdle      = 60 * time.Second
)

type routeBlock struct {
	Hosts          *hcl.Attribute `hcl:"hosts,optional"`
	Path           *hcl.Attribute `hcl:"path,optional"`
	PathPrefix     *hcl.Attribute `hcl:"path_prefix,optional"`
	PathPattern    *hcl.Attribute `hcl:"path_pattern,optional"`
	PathRegex      *hcl.Attribute `hcl:"path_regex,optional"`
	Methods        *hcl.Attribute `hcl:"methods,optional"`
	Headers        *hcl.Attribute `hcl:"headers,optional"`
	Query          *hcl.Attribute `hcl:"query,optional"`
	Service        *hcl.Attribute `hcl:"service,optional"`
	PreparedQuery  *hcl.Attribute `hcl:"prepared_query,optional"`
	Datacenters    *hcl.Attribute `hcl:"datacenters,optional"`
	Tags           *hcl.Attribute `hcl:"tags,optional"`
	Port           *hcl.Attribute `hcl:"port,optional"`
	StripPrefix    *hcl.Attribute `hcl:"strip_prefix,optional"`
	HostHeader     *hcl.Attribute `hcl:"host_header,optional"`
	Limits         *hcl.Attribute `hcl:"limits,optional"`
	InheritLimits  *hcl.Attribute `hcl:"inherit_limits,optional"`
	Balance        *hcl.Attribute `hcl:"balance,optional"`
	MaxConnections *hcl.Attribute `hcl:"max_connections,optional"`
	Timeout        *hcl.Attribute `hcl:"timeout,optional"`
	ConnectTimeout *hcl.Attribute `hcl:"connect_timeout,optional"`
	IdleTimeout    *hcl.Attribute `hcl:"idle_timeout,optional"`
	MaxBody        *hcl.Attribute `hcl:"max_body,optional"`
	Mesh           *hcl.Attribute `hcl:"mesh,optional"`
	Protocol       *hcl.Attribute `hcl:"protocol,optional"`
	ProxyProtocol  *hcl.Attribute `hcl:"proxy_protocol,optional"`

	UpstreamTLS *upstreamTLSBlock `hcl:"upstream_tls,block"`
	Split       []splitBlock      `hcl:"split,block"`
}

// attributes are those that a later check may point at.
func (in *routeBlock) attributes() []*hcl.Attribute {
	return []*hcl.Attribute{in.Hosts, in.Path, in.PathPrefix, in.PathPattern, in.PathRegex, in.Methods, in.Headers, in.Query}
}

func (r *reader) routes(blocks []*hcl.Block, o *Options, providers map[string][]string) []Route {
	var out []Route
	named := map[string]hcl.Range{}
	for _, b := range blocks {
		if r.yields(b, named) {
			continue
		}
		r.name("route", b.Labels[0], b.LabelRanges[0], named)
		out = append(out, r.route(b, o, providers))
	}
	return out
}

func (r *reader) route(b *hcl.Block, o *Options, providers map[string][]string) Route {
	steps := make([]hcl.BlockHeaderSchema, len(o.StepBlocks))
	for i, s := range o.StepBlocks {
		steps[i].Type = s.Type
	}
	before := r.Errors()
	var in routeBlock
	rest := r.decode(b, &in, steps...)

	hosts, methods, names := r.Unique(in.Hosts), r.Unique(in.Methods), r.limitRefs(in.Limits)
	t := Route{
		Name:           b.Labels[0],
		Range:          b.DefRange,
		Last:           r.remote.last[b.DefRange.Filename],
		Hosts:          attr.Values(hosts),
		Path:           r.Text(in.Path, ""),
		PathPrefix:     r.Text(in.PathPrefix, ""),
		PathPattern:    r.Text(in.PathPattern, ""),
		PathRegex:      r.Text(in.PathRegex, ""),
		Methods:        attr.Values(methods),
		Headers:        r.conditions(in.Headers, strings.ToLower),
		Query:          r.conditions(in.Query, strings.Clone),
		Tags:           attr.Values(r.Unique(in.Tags)),
		Port:           r.Text(in.Port, ""),
		StripPrefix:    r.Text(in.StripPrefix, ""),
		HostHeader:     r.Text(in.HostHeader, ""),
		Limits:         names.values(),
		Costs:          names.costs(),
		InheritLimits:  r.Bool(in.InheritLimits, true),
		Balance:        r.Enum(in.Balance, defaultBalance, o.balancers()...),
		MaxConnections: r.integer(in.MaxConnections, 0, 0, mostConnections),
		Timeout:        r.Duration(in.Timeout, defaultTimeout, 0, 0),
		ConnectTimeout: r.Duration(in.ConnectTimeout, defaultConnectTimeout, time.Millisecond, 0),
		IdleTimeout:    r.Duration(in.IdleTimeout, defaultRouteIdle, 0, 0),
		MaxBody:        r.Size(in.MaxBody, 0, 0, 0),
		Protocol:       r.protocol(in.Protocol),
		UpstreamTLS:    r.upstreamTLS(in.UpstreamTLS),
	}
	switch {
	case len(in.Split) > 0:
		r.split(&in, &t)
	case in.PreparedQuery == nil:
		t.Service = r.service(in.Service, b.DefRange, rest, o)
	default:
		r.preparedQuery(&in, &t)
	}
	t.Mesh = r.routeMesh(in.Mesh, &t)
	r.splitMesh(&t)
	if t.PreparedQuery != "" {
		t.Mesh = r.queryMesh(&in, t.Mesh)
	}
	t.Datacenters = r.datacenters(in.Datacenters, &t)
	t.origin = routeOrigin{attrs: map[string]hcl.Range{}, limits: names.ranges(), methods: attr.Ranges(methods), hosts: attr.Ranges(hosts)}
	for _, a := range in.attributes() {
		if a != nil {
			t.origin.attrs[a.Name] = a.Expr.Range()
		}
	}
	r.stripPrefix(in.StripPrefix, &t)
	if in.HostHeader != nil && !hostHeader(t.HostHeader) {
		r.Errorf(in.HostHeader.Expr.Range(), "Invalid host_header", "%q is not a host, with or without a port.", t.HostHeader)
	}
	if a := in.ProxyProtocol; a != nil && r.Enum(a, ProxyOff, ProxyOff, ProxyV1, ProxyV2) != ProxyOff {
		r.Errorf(a.Expr.Range(), "PROXY protocol for requests",
			"Connections to instances are shared by the requests of many clients, so none can say whose it is. The client's address is in X-Forwarded-For; only a tcp_route announces it by the PROXY protocol.")
	}
	r.empty(in.Path, t.Path)
	r.empty(in.PathPrefix, t.PathPrefix)
	r.empty(in.PathPattern, t.PathPattern)
	r.empty(in.PathRegex, t.PathRegex)
	t.origin.unsound = r.Errors() > before
	t.Steps = r.steps(rest, t.Name, &t, o, providers)
	return t
}

// service reads where requests go: somewhere, unless a step answers them all.
func (r *reader) service(a *hcl.Attribute, block hcl.Range, steps hcl.Blocks, o *Options) string {
	if a == nil && slices.ContainsFunc(steps, func(b *hcl.Block) bool { return o.step(b.Type).Answers }) {
		return ""
	}
	return r.Required(a, "service", block)
}

// protocol reads which HTTP a route's instances are spoken to by.
func (r *reader) protocol(a *hcl.Attribute) catalog.Protocol {
	p, _ := catalog.ParseProtocol(r.Enum(a, "", "http", "http1", "http2", "grpc"))
	return p
}

// empty refuses an attribute that is written down and says nothing.
func (r *reader) empty(a *hcl.Attribute, s string) {
	if a == nil || s != "" {
		return
	}
	if v, diags := a.Expr.Value(nil); !diags.HasErrors() && !v.IsNull() {
		r.Errorf(a.Expr.Range(), "Empty "+a.Name, "An empty path can't be matched: leave the argument out for any path.")
	}
}

// conditions reads an object of names and values; fold makes the one spelling
// of a name.
func (r *reader) conditions(a *hcl.Attribute, fold func(string) string) map[string]string {
	var out map[string]string
	for _, p := range r.Pairs(a) {
		key := fold(p.Key)
		if _, dup := out[key]; dup {
			r.Errorf(p.KeyAt, "Duplicate name", "%q is in this object already.", p.Key)
			continue
		}
		if out == nil {
			out = map[string]string{}
		}
		out[key] = p.Value
	}
	return out
}

// stripPrefix wants whole segments that every path of the route begins with.
func (r *reader) stripPrefix(a *hcl.Attribute, t *Route) {
	if a == nil || t.StripPrefix == "" {
		return
	}
	at, s := a.Expr.Range(), t.StripPrefix
	if !printablePath(s) {
		r.Errorf(at, "Invalid strip_prefix", `%q is not a path that begins with "/".`, s)
		return
	}
	t.StripPrefix = strings.TrimRight(s, "/")
	path, variable, attr := t.PathPrefix, "", "path_prefix"
	switch {
	case t.Path != "":
		path, attr = t.Path, "path"
	case t.PathPattern != "":
		path, attr = literalSegments(t.PathPattern), "path_pattern"
		variable = t.PathPattern[len(path):]
	case t.PathRegex != "":
		r.Errorf(at, "Invalid strip_prefix", "A route with path_regex can't strip a prefix, since its paths need not begin with it.")
		return
	}
	if path != t.StripPrefix && !strings.HasPrefix(path, t.StripPrefix+"/") {
		written := "is not set"
		if path != "" {
			written = fmt.Sprintf("is %q", path+variable)
		}
		r.Errorf(at, "Invalid strip_prefix", "%q must be the first whole segments of every path of the route, but its %s %s.", s, attr, written)
	}
}

// literalSegments returns the segments of a pattern before its first variable.
func literalSegments(pattern string) string {
	head, _, variable := strings.Cut(pattern, "{")
	if !variable {
		return head
	}
	return head[:strings.LastIndexByte(head, '/')+1]
}

// hostHeader reports whether s can be sent as a Host.
func hostHeader(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(c rune) bool {
		return c <= ' ' || c >= 0x7f || strings.ContainsRune("/\\@?#,;\"", c)
	})
}

// steps decodes the step blocks inside a block, which is a route of that name, or
// the gateway or the defaults; t is nil for these.
func (r *reader) steps(blocks hcl.Blocks, name string, t *Route, o *Options, providers map[string][]string) []Step {
	var out []Step
	for _, b := range blocks {
		s := o.step(b.Type)
		i := slices.IndexFunc(out, func(other Step) bool { return other.Type == b.Type })
		if i >= 0 && !s.Repeatable {
			r.Errorf(b.DefRange, fmt.Sprintf("Duplicate %s block", b.Type), "Only one %s block may stand here. Another was defined at %s.", b.Type, out[i].Range)
			continue
		}
		if i = slices.IndexFunc(out, func(other Step) bool { return s.NamesUser && o.step(other.Type).NamesUser }); i >= 0 {
			r.Errorf(b.DefRange, "Two blocks that name the user", "Only one of them may stand here, since a request has one user. A block %s was defined at %s.", out[i].Type, out[i].Range)
			continue
		}
		spec, diags := s.Decode(b.Body, BlockContext{Name: name, Range: b.DefRange, Path: r.resolve, Route: t, Providers: r.remote.visible(b.DefRange, providers)})
		r.Diags = append(r.Diags, r.remote.consequences(diags, b.DefRange)...)
		out = append(out, Step{Type: b.Type, Spec: spec, Range: b.DefRange})
	}
	return out
}
