package config

import (
	"os"
	"strings"
	"time"

	"github.com/lictor/lictor/attr"

	"github.com/hashicorp/hcl/v2"
)

// Defaults of the agent's own settings.
const (
	defaultLogLevel     = "INFO"
	defaultAdminAddress = "127.0.0.1:9980"
	defaultDevListener  = "127.0.0.1:8080"
	defaultDevPolicies  = "policies"
	defaultMaxStale     = 10 * time.Minute
	defaultDrainTimeout = 30 * time.Second
	// Nobody waits for the process that was replaced, but its tunnels.
	defaultUpgradeTimeout = time.Hour
	defaultPrefix         = "lictor"
	defaultServiceName    = "lictor"
)

// LogLevels are the levels from the chattiest to the quietest.
var logLevels = []string{"TRACE", "DEBUG", "INFO", "WARN", "ERROR"}

type adminBlock struct {
	Address   *hcl.Attribute `hcl:"address,optional"`
	TokenFile *hcl.Attribute `hcl:"token_file,optional"`
	Hosts     *hcl.Attribute `hcl:"hosts,optional"`
}

type consulBlock struct {
	Address             *hcl.Attribute     `hcl:"address,optional"`
	TokenFile           *hcl.Attribute     `hcl:"token_file,optional"`
	Datacenter          *hcl.Attribute     `hcl:"datacenter,optional"`
	Zone                *hcl.Attribute     `hcl:"zone,optional"`
	ZoneMeta            *hcl.Attribute     `hcl:"zone_meta,optional"`
	RequireServiceCheck *hcl.Attribute     `hcl:"require_service_check,optional"`
	MaxStale            *hcl.Attribute     `hcl:"max_stale,optional"`
	FabioTags           *hcl.Attribute     `hcl:"fabio_tags,optional"`
	Service             *registrationBlock `hcl:"service,block"`
	Login               *loginBlock        `hcl:"login,block"`
	Connect             *connectBlock      `hcl:"connect,block"`
}

type registrationBlock struct {
	Name *hcl.Attribute `hcl:"name,optional"`
	Tags *hcl.Attribute `hcl:"tags,optional"`
}

type policiesBlock struct {
	Paths    *hcl.Attribute `hcl:"paths,optional"`
	KVPrefix *hcl.Attribute `hcl:"kv_prefix,optional"`
	Watch    *hcl.Attribute `hcl:"watch,optional"`
}

type drainBlock struct {
	Delay          *hcl.Attribute `hcl:"delay,optional"`
	Timeout        *hcl.Attribute `hcl:"timeout,optional"`
	UpgradeTimeout *hcl.Attribute `hcl:"upgrade_timeout,optional"`
}

type telemetryBlock struct {
	MetricsPrefix *hcl.Attribute `hcl:"metrics_prefix,optional"`
	Prometheus    *hcl.Attribute `hcl:"prometheus,optional"`
	StatsdAddress *hcl.Attribute `hcl:"statsd_address,optional"`
	DogstatsdAddr *hcl.Attribute `hcl:"dogstatsd_addr,optional"`
}

// agent reads everything of the section but its policy blocks. It returns the
// elements of policies.paths too, with where they were written.
func (r *reader) agent(s *section) (*Config, []attr.Item) {
	c := &Config{
		NodeName:   r.Text(s.attrs["node_name"], ""),
		LogLevel:   r.logLevel(s.attrs["log_level"]),
		LogJSON:    r.Bool(s.attrs["log_json"], false),
		DataDir:    r.path(s.attrs["data_dir"], ""),
		Listeners:  r.listeners(s.blocks["listener"]),
		Admin:      r.admin(s.one("admin")),
		Consul:     r.consul(s.one("consul")),
		Store:      r.storeOf(s.one("store")),
		Services:   r.services(s.blocks["service"]),
		Drain:      r.drain(s.one("drain")),
		Telemetry:  r.telemetry(s.one("telemetry")),
		Tracing:    r.tracing(s.one("tracing")),
		AccessLogs: r.accessLogs(s.blocks["access_log"]),

		ErrorPages: r.errorPages(s.blocks["error_page"]),
	}
	if c.NodeName == "" {
		c.NodeName = hostname()
	}
	var paths []attr.Item
	c.Policies, paths = r.policies(s.one("policies"))
	return c, paths
}

// hostname is empty on a machine that can't tell its name.
func hostname() string {
	name, err := os.Hostname()
	if err != nil {
		return ""
	}
	return name
}

func (r *reader) logLevel(a *hcl.Attribute) string {
	s := r.Text(a, defaultLogLevel)
	for _, l := range logLevels {
		if strings.EqualFold(l, s) {
			return l
		}
	}
	r.Enum(a, defaultLogLevel, logLevels...) // says what is wrong
	return defaultLogLevel
}

func (r *reader) admin(b *hcl.Block) Admin {
	a := Admin{Address: defaultAdminAddress}
	if b == nil {
		return a
	}
	var in adminBlock
	r.decode(b, &in)
	a.Address = r.address(in.Address, defaultAdminAddress)
	a.TokenFile = r.path(in.TokenFile, "")
	a.Hosts = attr.Values(r.Unique(in.Hosts))
	if a.TokenFile == "" && !loopback(a.Address) {
		at := b.DefRange
		if in.Address != nil {
			at = in.Address.Expr.Range()
		}
		r.Errorf(at, "Admin API without a token",
			"The admin API at %q can be reached from other machines, so token_file is required. Without one only a loopback address, such as %q, is allowed.", a.Address, defaultAdminAddress)
	}
	return a
}

func (r *reader) consul(b *hcl.Block) *Consul {
	if b == nil {
		return nil
	}
	var in consulBlock
	r.decode(b, &in)
	c := &Consul{
		Address:             r.consulAddress(in.Address),
		TokenFile:           r.path(in.TokenFile, ""),
		Datacenter:          r.Text(in.Datacenter, ""),
		RequireServiceCheck: r.Bool(in.RequireServiceCheck, true),
		MaxStale:            r.Duration(in.MaxStale, defaultMaxStale, time.Second, 0),
		FabioTags:           r.Bool(in.FabioTags, false),
	}
	r.zone(&in, c)
	c.Connect = r.connect(in.Connect)
	c.Login = r.login(in.Login, in.TokenFile)
	if in.Service != nil {
		c.Service = &Registration{
			Name: r.Text(in.Service.Name, defaultServiceName),
			Tags: attr.Values(r.Unique(in.Service.Tags)),
		}
		if c.Service.Name == "" {
			r.Errorf(in.Service.Name.Expr.Range(), "Empty name", "A service needs a name; the default is %q.", defaultServiceName)
		}
	}
	return c
}

func (r *reader) policies(b *hcl.Block) (Policies, []attr.Item) {
	p := Policies{Watch: true}
	if b == nil {
		return p, nil
	}
	var in policiesBlock
	r.decode(b, &in)
	paths := r.Unique(in.Paths)
	for i := range paths {
		paths[i].Value = resolvePath(paths[i].Value, paths[i].At)
	}
	p.Paths = attr.Values(paths)
	p.KVPrefix = r.prefix(in.KVPrefix)
	p.Watch = r.Bool(in.Watch, true)
	return p, paths
}

func (r *reader) drain(b *hcl.Block) Drain {
	d := Drain{Timeout: defaultDrainTimeout, UpgradeTimeout: defaultUpgradeTimeout}
	if b == nil {
		return d
	}
	var in drainBlock
	r.decode(b, &in)
	d.Delay = r.Duration(in.Delay, 0, 0, 0)
	d.Timeout = r.Duration(in.Timeout, defaultDrainTimeout, 0, 0)
	d.UpgradeTimeout = r.Duration(in.UpgradeTimeout, defaultUpgradeTimeout, 0, 0)
	return d
}

func (r *reader) telemetry(b *hcl.Block) Telemetry {
	t := Telemetry{MetricsPrefix: defaultPrefix, Prometheus: true}
	if b == nil {
		return t
	}
	var in telemetryBlock
	r.decode(b, &in)
	t.MetricsPrefix = r.Text(in.MetricsPrefix, defaultPrefix)
	if !metricName(t.MetricsPrefix) {
		r.Errorf(in.MetricsPrefix.Expr.Range(), "Invalid metrics_prefix",
			"A prefix of metrics begins with a letter and goes on with letters, digits and underscores.")
	}
	t.Prometheus = r.Bool(in.Prometheus, true)
	t.StatsdAddress = r.address(in.StatsdAddress, "")
	t.DogstatsdAddr = r.address(in.DogstatsdAddr, "")
	return t
}

func metricName(s string) bool {
	for i, c := range []byte(s) {
		letter := c == '_' || 'a' <= c|0x20 && c|0x20 <= 'z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return s != ""
}
