package config

import (
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
)

// Defaults and bounds of a listener.
const (
	defaultReadHeaderTimeout = 10 * time.Second
	defaultListenerIdle      = 90 * time.Second
	defaultMaxHeader         = 32 << 10
	leastMaxHeader           = 1 << 10
	mostMaxHeader            = 1 << 20
	mostConnections          = 1 << 30
)

type listenerBlock struct {
	Protocol          *hcl.Attribute `hcl:"protocol,optional"`
	Address           *hcl.Attribute `hcl:"address,optional"`
	TrustedProxies    *hcl.Attribute `hcl:"trusted_proxies,optional"`
	Forwarded         *hcl.Attribute `hcl:"forwarded,optional"`
	ProxyProtocol     *hcl.Attribute `hcl:"proxy_protocol,optional"`
	HealthPath        *hcl.Attribute `hcl:"health_path,optional"`
	MergeSlashes      *hcl.Attribute `hcl:"merge_slashes,optional"`
	EncodedSlashes    *hcl.Attribute `hcl:"encoded_slashes,optional"`
	ReadHeaderTimeout *hcl.Attribute `hcl:"read_header_timeout,optional"`
	IdleTimeout       *hcl.Attribute `hcl:"idle_timeout,optional"`
	MaxHeaderBytes    *hcl.Attribute `hcl:"max_header_bytes,optional"`
	MaxConnections    *hcl.Attribute `hcl:"max_connections,optional"`
	Engine            *hcl.Attribute `hcl:"engine,optional"`
	Mesh              *hcl.Attribute `hcl:"mesh,optional"`
	RedirectToHTTPS   *hcl.Attribute `hcl:"redirect_to_https,optional"`
	RedirectPort      *hcl.Attribute `hcl:"redirect_port,optional"`
	HSTS              *hcl.Attribute `hcl:"hsts,optional"`
	HTTP3             *hcl.Attribute `hcl:"http3,optional"`
	HTTP3Port         *hcl.Attribute `hcl:"http3_port,optional"`
	HTTP3MaxAge       *hcl.Attribute `hcl:"http3_max_age,optional"`
	EarlyData         *hcl.Attribute `hcl:"early_data,optional"`
	TLS               *tlsBlock      `hcl:"tls,block"`
	HTTP2             *http2Block    `hcl:"http2,block"`
}

// listenerAt returns a listener with nothing but an address.
func listenerAt(name, address string) Listener {
	return Listener{
		Name:              name,
		Address:           address,
		Protocol:          ProtocolHTTP,
		Forwarded:         ForwardedX,
		ProxyProtocol:     ProxyOff,
		MergeSlashes:      true,
		ReadHeaderTimeout: defaultReadHeaderTimeout,
		IdleTimeout:       defaultListenerIdle,
		MaxHeaderBytes:    defaultMaxHeader,
		Engine:            EngineHTTP1,
		HTTP2:             HTTP2{MaxConcurrentStreams: defaultConcurrentStreams, MaxWastedFrames: defaultWastedFrames},
	}
}

func (r *reader) listeners(blocks []*hcl.Block) []Listener {
	var out []Listener
	named, bound := map[string]hcl.Range{}, map[string]hcl.Range{}
	for _, b := range blocks {
		l := r.listener(b)
		r.name("listener", l.Name, b.LabelRanges[0], named)
		if l.Address != "" && !strings.HasSuffix(l.Address, ":0") {
			if first, dup := bound[l.Address]; dup {
				r.Errorf(b.DefRange, "Duplicate listener address", "The address %q is taken by the listener at %s.", l.Address, first)
			}
			bound[l.Address] = b.DefRange
		}
		out = append(out, l)
	}
	return out
}

func (r *reader) listener(b *hcl.Block) Listener {
	var in listenerBlock
	r.decode(b, &in)
	l := listenerAt(b.Labels[0], "")
	if r.Required(in.Address, "address", b.DefRange) != "" {
		l.Address = r.address(in.Address, "")
	}
	l.Protocol = r.Enum(in.Protocol, ProtocolHTTP, ProtocolHTTP, ProtocolTCP)
	l.TrustedProxies = r.prefixes(in.TrustedProxies)
	l.Forwarded = r.Enum(in.Forwarded, ForwardedX, ForwardedX, ForwardedStandard)
	l.ProxyProtocol = r.Enum(in.ProxyProtocol, ProxyOff, ProxyOff, ProxyOptional, ProxyRequired)
	if l.ProxyProtocol != ProxyOff && in.TrustedProxies == nil {
		r.Errorf(in.ProxyProtocol.Expr.Range(), "Missing required argument",
			"The argument %q is required beside proxy_protocol, since headers of others are never believed.", "trusted_proxies")
	}
	l.HealthPath = r.Text(in.HealthPath, "")
	if l.HealthPath != "" && !printablePath(l.HealthPath) {
		r.Errorf(in.HealthPath.Expr.Range(), "Invalid health_path", `%q is not a path that begins with "/".`, l.HealthPath)
	}
	l.MergeSlashes = r.Bool(in.MergeSlashes, true)
	l.RejectEncodedSlashes = r.Enum(in.EncodedSlashes, "keep", "keep", "reject") == "reject"
	l.ReadHeaderTimeout = r.Duration(in.ReadHeaderTimeout, defaultReadHeaderTimeout, time.Millisecond, 0)
	l.IdleTimeout = r.Duration(in.IdleTimeout, defaultListenerIdle, time.Millisecond, 0)
	l.MaxHeaderBytes = r.Size(in.MaxHeaderBytes, defaultMaxHeader, leastMaxHeader, mostMaxHeader)
	l.MaxConnections = r.integer(in.MaxConnections, 0, 0, mostConnections)
	l.Engine = r.Enum(in.Engine, EngineHTTP1, EngineHTTP1, EngineNetHTTP)
	l.TLS = r.listenerTLS(in.TLS)
	r.listenerHTTP2(in.HTTP2, &l.HTTP2)
	if in.TLS != nil {
		l.ACME = r.listenerACME(in.TLS.ACME)
	}
	r.listenerMesh(in.Mesh, &l)
	r.listenerHTTPS(&in, &l)
	if l.Protocol == ProtocolTCP {
		r.ofRequests(&in)
	} else {
		r.listenerHTTP3(&in, &l)
	}
	return l
}

// ofRequests refuses what says something of requests, where there are none.
func (r *reader) ofRequests(in *listenerBlock) {
	for _, a := range []*hcl.Attribute{
		in.Forwarded, in.HealthPath, in.MergeSlashes, in.EncodedSlashes, in.IdleTimeout, in.MaxHeaderBytes,
		in.Engine, in.Mesh, in.RedirectToHTTPS, in.RedirectPort, in.HSTS,
		in.HTTP3, in.HTTP3Port, in.HTTP3MaxAge, in.EarlyData,
	} {
		if a == nil {
			continue
		}
		why := ""
		if a == in.IdleTimeout {
			why = " Its tcp_routes have an idle_timeout."
		}
		r.Errorf(a.Range, "Setting of HTTP", `The argument %q has no meaning on a listener whose protocol is "tcp".%s`, a.Name, why)
	}
	if in.TLS != nil && in.TLS.ACME != nil {
		r.Errorf(in.TLS.ACME.Range, "Setting of HTTP", `The block acme has no place on a listener whose protocol is "tcp": certificates are got by one that speaks HTTP.`)
	}
	if in.HTTP2 != nil {
		r.Errorf(in.HTTP2.Range, "Setting of HTTP", `The block http2 has no meaning on a listener whose protocol is "tcp".`)
	}
}

// name checks the label that names a block, and that no other block of its type
// has it.
func (r *reader) name(typ, name string, at hcl.Range, seen map[string]hcl.Range) {
	switch first, dup := seen[name]; {
	case !nameable(name):
		r.Errorf(at, "Invalid "+typ+" name",
			"A name is 1 to 128 letters, digits, underscores, dots and dashes, and not a single dash alone.")
	case dup:
		r.Errorf(at, "Duplicate "+typ, "A %s named %q was already defined at %s.", typ, name, first)
	default:
		seen[name] = at
	}
}

// nameable reports whether a name can stand in a metric's label, a log line and
// an HTTP field as it is. The single dash means "no route" in metrics.
func nameable(name string) bool {
	if name == "" || name == "-" || len(name) > 128 {
		return false
	}
	for _, c := range []byte(name) {
		if !(c == '_' || c == '.' || c == '-' || '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z') {
			return false
		}
	}
	return true
}
