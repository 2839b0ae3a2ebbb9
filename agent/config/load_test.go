package config

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/hcl/v2"
)

// tree writes files below a new directory and returns it.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func rendered(t *testing.T, f *Files, diags hcl.Diagnostics) string {
	t.Helper()
	var b strings.Builder
	if err := f.Write(&b, diags, 0, false); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// must loads and wants no diagnostic.
func must(t *testing.T, in Input) (*Config, *Files) {
	t.Helper()
	c, files, diags := Load(in)
	if len(diags) > 0 {
		t.Fatal(rendered(t, files, diags))
	}
	return c, files
}

const listener = "listener \"public\" {\n  address = \"127.0.0.1:0\"\n}\n"

func TestDirectoriesAreReadInOrder(t *testing.T) {
	dir := tree(t, map[string]string{
		"b.hcl":      "limit \"token_bucket\" \"b\" {\n  rate = \"1/s\"\n}\n",
		"a.hcl":      listener + "limit \"token_bucket\" \"a\" {\n  rate = \"1/s\"\n}\n",
		"c.hcl.json": `{"limit": {"token_bucket": {"c": {"rate": "1/s"}}}}`,
		"d.txt":      "nonsense {",
		".e.hcl":     "nonsense {",
		"f.hcl~":     "nonsense {",
		"g.json":     "nonsense",
		"sub/h.hcl":  "nonsense {",
		"i.hcl/x":    "nonsense {",
	})
	c, files := must(t, Input{ConfigDirs: []string{dir}})
	var names []string
	for _, l := range c.Policy.Limits {
		names = append(names, l.Name)
	}
	if want := []string{"a", "b", "c"}; !slices.Equal(names, want) {
		t.Errorf("limits %v, want %v", names, want)
	}
	want := []string{filepath.Join(dir, "a.hcl"), filepath.Join(dir, "b.hcl"), filepath.Join(dir, "c.hcl.json")}
	if got := files.Names(); !slices.Equal(got, want) {
		t.Errorf("read %v, want %v", got, want)
	}
	if got := files.Dirs(); !slices.Equal(got, []string{dir}) {
		t.Errorf("listed %v, want %v", got, dir)
	}
}

func TestRelativePaths(t *testing.T) {
	dir := tree(t, map[string]string{
		"conf/agent.hcl":      listener + "data_dir = \"state\"\nadmin {\n  token_file = \"/abs/token\"\n}\npolicies {\n  paths = [\"../shared/\", \"one.hcl\"]\n}\naccess_log {\n  path = \"-\"\n}\n",
		"conf/one.hcl":        "route \"one\" {\n  service = \"one\"\n}\n",
		"shared/two.hcl.json": `{"route": {"two": {"service": "two", "path": "/two"}}}`,
	})
	c, files := must(t, Input{ConfigFiles: []string{filepath.Join(dir, "conf", "agent.hcl")}})
	if want := filepath.Join(dir, "conf", "state"); c.DataDir != want {
		t.Errorf("data_dir is %s, want %s", c.DataDir, want)
	}
	if c.Admin.TokenFile != "/abs/token" || c.AccessLogs[0].Path != "-" {
		t.Errorf("token_file is %s and the log's path %s, want them as written", c.Admin.TokenFile, c.AccessLogs[0].Path)
	}
	want := []string{filepath.Join(dir, "shared"), filepath.Join(dir, "conf", "one.hcl")}
	if !slices.Equal(c.Policies.Paths, want) {
		t.Errorf("paths are %v, want %v", c.Policies.Paths, want)
	}
	if len(c.Policy.Routes) != 2 || len(files.Names()) != 3 {
		t.Errorf("got %d routes from %v", len(c.Policy.Routes), files.Names())
	}
}

// TestFilesAreReadOnce names one file in three ways.
func TestFilesAreReadOnce(t *testing.T) {
	dir := tree(t, map[string]string{
		"agent.hcl": listener + "policies {\n  paths = [\".\", \"p.hcl\"]\n}\n",
		"p.hcl":     "route \"one\" {\n  service = \"one\"\n}\n",
	})
	c, files := must(t, Input{ConfigFiles: []string{filepath.Join(dir, "agent.hcl"), filepath.Join(dir, ".", "agent.hcl")}})
	if len(c.Policy.Routes) != 1 || len(files.Names()) != 2 {
		t.Errorf("got %d routes from %v", len(c.Policy.Routes), files.Names())
	}
}

func TestFlagsWin(t *testing.T) {
	dir := tree(t, map[string]string{"agent.hcl": listener + "log_level = \"ERROR\"\nlog_json = false\n"})
	file := filepath.Join(dir, "agent.hcl")
	c, _ := must(t, Input{ConfigFiles: []string{file}, LogLevel: "debug", LogJSON: true})
	if c.LogLevel != "DEBUG" || !c.LogJSON {
		t.Errorf("level %s, json %t", c.LogLevel, c.LogJSON)
	}
	c, _ = must(t, Input{ConfigFiles: []string{file}})
	if c.LogLevel != "ERROR" || c.LogJSON {
		t.Errorf("without flags: level %s, json %t", c.LogLevel, c.LogJSON)
	}
	_, files, diags := Load(Input{ConfigFiles: []string{file}, LogLevel: "dbug"})
	if got := rendered(t, files, diags); len(diags) != 1 || !strings.Contains(got, `Did you mean "DEBUG"?`) {
		t.Errorf("got %s", got)
	}
}

func TestDefaults(t *testing.T) {
	dir := tree(t, map[string]string{"agent.hcl": listener + "consul {\n}\n"})
	c, _ := must(t, Input{ConfigFiles: []string{filepath.Join(dir, "agent.hcl")}})
	want := &Config{
		NodeName: hostname(),
		LogLevel: "INFO",
		Listeners: []Listener{{
			Name: "public", Protocol: ProtocolHTTP, Address: "127.0.0.1:0", Forwarded: ForwardedX, ProxyProtocol: "off", MergeSlashes: true,
			ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 90 * time.Second, MaxHeaderBytes: 32 << 10, Engine: EngineHTTP1,
			HTTP2: HTTP2{MaxConcurrentStreams: 128, MaxWastedFrames: 1000},
		}},
		Admin:     Admin{Address: "127.0.0.1:9980"},
		Consul:    &Consul{RequireServiceCheck: true, MaxStale: 10 * time.Minute},
		Policies:  Policies{Watch: true},
		Drain:     Drain{Timeout: 30 * time.Second, UpgradeTimeout: time.Hour},
		Telemetry: Telemetry{MetricsPrefix: "lictor", Prometheus: true},
		Tracing: Tracing{
			SampleRatio: 0.01, ParentBased: true, ServiceName: "lictor", Timeout: 10 * time.Second, Queue: 4096, Compression: "gzip",
		},
		AccessLogs: []AccessLog{{Path: "-", Format: FormatJSON, Query: QueryRedact}},
	}
	if !reflect.DeepEqual(c, want) {
		t.Errorf("got %+v, want %+v", c, want)
	}
}

func TestNoConsulUnlessAsked(t *testing.T) {
	dir := tree(t, map[string]string{"agent.hcl": listener})
	file := filepath.Join(dir, "agent.hcl")
	if c, _ := must(t, Input{ConfigFiles: []string{file}}); c.Consul != nil {
		t.Errorf("got %+v", c.Consul)
	}
	if c, _ := must(t, Input{ConfigFiles: []string{file}, Dev: true}); c.Consul == nil || !c.Consul.RequireServiceCheck {
		t.Errorf("in dev mode: got %+v", c.Consul)
	}
}

func TestDev(t *testing.T) {
	t.Chdir(tree(t, map[string]string{"policies/web.hcl": "route \"web\" {\n  service = \"web\"\n}\n"}))
	c, _ := must(t, Input{Dev: true})
	if len(c.Listeners) != 1 || c.Listeners[0].Address != "127.0.0.1:8080" || c.Admin.Address != "127.0.0.1:9980" {
		t.Errorf("listeners %+v, admin %+v", c.Listeners, c.Admin)
	}
	if len(c.Policy.Routes) != 1 || !slices.Equal(c.Policies.Paths, []string{"policies"}) {
		t.Errorf("routes %+v from %v", c.Policy.Routes, c.Policies.Paths)
	}
}

func TestDevYieldsToFiles(t *testing.T) {
	dir := tree(t, map[string]string{
		"agent.hcl":        listener + "consul {\n  datacenter = \"dc7\"\n}\npolicies {\n}\n",
		"policies/web.hcl": "route \"web\" {\n  service = \"web\"\n}\n",
	})
	t.Chdir(dir)
	c, _ := must(t, Input{Dev: true, ConfigFiles: []string{"agent.hcl"}})
	if c.Listeners[0].Address != "127.0.0.1:0" || c.Consul.Datacenter != "dc7" || len(c.Policy.Routes) != 0 {
		t.Errorf("got %+v, %+v and %d routes", c.Listeners, c.Consul, len(c.Policy.Routes))
	}
}

func TestDevWithoutPolicies(t *testing.T) {
	t.Chdir(t.TempDir())
	c, _ := must(t, Input{Dev: true})
	if len(c.Policies.Paths) != 0 {
		t.Errorf("paths are %v", c.Policies.Paths)
	}
}

func TestNoListener(t *testing.T) {
	_, files, diags := Load(Input{})
	if got := rendered(t, files, diags); !diags.HasErrors() || !strings.Contains(got, "No listener") {
		t.Errorf("got %q", got)
	}
}

func TestUnreadable(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "missing")
	for _, in := range []Input{
		{ConfigFiles: []string{missing}},
		{ConfigDirs: []string{missing}},
		{ConfigFiles: []string{t.TempDir()}},
	} {
		_, files, diags := Load(in)
		if got := rendered(t, files, diags); len(diags) != 1 || !strings.Contains(got, "Can't read ") {
			t.Errorf("%+v: got %q", in, got)
		}
	}
}

func TestLoadPolicies(t *testing.T) {
	dir := tree(t, map[string]string{"a.hcl": "route \"a\" {\n  path    = \"/a\"\n  service = \"a\"\n  limits  = [\"b\"]\n}\n"})
	text := Source{Name: "kv:lictor/b", Text: []byte("limit \"token_bucket\" \"b\" {\n  rate = \"1/s\"\n}\n")}
	asJSON := Source{Name: "kv:lictor/c.json", Text: []byte(`{"defaults": {"limits": ["b"]}}`)}
	p, files, diags := LoadPolicies(Options{}, []string{dir}, text, asJSON)
	if len(diags) > 0 {
		t.Fatal(rendered(t, files, diags))
	}
	if len(p.Routes) != 1 || len(p.Limits) != 1 || !slices.Equal(p.Defaults, []string{"b"}) {
		t.Errorf("got %+v", p)
	}
	text.Text = []byte(listener)
	_, files, diags = LoadPolicies(Options{}, []string{dir}, text)
	got := rendered(t, files, diags)
	if !strings.Contains(got, "on kv:lictor/b line 1") || !strings.Contains(got, "Agent setting in a policy file") || !strings.Contains(got, `no limit named "b"`) {
		t.Errorf("got %s", got)
	}
}

func TestLoadTakesPolicyTexts(t *testing.T) {
	dir := tree(t, map[string]string{"agent.hcl": listener})
	c, _ := must(t, Input{
		ConfigFiles: []string{filepath.Join(dir, "agent.hcl")},
		Policies:    []Source{{Name: "kv", Text: []byte("route \"a\" {\n  service = \"a\"\n}\n")}},
	})
	if len(c.Policy.Routes) != 1 {
		t.Errorf("got %+v", c.Policy)
	}
}

// TestValidateMixes gives an agent's configuration, the policies that it names
// and others, in several orders.
func TestValidateMixes(t *testing.T) {
	dir := tree(t, map[string]string{
		"agent.hcl":   listener + "policies {\n  paths = [\"p/\"]\n}\n",
		"p/web.hcl":   "route \"web\" {\n  service = \"web\"\n  limits  = [\"l\"]\n}\n",
		"q/limit.hcl": "limit \"token_bucket\" \"l\" {\n  rate = \"1/s\"\n}\n",
	})
	agent, p, q := filepath.Join(dir, "agent.hcl"), filepath.Join(dir, "p"), filepath.Join(dir, "q", "limit.hcl")
	for _, paths := range [][]string{{agent, q}, {q, agent}, {p, q}, {p, agent, q}, {q, p, agent}} {
		if files, diags := Validate(Options{}, paths...); len(diags) > 0 {
			t.Errorf("%v: %s", paths, rendered(t, files, diags))
		}
	}
	for _, paths := range [][]string{{agent}, {p}} {
		if files, diags := Validate(Options{}, paths...); !strings.Contains(rendered(t, files, diags), "Unknown limit") {
			t.Errorf("%v: %s", paths, rendered(t, files, diags))
		}
	}
}

// TestDiagnosticsAreStable loads the same mistakes several times: maps must not
// show in the order.
func TestDiagnosticsAreStable(t *testing.T) {
	var first string
	for i := range 5 {
		files, diags := Validate(testOptions(), filepath.Join("testdata", "errors", "routes.hcl"))
		switch got := rendered(t, files, diags); {
		case i == 0:
			first = got
		case got != first:
			t.Fatalf("got\n%s\nthen\n%s", first, got)
		}
	}
}
