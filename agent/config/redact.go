package config

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"regexp"
	"strings"

	"github.com/lictor/lictor/proxy/step/limit"
)

// redacted stands where a secret would.
const redacted = "(redacted)"

// object is a JSON object. Its keys are the names of the configuration
// language.
type object = map[string]any

// Redacted returns the configuration as JSON values, in the names of the
// configuration language, for people to read. It never holds a secret: nothing
// is shown that isn't listed here, and of an address, a header or a parameter
// that may carry a secret the secret part is left out.
func (c *Config) Redacted() map[string]any {
	out := object{
		"node_name":  c.NodeName,
		"log_level":  c.LogLevel,
		"log_json":   c.LogJSON,
		"data_dir":   c.DataDir,
		"listener":   byName(c.Listeners, func(l *Listener) (string, object) { return l.Name, l.redacted() }),
		"admin":      object{"address": c.Admin.Address, "token_file": c.Admin.TokenFile, "hosts": listOf(c.Admin.Hosts)},
		"service":    byName(c.Services, func(s *Service) (string, object) { return s.Name, s.redacted() }),
		"policies":   object{"paths": listOf(c.Policies.Paths), "kv_prefix": c.Policies.KVPrefix, "watch": c.Policies.Watch},
		"drain":      object{"delay": c.Drain.Delay.String(), "timeout": c.Drain.Timeout.String(), "upgrade_timeout": c.Drain.UpgradeTimeout.String()},
		"access_log": accessLogsRedacted(c.AccessLogs),
		"telemetry": object{
			"metrics_prefix": c.Telemetry.MetricsPrefix, "prometheus": c.Telemetry.Prometheus,
			"statsd_address": c.Telemetry.StatsdAddress, "dogstatsd_addr": c.Telemetry.DogstatsdAddr,
		},
		"tracing": c.Tracing.redacted(),
		"policy":  c.Policy.Redacted(),
	}
	if len(c.ErrorPages) > 0 {
		out["error_page"] = errorPagesRedacted(c.ErrorPages)
	}
	if c.Consul != nil {
		out["consul"] = c.Consul.redacted()
	}
	if c.Store != nil {
		out["store"] = c.Store.redacted()
	}
	return out
}

// Redacted returns the policy as JSON values; see Config.Redacted.
func (p *Policy) Redacted() map[string]any {
	out := object{
		"limit":     byName(p.Limits, func(s *limit.Spec) (string, object) { return s.Name, redactedLimit(s) }),
		"gateway":   object{"limits": listOf(p.Gateway)},
		"defaults":  object{"limits": listOf(p.Defaults)},
		"route":     byName(p.Routes, func(r *Route) (string, object) { return r.Name, r.redacted() }),
		"tcp_route": byName(p.TCPRoutes, func(t *TCPRoute) (string, object) { return t.Name, t.redacted() }),
	}
	stepsRedacted(out["gateway"].(object), p.GatewaySteps)
	stepsRedacted(out["defaults"].(object), p.DefaultSteps)
	for _, pr := range p.Providers {
		typ, ok := out[pr.Type].(object)
		if !ok {
			typ = object{}
			out[pr.Type] = typ
		}
		typ[pr.Name] = redactedSpec(pr.Spec)
	}
	return out
}

func (l *Listener) redacted() object {
	encoded := "keep"
	if l.RejectEncodedSlashes {
		encoded = "reject"
	}
	proxies := []string{}
	for _, p := range l.TrustedProxies {
		proxies = append(proxies, p.String())
	}
	out := object{
		"address":             l.Address,
		"protocol":            l.Protocol,
		"trusted_proxies":     proxies,
		"forwarded":           l.Forwarded,
		"proxy_protocol":      l.ProxyProtocol,
		"health_path":         l.HealthPath,
		"merge_slashes":       l.MergeSlashes,
		"encoded_slashes":     encoded,
		"read_header_timeout": l.ReadHeaderTimeout.String(),
		"idle_timeout":        l.IdleTimeout.String(),
		"max_header_bytes":    l.MaxHeaderBytes,
		"max_connections":     l.MaxConnections,
		"engine":              l.Engine,
		"mesh":                l.Mesh,
		"redirect_to_https":   l.RedirectPort != 0,
		"redirect_port":       cmp.Or(l.RedirectPort, defaultRedirectPort),
		"hsts":                l.HSTS,
		"http2": object{
			"max_concurrent_streams": l.HTTP2.MaxConcurrentStreams,
			"max_wasted_frames":      l.HTTP2.MaxWastedFrames,
		},
	}
	redactedHTTP3(out, l.HTTP3)
	if l.TLS != nil {
		out["tls"] = redactedListenerTLS(l.TLS, l.ACME)
	}
	return out
}

func errorPagesRedacted(pages []ErrorPage) []object {
	out := []object{}
	for _, p := range pages {
		out = append(out, object{"status": p.Status, "file": p.File, "content_type": p.ContentType, "sha256": fmt.Sprintf("%x", sha256.Sum256(p.Body))})
	}
	return out
}

func (c *Consul) redacted() object {
	out := object{
		"address":               redactedAddress(c.Address),
		"token_file":            c.TokenFile,
		"datacenter":            c.Datacenter,
		"zone":                  c.Zone,
		"zone_meta":             c.ZoneMeta,
		"require_service_check": c.RequireServiceCheck,
		"max_stale":             c.MaxStale.String(),
		"fabio_tags":            c.FabioTags,
		"connect":               object{"enabled": c.Connect},
	}
	if c.Login != nil {
		out["login"] = c.Login.redacted()
	}
	if c.Service != nil {
		out["service"] = object{"name": c.Service.Name, "tags": listOf(c.Service.Tags)}
	}
	return out
}

func (s *Service) redacted() object {
	instances := []object{}
	for _, i := range s.Instances {
		instances = append(instances, object{"address": i.Address, "port": i.Port, "weight": i.Weight})
	}
	out := object{"instance": instances}
	if c := s.Check; c != nil {
		out["check"] = object{
			"http": redactedAddress(c.HTTP), "tcp": c.TCP, "interval": c.Interval.String(), "timeout": c.Timeout.String(),
			"healthy_after": c.HealthyAfter, "unhealthy_after": c.UnhealthyAfter,
			"status": append([]int{}, c.Status...),
		}
	}
	return out
}

func (r *Route) redacted() object {
	out := object{
		"hosts":           listOf(r.Hosts),
		"path":            r.Path,
		"path_prefix":     r.PathPrefix,
		"path_pattern":    r.PathPattern,
		"path_regex":      r.PathRegex,
		"methods":         listOf(r.Methods),
		"headers":         redactedValues(r.Headers),
		"query":           redactedValues(r.Query),
		"service":         r.Service,
		"prepared_query":  r.PreparedQuery,
		"datacenters":     listOf(r.Datacenters),
		"tags":            listOf(r.Tags),
		"port":            r.Port,
		"strip_prefix":    r.StripPrefix,
		"host_header":     r.HostHeader,
		"limits":          r.redactedLimits(),
		"inherit_limits":  r.InheritLimits,
		"balance":         r.Balance,
		"max_connections": r.MaxConnections,
		"timeout":         r.Timeout.String(),
		"connect_timeout": r.ConnectTimeout.String(),
		"idle_timeout":    r.IdleTimeout.String(),
		"max_body":        r.MaxBody,
		"mesh":            r.Mesh,
		"protocol":        r.Protocol.String(),
	}
	if len(r.Split) > 0 {
		out["split"] = r.redactedSplit()
	}
	if r.Last {
		out["last"] = true
	}
	if r.UpstreamTLS != nil {
		out["upstream_tls"] = redactedUpstreamTLS(r.UpstreamTLS)
	}
	stepsRedacted(out, r.Steps)
	return out
}

// stepsRedacted adds step blocks to what is shown of the block around them.
func stepsRedacted(out object, steps []Step) {
	for _, s := range steps {
		all, _ := out[s.Type].([]any)
		out[s.Type] = append(all, redactedSpec(s.Spec))
	}
}

func redactedLimit(s *limit.Spec) object {
	key := []string{}
	for _, p := range s.Key {
		key = append(key, p.String())
	}
	out := object{
		"algorithm":      s.Algorithm,
		"key":            key,
		"scope":          s.Scope.String(),
		"mode":           s.Mode.String(),
		"headers":        s.Headers.String(),
		"on_store_error": s.OnStoreError.String(),
		"unit":           s.Unit.String(),
		"cost":           redactedCost(s.Price()),
		"lease":          s.Lease,
		"max_keys":       s.MaxKeys,
		"ipv6_prefix":    s.IPv6Prefix,
		"ipv4_prefix":    s.IPv4Prefix,
	}
	if s.Limit != nil {
		p := s.Limit.Policy()
		out["quota"], out["window"], out["capacity"] = p.Quota, p.Window.String(), s.Limit.Capacity()
	}
	return out
}

// redactedSpec shows of a foreign value what it chooses to show, or nothing.
func redactedSpec(spec any) any {
	if s, ok := spec.(interface{ Redacted() map[string]any }); ok {
		return s.Redacted()
	}
	return object{}
}

// redactedAddress takes the password and the parameters out of an address or a
// URL. It looks at the text alone, since what can't be parsed may hold a secret
// too.
func redactedAddress(s string) string {
	scheme, rest, found := strings.Cut(s, "://")
	if !found {
		scheme, rest = "", s
	} else {
		scheme += "://"
	}
	if i := strings.LastIndexByte(rest, '@'); i >= 0 {
		rest = redacted + rest[i:]
	}
	if i := strings.IndexAny(rest, "?#"); i >= 0 {
		rest = rest[:i+1] + redacted
	}
	return scheme + rest
}

// secretive matches the names whose values are likely secrets.
var secretive = regexp.MustCompile(`(?i)auth|cookie|token|secret|key|pass|credential|session|signature`)

func redactedValues(m map[string]string) map[string]string {
	out := make(map[string]string, len(m))
	for k, v := range m {
		if secretive.MatchString(k) {
			v = redacted
		}
		out[k] = v
	}
	return out
}

// listOf makes an absent list an empty one, which JSON writes as [].
func listOf(s []string) []string {
	if s == nil {
		return []string{}
	}
	return s
}

func byName[T any](all []T, view func(*T) (string, object)) object {
	out := make(object, len(all))
	for i := range all {
		name, v := view(&all[i])
		out[name] = v
	}
	return out
}
