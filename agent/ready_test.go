package agent

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
)

// reasons are those of a gateway that is not ready, in one line.
func (g *gateway) reasons() string { return strings.Join(g.NotReady(), "; ") }

func TestReadyOnceEveryServiceWasAnswered(t *testing.T) {
	t.Parallel()
	consul := newFakeConsul(t)
	consul.silent = true
	one := says(t, "one")
	consul.set("web", one.String())
	g := start(t, consul.block()+service("legacy", one)+route("web", "/web", "web")+route("legacy", "/legacy", "legacy")+
		"listener \"public\" {\n  address = \"127.0.0.1:0\"\n  health_path = \"/healthy\"\n}\n")
	// Consul is asked for the static service too, to tell when it has it, and not
	// waited for.
	want := `consul has not answered yet for 1 of the routed services: ["web"]`
	eventually(t, "only Consul is waited for", func() bool { return g.reasons() == want })
	type ready struct {
		Ready   bool
		Reasons []string
	}
	if a := g.api("GET", "/v1/ready"); a.status != 503 {
		t.Errorf("status %d %s", a.status, a.body)
	} else if v := decode[ready](t, a); v.Ready || !slices.Equal(v.Reasons, []string{want}) {
		t.Errorf("%s", a.body)
	}
	if a := g.get("/healthy"); a.status != 503 {
		t.Errorf("the health path answers %d", a.status)
	}
	if a := g.api("GET", "/v1/health"); a.status != 200 {
		t.Errorf("the process is alive, and health says %d", a.status)
	}

	consul.change(func() { consul.silent = false })
	g.awaitReady()
	if a := g.get("/web"); a.body != "one" { // ready means that the very next request is served
		t.Errorf("ready, and the answer is %d %s", a.status, a.body)
	}
	if a := g.get("/healthy"); a.status != 200 {
		t.Errorf("the health path answers %d", a.status)
	}
	if a := g.api("GET", "/v1/ready"); a.status != 200 || !strings.Contains(a.body, `"reasons": []`) {
		t.Errorf("%d %s", a.status, a.body)
	}

	// Latched: a service that a reload adds does not unready.
	consul.change(func() { consul.silent = true })
	g.accept(consul.block() + route("web", "/web", "web") + route("more", "/more", "more"))
	eventually(t, "the new service is asked for", func() bool { return len(g.sources[1].Status().Pending) > 0 })
	if why := g.reasons(); why != "" {
		t.Errorf("a reload made it unready: %s", why)
	}
}

// A static service whose instances have not been checked yet is not answered.
func TestReadyWaitsForTheFirstCheck(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	slow := instance(t, func(http.ResponseWriter, *http.Request) { <-release })
	block := strings.Replace(service("s", slow), "}\n}\n", "}\n  check {\n    http = \"/\"\n    timeout = \"1m\"\n    interval = \"2m\"\n  }\n}\n", 1)
	g := start(t, block+route("s", "/", "s"))
	want := `static has not answered yet for 1 of the routed services: ["s"]`
	eventually(t, "the check is waited for", func() bool { return g.reasons() == want })
	close(release)
	g.awaitReady()
}

func TestReadyFailsWhenTheCatalogIsOld(t *testing.T) {
	t.Parallel()
	consul := newFakeConsul(t)
	consul.set("web", says(t, "one").String())
	g := start(t, consul.block(`max_stale = "1s"`)+route("web", "/web", "web")).awaitReady()
	consul.change(func() { consul.broken = true })
	eventually(t, "the catalog is too old", func() bool {
		return strings.Contains(g.reasons(), "old, more than max_stale 1s")
	})
	if a := g.get("/web"); a.body != "one" {
		t.Errorf("traffic does not flow any more: %d %s", a.status, a.body)
	}
	consul.change(func() { consul.broken = false })
	g.awaitReady()
}

// A gateway without routes has nothing to wait for.
func TestReadyWithoutRoutes(t *testing.T) {
	t.Parallel()
	start(t, "").awaitReady()
}

func TestRegistrationFollowsReadiness(t *testing.T) {
	t.Parallel()
	consul := newFakeConsul(t)
	g := start(t, consul.block("service {\n    name = \"edge\"\n  }")+"drain {\n  delay = \"1m\"\n}\n")
	eventually(t, "it is registered as passing", func() bool { return consul.state() == "passing" })
	g.stop()
	eventually(t, "draining, it is critical", func() bool { return consul.state() == "critical" })
	g.hurry()
	g.await()
	if s := consul.state(); s != "" {
		t.Errorf("it has stopped, and is %s in Consul", s)
	}
}

func TestWarnsOnceOfAServiceThatIsNotRegistered(t *testing.T) {
	t.Parallel()
	consul := newFakeConsul(t)
	consul.silent = true
	one := says(t, "one")
	g := start(t, consul.block()+route("web", "/web", "web")+route("api", "/api", "web")+route("s", "/s", "legacy")+service("legacy", one))
	eventually(t, "the static source has answered", func() bool { return g.sources[0].applied.Load() != nil })
	const warning, back = "no such service is registered: service=web", "service is registered now: service=web"
	if n := g.log.count(warning); n != 0 {
		t.Errorf("warned before Consul has answered:\n%s", g.log)
	}
	consul.change(func() { consul.silent = false })
	eventually(t, "it is warned", func() bool { return g.log.count(warning) == 1 })
	if n := g.log.count(warning + " routes=[\"web\", \"api\"]"); n != 1 {
		t.Errorf("the routes are not named:\n%s", g.log)
	}
	if a := g.get("/web"); a.status != 503 || !strings.Contains(a.body, "service-not-registered") {
		t.Errorf("%d %s", a.status, a.body)
	}

	// Another change of the catalog, and a reload, say nothing new.
	consul.set("other", one.String())
	g.accept(consul.block() + route("web", "/web", "web") + route("other", "/other", "other") + service("legacy", one))
	eventually(t, "the other service is there", func() bool { return g.get("/other").body == "one" })

	consul.set("web", one.String())
	eventually(t, "it is told that the service is there", func() bool { return g.log.count(back) == 1 })
	if n := g.log.count(warning); n != 1 {
		t.Errorf("warned %d times:\n%s", n, g.log)
	}
	consul.set("web")
	eventually(t, "it is warned again", func() bool { return g.log.count(warning) == 2 })
	for _, wrong := range []string{"registered: service=legacy", "registered: service=other"} {
		if g.log.count(wrong) != 0 {
			t.Errorf("warned of a service that is there:\n%s", g.log)
		}
	}
}

func TestWarnsOfAServiceThatAReloadRemoves(t *testing.T) {
	t.Parallel()
	g := start(t, service("s", says(t, "one"))+route("s", "/", "s")).awaitReady()
	const warning = "no such service is registered: service=s"
	if g.log.count(warning) != 0 {
		t.Error("warned of a service that is there")
	}
	g.accept(route("s", "/", "s"))
	eventually(t, "it is warned", func() bool { return g.log.count(warning) == 1 })
	g.accept("") // nobody asks for it any more
	g.accept(route("s", "/", "s"))
	eventually(t, "it is warned anew", func() bool { return g.log.count(warning) == 2 })
}

func TestWarnsOnceOfAServiceOfTwoSources(t *testing.T) {
	t.Parallel()
	consul := newFakeConsul(t)
	one, two := says(t, "static"), says(t, "consul")
	consul.set("s", two.String())
	text := consul.block() + service("s", one) + route("s", "/", "s")
	g := start(t, text).awaitReady()
	const warning = "service is known to two sources: service=s used=static ignored=consul"
	eventually(t, "it is warned", func() bool { return g.log.count(warning) == 1 })
	if a := g.get("/"); a.body != "static" {
		t.Errorf("%d %s", a.status, a.body)
	}
	g.accept(text)
	consul.set("s", two.String(), one.String())
	eventually(t, "the change is applied", func() bool {
		return len(g.sources[1].applied.Load().Services["s"].Instances) == 2
	})
	if n := g.log.count(warning); n != 1 {
		t.Errorf("warned %d times", n)
	}
}

// Ready means that the routes are where Consul's answers have them, too: one that is
// left to Consul waits at the mesh's side until it is told that it goes in clear.
func TestReadyOnceRoutesGoWhereConsulSays(t *testing.T) {
	t.Parallel()
	consul := newFakeConsul(t)
	consul.silent = true
	consul.set("web", says(t, "one").String())
	g := start(t, consul.block("service {\n    name = \"edge\"\n  }", "connect {\n    enabled = true\n  }")+route("web", "/web", "web"))
	g.reloading.Lock() // routes don't follow meanwhile
	consul.change(func() { consul.silent = false })
	eventually(t, "Consul's answers are applied", func() bool {
		snap := g.sources[1].applied.Load()
		return snap != nil && snap.Services["web"].Registered() && snap.Services["web@mesh"] != nil
	})
	why := g.reasons()
	g.reloading.Unlock()
	if !strings.Contains(why, "routes are about to go where Consul says by now") {
		t.Errorf("not ready because %q", why)
	}
	g.awaitReady()
	if a := g.get("/web"); a.body != "one" {
		t.Errorf("ready, and the answer is %d %s", a.status, a.body)
	}
}

// That every service has been answered is not said before there are routes: policies
// that come later bring services of their own.
func TestReadyOnceThePoliciesServicesAreAnswered(t *testing.T) {
	t.Parallel()
	c := newKVConsul(t)
	c.silent, c.away = true, true
	c.set("web", says(t, "one").String())
	c.put("web.hcl", route("web", "/web", "web"))
	g := start(t, c.block(""))
	if why := g.reasons(); !strings.Contains(why, "can't be read") {
		t.Errorf("not ready because %q", why)
	}
	c.edit(func() { c.away = false })
	eventually(t, "the policies are taken up", func() bool { return g.current.Load().kv != nil })
	if why := g.reasons(); !strings.Contains(why, `for 1 of the routed services: ["web"]`) {
		t.Errorf("not ready because %q", why)
	}
	c.change(func() { c.silent = false })
	g.awaitReady()
	if a := g.get("/web"); a.body != "one" {
		t.Errorf("ready, and the answer is %d %s", a.status, a.body)
	}
}

// The first fetch of keys is the last thing that a start waits for: it listens before,
// and is ready once it is over, whatever came of it.
func TestReadyOnceKeysWereAskedFor(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		w.WriteHeader(http.StatusInternalServerError)
	}))
	t.Cleanup(server.Close)
	g, err := build(t, fmt.Sprintf(`
jwt "main" {
  issuer = "https://id.example.com"
  json_web_key_set {
    remote {
      uri = %q
    }
  }
}
`, server.URL)+service("one", says(t, "one"))+route("a", "/a", "one"))
	if err != nil {
		t.Fatal(err)
	}
	const want = `the keys of jwt providers are being fetched for the first time: ["main"]`
	if n := asked.Load(); n != 0 || !strings.Contains(g.reasons(), want) {
		t.Errorf("before it runs the keys were fetched %d times, not ready is %q", n, g.reasons())
	}
	g.run().awaitReady()
	if asked.Load() == 0 {
		t.Error("the keys were not fetched")
	}
	if a := g.get("/a"); a.body != "one" {
		t.Errorf("%d %s", a.status, a.body)
	}
}
