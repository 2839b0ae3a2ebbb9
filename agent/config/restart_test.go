package config

import (
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/lictor/lictor/agent/certs"
	"github.com/lictor/lictor/proxy/step/limit"
)

// TestRestartNeeded changes every field of a Config, one at a time. A field
// without a line here fails the test.
func TestRestartNeeded(t *testing.T) {
	changes := map[string]struct {
		change func(*Config)
		want   []string
	}{
		"NodeName":   {func(c *Config) { c.NodeName = "b" }, []string{"node_name"}},
		"LogLevel":   {func(c *Config) { c.LogLevel = "DEBUG" }, nil},
		"LogJSON":    {func(c *Config) { c.LogJSON = true }, []string{"log_json"}},
		"DataDir":    {func(c *Config) { c.DataDir = "x" }, []string{"data_dir"}},
		"Listeners":  {func(c *Config) { c.Listeners = []Listener{listenerAt("a", ":2")} }, []string{"listener"}},
		"Admin":      {func(c *Config) { c.Admin.Hosts = []string{"x"} }, []string{"admin"}},
		"Consul":     {func(c *Config) { c.Consul = &Consul{MaxStale: time.Second} }, []string{"consul"}},
		"Store":      {func(c *Config) { c.Store = &Store{Kind: StoreRedis} }, []string{"store"}},
		"Services":   {func(c *Config) { c.Services = []Service{{Name: "a"}} }, nil},
		"Policies":   {func(c *Config) { c.Policies = Policies{Paths: []string{"x"}, Watch: true} }, []string{"policies.watch"}},
		"Drain":      {func(c *Config) { c.Drain.Delay = 1 }, []string{"drain"}},
		"Telemetry":  {func(c *Config) { c.Telemetry.Prometheus = true }, []string{"telemetry"}},
		"Tracing":    {func(c *Config) { c.Tracing.Endpoint = "http://127.0.0.1:4318/v1/traces" }, []string{"tracing"}},
		"AccessLogs": {func(c *Config) { c.AccessLogs = []AccessLog{{Format: FormatOff}} }, []string{"access_log"}},
		"ErrorPages": {func(c *Config) { c.ErrorPages = []ErrorPage{{Status: []int{404}}} }, nil},
		"Policy":     {func(c *Config) { c.Policy.Limits = []limit.Spec{{Name: "x"}} }, nil},
	}
	base := func() *Config {
		return &Config{NodeName: "a", Listeners: []Listener{listenerAt("a", ":1")}, Consul: &Consul{}}
	}
	if got := RestartNeeded(base(), base()); got != nil {
		t.Errorf("equal configurations: got %v", got)
	}
	for f := range reflect.TypeFor[Config]().Fields() {
		c, ok := changes[f.Name]
		if !ok {
			t.Errorf("nothing is known of %s", f.Name)
			continue
		}
		next := base()
		c.change(next)
		if got := RestartNeeded(base(), next); !slices.Equal(got, c.want) {
			t.Errorf("%s: got %v, want %v", f.Name, got, c.want)
		}
	}
}

// TestReloadSamples: how much is traced can be changed while it is needed.
func TestReloadSamples(t *testing.T) {
	a, b := &Config{}, &Config{Tracing: Tracing{SampleRatio: 1, ParentBased: true}}
	if got := RestartNeeded(a, b); got != nil {
		t.Errorf("got %v", got)
	}
}

// TestRestartNeededForTLS changes what a listener shows, which a reload does, and
// whether it speaks TLS at all.
func TestRestartNeededForTLS(t *testing.T) {
	with := func(spec *certs.ServerSpec) *Config {
		l := listenerAt("a", ":1")
		l.TLS = spec
		return &Config{Listeners: []Listener{l}}
	}
	a, b := &certs.ServerSpec{ClientCAFile: "a"}, &certs.ServerSpec{Pairs: []certs.Pair{{CertFile: "b"}}}
	if got := RestartNeeded(with(a), with(b)); got != nil {
		t.Errorf("other certificates: got %v", got)
	}
	for _, c := range [][2]*Config{{with(nil), with(a)}, {with(a), with(nil)}} {
		if got := RestartNeeded(c[0], c[1]); !slices.Equal(got, []string{"listener"}) {
			t.Errorf("TLS turned on or off: got %v", got)
		}
	}
}
