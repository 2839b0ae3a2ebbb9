package agent

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/go-hclog"

	"github.com/lictor/lictor/agent/config"
	"github.com/lictor/lictor/catalog"
	"github.com/lictor/lictor/catalog/connect"
	"github.com/lictor/lictor/proxy"
	"github.com/lictor/lictor/proxy/upstream"
)

// divided is a block for a route that divides its requests: "service weight".
func divided(name, prefix string, shares ...string) string {
	text := fmt.Sprintf("route %q {\n  path_prefix = %q\n", name, prefix)
	for _, s := range shares {
		service, weight, _ := strings.Cut(s, " ")
		text += fmt.Sprintf("  split %q {\n    weight = %s\n  }\n", service, weight)
	}
	return text + "}\n"
}

// who asks n times and says in which order instances answered.
func (g *gateway) who(path string, n int) string {
	g.t.Helper()
	var order []string
	for range n {
		a := g.get(path)
		if a.status != 200 {
			g.t.Fatalf("%s: %d %s", path, a.status, a.body)
		}
		order = append(order, a.body)
	}
	return strings.Join(order, "")
}

// The configuration and what divides the requests have the same bounds.
func TestSplitBounds(t *testing.T) {
	if config.MaxShares != upstream.MaxShares || config.MaxShareWeight != upstream.MaxShareWeight {
		t.Error("the bounds of a split differ")
	}
}

// Requests are divided by weight, the log says who had each, and a reload that leaves
// the weights alone goes on with the turn; another route has a turn of its own.
func TestSplit(t *testing.T) {
	t.Parallel()
	log := filepath.Join(t.TempDir(), "access.log")
	services := service("stable", says(t, "a")) + service("canary", says(t, "b"))
	text := logTo(log, "json") + services
	g := start(t, text+divided("web", "/", "stable 3", "canary 1")+divided("other", "/other", "stable 1", "canary 1")).awaitReady()
	if got := g.who("/", 8); got != "aabaaaba" {
		t.Errorf("answered by %s", got)
	}
	if got := g.who("/other", 3); got != "aba" {
		t.Errorf("the other route is answered by %s", got)
	}
	g.accept(text + divided("web", "/", "stable 3", "canary 1") + divided("other", "/other", "stable 1", "canary 1") + route("more", "/more", "stable"))
	if got := g.who("/other", 3); got != "bab" {
		t.Errorf("after a reload the other route is answered by %s", got)
	}
	g.accept(text + divided("web", "/", "stable 0", "canary 1"))
	if got := g.who("/", 4); got != "bbbb" {
		t.Errorf("with all weight on one, answered by %s", got)
	}
	g.accept(text + route("web", "/", "stable"))
	if got := g.who("/", 4); got != "aaaa" {
		t.Errorf("without a split, answered by %s", got)
	}
	g.stop()
	g.await()
	written, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	for service, want := range map[string]int{"stable": 6 + 3 + 4, "canary": 2 + 3 + 4} {
		if got := strings.Count(string(written), `"service":"`+service+`"`); got != want {
			t.Errorf("%d lines of the service %s, want %d, in\n%s", got, service, want, written)
		}
	}
}

// A full share refuses its own requests and no others, and the log says which it is.
func TestFullShare(t *testing.T) {
	t.Parallel()
	log := filepath.Join(t.TempDir(), "access.log")
	held, free := make(chan struct{}), make(chan struct{})
	slow := instance(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/hold" {
			close(held)
			<-free
		}
		io.WriteString(w, "b")
	})
	text := strings.Replace(divided("web", "/", "stable 1", "canary 1"), "path_prefix", "max_connections = 1\n  path_prefix", 1)
	// An instance is let go of after its answer has gone out, so each request to the
	// other share has one of its own.
	g := start(t, logTo(log, "json")+service("stable", says(t, "a"), says(t, "a"), says(t, "a"))+service("canary", slow)+text).awaitReady()
	g.get("/")
	done := make(chan struct{})
	go func() {
		defer close(done)
		if resp, err := http.Get("http://" + g.address().String() + "/hold"); err == nil {
			resp.Body.Close()
		}
	}()
	<-held
	for i, want := range []int{200, 503, 200, 503} {
		if a := g.get("/x"); a.status != want {
			t.Errorf("request %d: %d %s, want %d", i, a.status, a.body, want)
		}
	}
	close(free)
	<-done
	g.stop()
	g.await()
	for _, line := range lines(t, log) {
		if strings.Contains(line, `"status":503`) != strings.Contains(line, `"instance":""`) || strings.Contains(line, `"status":503`) && !strings.Contains(line, `"service":"canary"`) {
			t.Error(line)
		}
	}
}

// A share whose service goes away has its requests given to the others, none of which
// fails, and is followed again as soon as it is back. Services are watched for as long
// as a share names them.
func TestSplitFollowsCatalog(t *testing.T) {
	t.Parallel()
	f := newFakeConsul(t)
	a, b := says(t, "a").String(), says(t, "b").String()
	f.set("stable", a)
	f.set("canary", b)
	g := start(t, f.block()+divided("web", "/", "stable 1", "canary 1")).awaitReady()
	if got := g.who("/", 4); got != "abab" {
		t.Errorf("answered by %s", got)
	}
	f.set("canary")
	eventually(t, "the canary's requests go to the other", func() bool { return g.who("/", 4) == "aaaa" })
	f.set("canary", b)
	eventually(t, "the canary is back", func() bool { return strings.Contains(g.who("/", 2), "b") })
	eventually(t, "the log tells of it", func() bool { // once the instance is asked already
		return g.log.count("share without a healthy instance") == 1 && g.log.count("share has a healthy instance again") == 1
	})
	f.set("stable")
	f.set("canary")
	eventually(t, "nobody is left", func() bool { return g.get("/").status == 503 })
	f.set("stable", a)
	g.accept(f.block() + route("web", "/", "stable"))
	if slices.Contains(g.current.Load().services, "canary") {
		t.Error("the canary is still followed")
	}
}

// Every share is shown, with what it gets and has had, and which one would be next.
func TestSplitIsShown(t *testing.T) {
	t.Parallel()
	text := service("stable", says(t, "a")) + service("other", says(t, "b")) + newFakeConsul(t).block() + `route "web" {
  path_prefix = "/"
  split "stable" {
    weight = 2
  }
  split "other" {
    weight = 1
  }
  split "missing" {
    weight = 1
    tags   = ["v2", "blue"]
    port   = "http"
  }
}
`
	g := start(t, text).awaitReady()
	if got := g.who("/", 4); got != "abaa" {
		t.Errorf("answered by %s", got)
	}
	routes := decode[struct{ Routes []RouteInfo }](t, g.api("GET", "/v1/routes")).Routes
	if r := routes[0]; r.Service != "stable, other, missing" || len(r.Split) != 3 {
		t.Fatalf("%+v", r)
	}
	for i, want := range []string{"stable 66.7% (due 50%)", "other 33.3% (due 25%)", "missing[blue,v2]:http 0% (due 25%)"} {
		if got := routes[0].Split[i].String(); got != want {
			t.Errorf("share %d: %s, want %s", i, got, want)
		}
	}
	for i, want := range []uint64{3, 1, 0} {
		if got := routes[0].Split[i].Requests; got != want {
			t.Errorf("share %d: %d requests, want %d", i, got, want)
		}
	}
	row := dashboard{g.Agent}.State(false).Routes["web"].(routeRow)
	if row.Service != "stable 66.7% (due 50%), other 33.3% (due 25%), missing[blue,v2]:http 0% (due 25%)" {
		t.Errorf("the dashboard shows %q", row.Service)
	}
	for _, next := range []string{"other", "stable", "stable"} {
		for range 2 { // to ask takes no turn
			e, err := g.Explain(&ExplainRequest{URL: "http://a/x"})
			if err != nil || !e.Outcome.Reaches {
				t.Fatalf("%v, %+v", err, e)
			}
			if len(e.Upstream.Services) != 3 {
				t.Fatalf("%+v", e.Upstream)
			}
			for _, s := range e.Upstream.Services {
				if s.Share == nil || s.Share.Service != s.Name || s.Spoken != "clear" || s.Next != (s.Name == next) {
					t.Errorf("%+v, though %s is next", s, next)
				}
			}
		}
		g.get("/")
	}
	metrics := g.api("GET", "/v1/metrics").body
	for _, want := range []string{
		`lictor_split_share{port="",route="web",service="stable",tags=""} 0.66`,
		`lictor_split_share{port="http",route="web",service="missing",tags="blue,v2"} 0`,
		`lictor_split_requests_total{port="",route="web",service="stable",tags=""} 5`,
		`lictor_split_requests_total{port="",route="web",service="other",tags=""} 2`,
	} {
		if !strings.Contains(metrics, "\n"+want) {
			t.Errorf("the metrics lack %s", want)
		}
	}
	shown := g.api("GET", "/v1/config").body
	if !strings.Contains(shown, `"split"`) || !strings.Contains(shown, `"missing"`) {
		t.Error("/v1/config does not show the split")
	}
}

// Each share goes to its service as a route to it alone would: through the mesh or in
// clear, each with the identity that is expected there.
func TestSplitAndTheMesh(t *testing.T) {
	a, m := newTestMesh()
	a.config, a.mesh, a.log = &config.Config{}, m, hclog.NewInterceptLogger(&hclog.LoggerOptions{Level: hclog.Off})
	a.set = upstream.NewSet(upstream.Options{})
	side := catalog.MeshName
	m.learn(a, snapshot(map[string][]string{"inner": {"up"}, side("inner"): {"up"}, "outer": {"up"}, side("outer"): nil}))
	r := &config.Route{Name: "r", Mesh: config.MeshAuto, Balance: "least_conn", Split: []config.Share{
		{Service: "inner", Weight: 1}, {Service: "inner", Weight: 1, Tags: []string{"v2"}}, {Service: "outer", Weight: 1}, {Service: "inner", Weight: 1, Port: "http"},
	}}
	g := &generation{config: a.config}
	out := &proxy.Route{}
	if err := a.send(g, r, out); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, w := range out.Ways {
		d, _ := w.TLS.(*connect.Destination)
		text := w.Name + " " + w.Service
		if d != nil {
			text += " as " + d.Service()
		}
		got = append(got, text)
	}
	want := []string{side("inner") + " inner as inner", "outer outer", "inner inner"}
	if !slices.Equal(got, want) {
		t.Errorf("ways %q, want %q", got, want)
	}
	if n := len(out.Pool.Spec().Split); n != 4 {
		t.Errorf("%d shares", n)
	}
	if d := destinations(out); len(d) != 1 || d[0].Service() != "inner" {
		t.Errorf("destinations %v", d)
	}
	for _, name := range []string{"inner", "outer", side("inner")} {
		if !slices.Contains(g.services, name) {
			t.Errorf("%s is not followed: %q", name, g.services)
		}
	}
}
