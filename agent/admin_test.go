package agent

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares with testdata/name.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s: got\n%s\nwant\n%s", file, got, want)
	}
}

// volatile is what differs from run to run, and what stands in its place.
var volatile = []struct {
	pattern *regexp.Regexp
	instead string
}{
	{regexp.MustCompile(`127\.0\.0\.1:\d+`), "127.0.0.1:PORT"},
	{regexp.MustCompile(`("(?:age_ms|reset_ms|uptime_seconds|index)": )\d+`), "${1}N"},
	{regexp.MustCompile(`("(?:key|digest)": )"[0-9a-f]{8,}"`), `${1}"DIGEST"`},
	{regexp.MustCompile(`("X-Forwarded-Port",\s*"value": )"\d+"`), `${1}"PORT"`},
	{regexp.MustCompile(`/[^" :]*/lictor\.hcl`), "lictor.hcl"},
}

// The shapes of the admin API's answers are a contract: programs read them.
func TestAdminAnswers(t *testing.T) {
	t.Parallel()
	g := start(t, `
limit "token_bucket" "per_client" {
  rate  = "1/h"
  burst = 2
  key   = [client.ip]
}
limit "fixed_window" "flood" {
  limit  = 1000
  window = "1h"
  mode   = "permissive"
}
gateway {
  limits = ["flood"]
}
route "orders" {
  hosts   = ["api.example.com"]
  path_pattern = "/orders/{id}"
  methods = ["GET", "POST"]
  headers = { "x-beta" = "1" }
  service = "orders"
  limits  = ["per_client"]
  timeout = "3s"
}
route "missing" {
  path    = "/missing"
  service = "missing"
  balance = "round_robin"
}
`+service("orders", says(t, "one"))).awaitReady()
	for range 3 {
		g.get("/orders/1", "Host: api.example.com", "X-Beta: 1")
	}
	g.get("/missing")
	eventually(t, "all is counted", func() bool { return g.proxy.InFlight() == 0 })
	for _, path := range []string{"health", "ready", "routes", "services", "limits"} {
		a := g.api("GET", "/v1/"+path)
		if a.status != 200 || a.header.Get("Content-Type") != "application/json" {
			t.Errorf("%s: %d %s", path, a.status, a.header.Get("Content-Type"))
		}
		got := a.body
		for _, v := range volatile {
			got = v.pattern.ReplaceAllString(got, v.instead)
		}
		golden(t, path+".json", got)
	}
}

// What the configuration says is shown, but for secrets; its whole shape is
// package config's.
func TestAdminShowsTheConfiguration(t *testing.T) {
	t.Parallel()
	g := start(t, "node_name = \"edge\"\nconsul {\n  address = \"http://user:hush@127.0.0.1:1\"\n}\n"+route("a", "/a", "one"))
	a := g.api("GET", "/v1/config")
	v := decode[struct {
		Node   string `json:"node_name"`
		Policy struct{ Route map[string]any }
	}](t, a)
	if v.Node != "edge" || v.Policy.Route["a"] == nil || strings.Contains(a.body, "hush") {
		t.Errorf("%d %s", a.status, a.body)
	}
}

func TestAdminPaths(t *testing.T) {
	t.Parallel()
	g := start(t, "").awaitReady()
	for _, test := range []struct {
		method, path string
		status       int
		typ          string
	}{
		{"GET", "/v1/metrics", 200, "text/plain; version=0.0.4; charset=utf-8; escaping=underscores"},
		{"GET", "/v1/metrics?format=json", 200, "application/json"},
		{"PUT", "/v1/reload", 200, "application/json"},
		{"HEAD", "/v1/ready", 200, "application/json"},
		{"GET", "/debug/pprof/", 200, "text/html; charset=utf-8"},
		{"GET", "/debug/pprof/goroutine?debug=1", 200, "text/plain; charset=utf-8"},
		{"GET", "/debug/pprof/symbol", 200, "text/plain; charset=utf-8"},
		{"GET", "/v1/reload", 405, ""},
		{"POST", "/v1/reload", 405, ""},
		{"DELETE", "/v1/routes", 405, ""},
		{"POST", "/v1/metrics", 405, ""},
		{"GET", "/v1/", 404, ""},
		{"GET", "/v2/ready", 404, ""},
		{"GET", "/v1/ready/", 404, ""},
	} {
		a := g.api(test.method, test.path)
		if a.status != test.status || test.typ != "" && a.header.Get("Content-Type") != test.typ {
			t.Errorf("%s %s: %d %q", test.method, test.path, a.status, a.header.Get("Content-Type"))
		}
	}
}

func TestAdminReload(t *testing.T) {
	t.Parallel()
	g := start(t, "").awaitReady()
	write(t, g.file, complete(route("a", "/", "none")+perClient(-1, "client.ip")))
	a := g.api("PUT", "/v1/reload")
	v := decode[struct {
		OK          bool
		Generation  uint64
		Diagnostics string
	}](t, a)
	if a.status != 422 || v.OK || v.Generation != 1 || !strings.Contains(v.Diagnostics, "lictor.hcl line ") || !strings.Contains(v.Diagnostics, "burst = -1") {
		t.Errorf("%d %s", a.status, a.body)
	}
	write(t, g.file, complete(route("a", "/", "none")))
	a = g.api("PUT", "/v1/reload")
	if want := "{\n  \"ok\": true,\n  \"generation\": 2\n}\n"; a.status != 200 || a.body != want {
		t.Errorf("%d %s", a.status, a.body)
	}
}

func TestMetricsCanBeTurnedOff(t *testing.T) {
	t.Parallel()
	g := start(t, "telemetry {\n  prometheus = false\n}\n")
	for _, path := range []string{"/v1/metrics", "/v1/metrics?format=json"} {
		if a := g.api("GET", path); a.status != 404 {
			t.Errorf("%s: %d", path, a.status)
		}
	}
}
