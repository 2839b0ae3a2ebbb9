package agent

import (
	"slices"
	"strings"
	"testing"

	"github.com/lictor/lictor/agent/config"
	"github.com/lictor/lictor/catalog"
)

// The gateway's own datacenter is the first unless it is listed, by the name
// that is known by now.
func TestDatacentersInOrder(t *testing.T) {
	for _, tc := range []struct {
		own  string
		list []string
		want string
	}{
		{"dc1", []string{"dc2", "dc3"}, "web web@dc=dc2 web@dc=dc3"},
		{"dc1", []string{"dc1"}, "web"},
		{"dc1", []string{"dc2", "dc1", "dc3"}, "web@dc=dc2 web web@dc=dc3"},
		{"dc3", []string{"dc2", "dc1", "dc3"}, "web@dc=dc2 web@dc=dc1 web"},
		{"", []string{"dc2", "dc1"}, "web web@dc=dc2 web@dc=dc1"},
	} {
		if got := strings.Join(inOrder("web", tc.own, tc.list), " "); got != tc.want {
			t.Errorf("%q in %q: %s, want %s", tc.list, tc.own, got, tc.want)
		}
	}
}

// What the mesh protects is never spoken to in clear, wherever it is: neither
// before that is certain nor once the service has been seen to offer the mesh.
func TestDatacentersAndTheMesh(t *testing.T) {
	const web, web2, web3 = "web", "web@dc=dc2", "web@dc=dc3"
	side := catalog.MeshName
	inClear := func(names ...string) map[string][]string {
		m := map[string][]string{}
		for _, n := range names {
			m[n], m[side(n)] = []string{"up"}, nil
		}
		return m
	}
	in2 := inClear(web, web2, web3)
	in2[side(web2)] = []string{"up"}
	here := inClear(web, web2, web3)
	here[side(web)] = []string{"up"}
	for name, tc := range map[string]struct {
		mode string
		said []map[string][]string
		want string // the pool's services
		all  bool   // whether other datacenters are followed
	}{
		"not known":              {config.MeshAuto, nil, side(web), false},
		"nobody offers it":       {config.MeshAuto, []map[string][]string{inClear(web, web2, web3)}, "web web@dc=dc2 web@dc=dc3", true},
		"known of one alone":     {config.MeshAuto, []map[string][]string{inClear(web, web3)}, "web web@dc=dc3", true},
		"known of ours alone":    {config.MeshAuto, []map[string][]string{inClear(web)}, web, true},
		"another one offers it":  {config.MeshAuto, []map[string][]string{in2}, "web web@dc=dc3", true},
		"another one comes to":   {config.MeshAuto, []map[string][]string{inClear(web, web2, web3), in2}, "web web@dc=dc3", true},
		"and has nobody left":    {config.MeshAuto, []map[string][]string{in2, inClear(web, web2, web3)}, "web web@dc=dc3", true},
		"ours offers it":         {config.MeshAuto, []map[string][]string{here}, side(web), false},
		"ours comes to offer it": {config.MeshAuto, []map[string][]string{inClear(web, web2, web3), here}, side(web), false},
		"past the mesh":          {config.MeshOff, []map[string][]string{in2}, "web web@dc=dc2 web@dc=dc3", true},
	} {
		a, m := newTestMesh()
		a.config, a.mesh = &config.Config{}, m
		for _, said := range tc.said {
			m.learn(a, snapshot(said))
		}
		r := &config.Route{Name: "r", Service: web, Mesh: tc.mode, Datacenters: []string{"dc2", "dc3"}}
		w := a.elsewhere(m.way(a.config, r), r)
		if got := strings.Join(append([]string{w.pool}, w.fallbacks...), " "); got != tc.want {
			t.Errorf("%s: goes to %s, want %s", name, got, tc.want)
		}
		if got := slices.Contains(w.followed, web2) && slices.Contains(w.followed, web3); got != tc.all {
			t.Errorf("%s: follows %q", name, w.followed)
		}
		if tc.mode == config.MeshAuto && tc.all && !slices.Contains(w.followed, side(web2)) {
			t.Errorf("%s: does not look whether others offer the mesh: %q", name, w.followed)
		}
	}
}

// A gateway with three datacenters, from its file to what its API and metrics
// say; the middle one never answers, and holds nobody up.
func TestDatacenters(t *testing.T) {
	t.Parallel()
	consul := newFakeConsul(t)
	here, there := says(t, "here"), says(t, "there")
	consul.set("web", here.String())
	consul.change(func() { consul.lost = "dc2" })
	// The fake's instances are on our own node, but for those elsewhere.
	consul.set("web@dc=dc3", there.String())
	route := `route "web" {
  path_prefix = "/"
  service     = "web"
  datacenters = ["dc2", "dc3"]
}
route "ours-last" {
  path        = "/last"
  service     = "web"
  datacenters = ["dc2", "dc1"]
}
`
	g := start(t, consul.block(`zone = "a"`)+route).awaitReady()
	type answer struct {
		Services []ServiceInfo
		Failover []FailoverInfo
	}
	var v answer
	eventually(t, "the gateway knows which datacenter and node are its own, and has asked for all services", func() bool {
		v = decode[answer](t, g.api("GET", "/v1/services"))
		var orders []string
		for _, f := range v.Failover {
			orders = append(orders, strings.Join(f.Datacenters, " ")+": "+f.Serving)
		}
		asked := slices.ContainsFunc(v.Services, func(s ServiceInfo) bool { return s.Name == "web@dc=dc2" && s.Error != "" })
		return asked && slices.Equal(orders, []string{"dc1 dc2 dc3: dc1", "dc2 dc1: dc1"})
	})
	if a := g.get("/"); a.body != "here" {
		t.Fatalf("%d %s", a.status, a.body)
	}
	if a := g.get("/last"); a.body != "here" {
		t.Fatalf("%d %s", a.status, a.body)
	}
	for _, f := range v.Failover {
		if f.Service != "web" || f.Switches != 0 {
			t.Errorf("%+v", f)
		}
	}
	of := map[string]ServiceInfo{}
	for _, s := range v.Services {
		of[s.Name] = s
	}
	if s := of["web@dc=dc3"]; s.Datacenter != "dc3" || len(s.Instances) != 1 || !strings.Contains(s.Instances[0].Why, "loopback") {
		t.Errorf("%+v", s)
	}
	if s := of["web@dc=dc2"]; s.Known || !strings.Contains(s.Error, "No path to datacenter") {
		t.Errorf("%+v", s)
	}
	text := g.api("GET", "/v1/metrics").body
	for _, want := range []string{
		`lictor_failover_serving{datacenter="dc1",route="web"} 1`,
		`lictor_failover_serving{datacenter="dc3",route="web"} 0`,
		`lictor_failover_serving{datacenter="dc1",route="ours-last"} 1`,
		`lictor_failover_switches_total{route="web"} 0`,
	} {
		if !strings.Contains(text, want+"\n") {
			t.Errorf("the metrics lack %s", want)
		}
	}
	// No datacenter has a healthy instance: that of dc3 is on another machine's
	// loopback address.
	consul.set("web")
	eventually(t, "nobody serves", func() bool { return g.get("/").status == 503 })
	if a := g.get("/"); !strings.Contains(a.body, "no-healthy-instance") {
		t.Errorf("%s", a.body)
	}
	if a := g.get("/last"); !strings.Contains(a.body, "service-not-registered") {
		t.Errorf("%s", a.body)
	}
	if f := decode[answer](t, g.api("GET", "/v1/services")).Failover[0]; f.Serving != "" || f.Switches != 1 {
		t.Errorf("%+v", f)
	}
}

// A route whose instances a prepared query finds.
func TestPreparedQuery(t *testing.T) {
	t.Parallel()
	consul := newFakeConsul(t)
	one := says(t, "one")
	consul.set("nearest@query", one.String())
	g := start(t, consul.block()+`route "q" {
  path_prefix    = "/q"
  prepared_query = "nearest"
}
route "gone" {
  path_prefix    = "/gone"
  prepared_query = "gone"
}
`).awaitReady()
	if a := g.get("/q"); a.body != "one" {
		t.Errorf("%d %s", a.status, a.body)
	}
	if a := g.get("/gone"); a.status != 503 || !strings.Contains(a.body, "service-not-registered") {
		t.Errorf("%d %s", a.status, a.body)
	}
	type answer struct{ Routes []RouteInfo }
	for _, r := range decode[answer](t, g.api("GET", "/v1/routes")).Routes {
		if r.Name == "q" && (r.Prepared != "nearest" || r.Service != "nearest@query") {
			t.Errorf("%+v", r)
		}
	}
}
