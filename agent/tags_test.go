package agent

import (
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/lictor/lictor/agent/fabio"
)

// tagged registers instances with tags.
func (f *fakeConsul) tagged(name string, at netip.AddrPort, tags ...string) {
	f.set(name, at.String())
	f.tag(name, tags...)
}

func (g *gateway) givesStatus(path string, status int) {
	g.t.Helper()
	eventually(g.t, path+" is answered as it should", func() bool { return g.get(path).status == status })
}

// Tags of services become routes, below those of policies, and follow them.
func TestTagRoutes(t *testing.T) {
	t.Parallel()
	f := newFakeConsul(t)
	f.tagged("shop", says(t, "shop"), "urlprefix-/shop", "v1")
	f.tagged("guarded", says(t, "guarded"), "urlprefix-/taken/deeper", "urlprefix-/own", "urlprefix-/bad strip=/x")
	f.tagged("plain", says(t, "plain"), "v1")
	policy := says(t, "policy")
	g := start(t, f.block("fabio_tags = true")+service("policy", policy)+route("taken", "/taken", "policy")).awaitReady()
	g.gives("/shop/cart", "shop")
	g.gives("/own", "guarded")
	g.gives("/taken/deeper", "policy")
	g.givesStatus("/bad", http.StatusNotFound)
	if g.log.count("only whole segments") != 1 || g.log.count("service=guarded") == 0 {
		t.Errorf("the log does not tell of the bad tag, or not once: %s", g.log)
	}
	if ready := g.api(http.MethodGet, "/v1/ready").body; !strings.Contains(ready, `tag \"urlprefix-/bad strip=/x\": no route is made of it`) {
		t.Errorf("ready says %s", ready)
	}
	routes := g.api(http.MethodGet, "/v1/routes").body
	if strings.Count(routes, `"from": "tag"`) != 3 || strings.Count(routes, `"from": "policy"`) != 1 {
		t.Errorf("the routes are %s", routes)
	}

	f.tag("shop", "urlprefix-/store strip=/store")
	g.gives("/store/cart", "shop")
	g.givesStatus("/shop/cart", http.StatusNotFound)

	// A service that comes later, and one that goes.
	f.tagged("late", says(t, "late"), "urlprefix-/late")
	g.gives("/late", "late")
	f.set("late")
	g.givesStatus("/late", http.StatusNotFound)
	f.tag("shop", "v2")
	g.givesStatus("/store/cart", http.StatusNotFound)
	g.gives("/own", "guarded")
}

// What is registered reaches nothing but itself, and stops nothing.
func TestHostileTags(t *testing.T) {
	t.Parallel()
	f := newFakeConsul(t)
	evil := says(t, "evil")
	f.tagged("evil", evil,
		"urlprefix-/orders", "urlprefix-/orders/deeper", "urlprefix-any.example/", "urlprefix-/healthz",
		"urlprefix-/x\nroute \"y\" {}", "urlprefix-/${file(\"/etc/passwd\")}", "urlprefix-/\" service=\"legacy", "urlprefix-*.*/", "urlprefix-/ok")
	f.tagged("legacy", evil, "urlprefix-/legacy-open")
	f.tagged("orders@mesh", evil, "urlprefix-/mesh")
	f.tagged("orders@dc=dc2", evil, "urlprefix-/elsewhere")
	f.tagged("orders@query", evil, "urlprefix-/query")
	f.tagged("a.json", evil, "urlprefix-/json")
	f.tagged("proxy", evil, "urlprefix-/proxy")
	f.change(func() { f.services["proxy"][0].Service.Kind = api.ServiceKindConnectProxy })
	text := f.block("fabio_tags = true") + service("orders", says(t, "orders")) + service("legacy", says(t, "legacy")) +
		route("orders", "/orders", "orders", `methods = ["GET"]`, `limits = ["tight"]`) + "limit \"token_bucket\" \"tight\" {\n  rate = \"100/s\"\n}\ndefaults {\n  limits = [\"tight\"]\n}\n" +
		"listener \"public\" {\n  address = \"127.0.0.1:0\"\n  health_path = \"/healthz\"\n}\n"
	g := start(t, text).awaitReady()
	g.gives("/ok", "evil")
	g.gives("/json", "evil")
	g.gives("/orders/deeper", "orders")
	if a := ask(t, http.MethodPost, "http://"+g.address().String()+"/orders"); a.status != http.StatusMethodNotAllowed {
		t.Errorf("a method that the policy refuses: %d %s", a.status, a.body)
	}
	if a := g.get("/healthz"); a.body == "evil" {
		t.Error("the gateway's own path went to a service")
	}
	for _, path := range []string{"/legacy-open", "/mesh", "/elsewhere", "/query", "/proxy", "/etc", "/y"} {
		if a := g.get(path); a.status != http.StatusNotFound {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
	}
	// Limits of the defaults block hold for them.
	if routes := g.api(http.MethodGet, "/v1/routes").body; strings.Count(routes, `"tight"`) != strings.Count(routes, `"name"`) {
		t.Errorf("a route without the limit: %s", routes)
	}
	// A policy is taken up all the same, and one that takes a tag's route over too.
	name := ""
	for _, r := range g.current.Load().table.Routes {
		if r.Rule.PathPrefix == "/ok" {
			name = r.Name()
		}
	}
	g.accept(text + route("more", "/more", "orders") + route(name, "/ok", "orders"))
	g.gives("/more", "orders")
	g.gives("/ok", "orders")
}

// Two services that want the same path: the first in the alphabet has it.
func TestTagConflict(t *testing.T) {
	t.Parallel()
	f := newFakeConsul(t)
	f.tagged("b", says(t, "b"), "urlprefix-/x")
	f.tagged("a", says(t, "a"), "urlprefix-/x/ strip=/x")
	g := start(t, f.block("fabio_tags = true")).awaitReady()
	g.gives("/x", "a")
	if g.log.count(`the same host and path is that of the service \"a\"`) != 1 {
		t.Errorf("the log says %s", g.log)
	}
	f.set("a")
	g.gives("/x", "b")
}

// Routes by tags stay while Consul is away, and over a restart without it; before
// the tags are known a gateway is not ready.
func TestTagRoutesWithoutConsul(t *testing.T) {
	t.Parallel()
	f := newFakeConsul(t)
	f.tagged("shop", says(t, "shop"), "urlprefix-/shop strip=/shop")
	text := f.block("fabio_tags = true") + "data_dir = \"" + t.TempDir() + "\"\n"
	g := start(t, text).awaitReady()
	g.gives("/shop", "shop")
	f.change(func() { f.broken = true })
	f.hangUp()
	eventually(t, "it notices", func() bool {
		return strings.Contains(g.api(http.MethodGet, "/v1/ready").body, "the services' tags can't be read")
	})
	g.gives("/shop", "shop")
	g.stop()
	g.await()

	g = start(t, text).awaitReady()
	g.gives("/shop", "shop")
	g.stop()
	g.await()

	g = start(t, f.block("fabio_tags = true"))
	eventually(t, "it is not ready, and says why", func() bool {
		return strings.Contains(strings.Join(g.NotReady(), " "), "consul has not told yet which services have tags for routes: ")
	})
	f.change(func() { f.broken = false })
	g.awaitReady().gives("/shop", "shop")
	if got := g.accept(complete(f.block())).Notes; len(got) != 1 || got[0] != "restart needed: consul changed" {
		t.Errorf("notes %q", got)
	}
}

// Routes by tags that can't be taken up keep nothing else from being changed.
func TestTagsThatAreRefused(t *testing.T) {
	t.Parallel()
	f := newFakeConsul(t)
	f.tagged("shop", says(t, "shop"), "urlprefix-/shop")
	text := f.block("fabio_tags = true") + service("one", says(t, "one"))
	g := start(t, text).awaitReady()
	g.gives("/shop", "shop")
	good := g.tags.latest.Load()
	g.tags.latest.Store(&tagSet{texts: map[string]string{"shop": "route \"shop\" {"}})
	g.accept(text + route("a", "/a", "one"))
	g.gives("/a", "one")
	g.gives("/shop", "shop")
	if ready := g.api(http.MethodGet, "/v1/ready"); ready.status != http.StatusOK || !strings.Contains(ready.body, "the newest routes of services' tags are refused, the ones before stay: tags of ") {
		t.Errorf("ready says %d %s", ready.status, ready.body)
	}
	if _, err := g.reload(text + "route \"b\" {"); err == nil {
		t.Error("a broken file was taken up")
	}
	g.tags.latest.Store(good)
	g.accept(text)
	f.tag("shop", "urlprefix-/store")
	g.gives("/store", "shop")
	if ready := g.api(http.MethodGet, "/v1/ready"); !strings.Contains(ready.body, `"warnings": []`) {
		t.Errorf("ready says %s", ready.body)
	}
}

// Who changes his tags all the time keeps nobody else's from being taken up, nor
// the pools from knowing.
func TestTagsThatNeverRest(t *testing.T) {
	t.Parallel()
	f := newFakeConsul(t)
	f.tagged("restless", says(t, "restless"), "urlprefix-/restless-0")
	f.tagged("shop", says(t, "shop"), "urlprefix-/shop")
	g := start(t, f.block("fabio_tags = true")).awaitReady()
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for n := 1; ; n++ {
			select {
			case <-done:
				return
			case <-time.After(time.Millisecond):
				f.tag("restless", "urlprefix-/restless-"+strconv.Itoa(n))
			}
		}
	})
	g.gives("/shop", "shop")
	begun := g.current.Load().number
	f.tagged("shop", says(t, "moved"), "urlprefix-/store")
	g.gives("/store", "moved")
	f.tagged("shop", says(t, "again"), "urlprefix-/store")
	g.gives("/store", "again")
	close(done)
	wg.Wait()
	if n := g.current.Load().number - begun; n > 30 {
		t.Errorf("%d reloads for two changes", n)
	}
}

// Instances that come and go with the same tags need no other routes.
func TestMark(t *testing.T) {
	t.Parallel()
	of := func(lists ...string) string {
		s := &fabio.Service{Name: "web"}
		for i, l := range lists {
			s.Instances = append(s.Instances, fabio.Instance{Key: strconv.Itoa(i), Tags: strings.Fields(l)})
		}
		return mark(s)
	}
	const a, b = "urlprefix-/a", "urlprefix-/b"
	for _, c := range []struct {
		x, y string
		same bool
	}{
		{of(a), of(a, a), true},
		{of(a + " v1"), of(a+" v2", a), true},
		{of(a + " " + b), of(b + " " + a), true},
		{of(a), of(b), false},
		{of(a), of(a, ""), false},
		{of(a, b), of(a, b, b), false},
		{of(), of(""), false},
	} {
		if (c.x == c.y) != c.same {
			t.Errorf("%q and %q", c.x, c.y)
		}
	}
}

// What the package of tags writes is what the gateway's own steps read.
func TestFabioOptions(t *testing.T) {
	t.Parallel()
	for _, tag := range []string{
		"urlprefix-/a strip=/a prepend=/b", "urlprefix-a.com/ redirect=301,https://$host$path", "urlprefix-/a redirect=303,https://www.foo.com$path",
		"urlprefix-/a strip=/a redirect=307,https://www.foo.com/b$path?c=d", "urlprefix-a.com:80/foo redirect=302,https://a.com$path",
		"urlprefix-/a allow=ip:10.0.0.0/8,ip:fe80::/10", "urlprefix-/a deny=ip:fe80::1234,100.123.0.0/16", "urlprefix-/a* proto=https host=x.internal",
	} {
		r := fabio.Build([]fabio.Service{{Name: "web", Instances: []fabio.Instance{{Key: "n/1", Tags: []string{tag}}}}}, FabioOptions("dc1"))
		if len(r.Routes) != 1 {
			t.Errorf("%s: %v", tag, r.Warnings)
		}
	}
	// On a route for any host $host would be whatever a request says.
	r := fabio.Build([]fabio.Service{{Name: "web", Instances: []fabio.Instance{{Key: "n/1", Tags: []string{"urlprefix-/a redirect=301,https://$host$path"}}}}}, FabioOptions(""))
	if len(r.Routes) != 0 || len(r.Warnings) != 1 || !strings.Contains(r.Warnings[0].Text, "name the route's hosts") {
		t.Errorf("got %d routes, %v", len(r.Routes), r.Warnings)
	}
}

// tagOne gives one instance of a service these tags.
func (f *fakeConsul) tagOne(service string, n int, tags ...string) {
	f.change(func() {
		e := *f.services[service][n]
		s := *e.Service
		s.Tags, e.Service = tags, &s
		f.services[service][n] = &e
	})
}

// Instances get other tags one after the other, as when a version is rolled out, so
// that for a while their options differ. No request finds a route without instances:
// neither before the pools know of the new tags nor when the next ones come while the
// former are being taken up.
func TestTagsChangeOneByOne(t *testing.T) {
	t.Parallel()
	f := newFakeConsul(t)
	f.set("web", says(t, "web").String(), says(t, "web").String())
	f.tag("web", "urlprefix-/web strip=/web")
	g := start(t, f.block("fabio_tags = true")).awaitReady()
	g.gives("/web", "web")
	served := func(when string) {
		t.Helper()
		for range 20 {
			if a := g.get("/web"); a.status != http.StatusOK && !t.Failed() {
				t.Errorf("%s: %d %s", when, a.status, a.body)
			}
		}
	}
	taken := func() bool {
		g.tags.mu.Lock()
		defer g.tags.mu.Unlock()
		return len(g.tags.pending) == 0
	}
	// The tag that is first in the alphabet counts where as many carry another.
	for _, option := range []string{" host=a.example", "", " strip=/web", " host=a.example", ""} {
		tag := "urlprefix-/web" + option
		g.reloading.Lock()
		made, began := g.tags.latest.Load(), g.current.Load().number
		f.tagOne("web", 0, tag)
		eventually(t, "routes are made of the first's tags", func() bool { return g.tags.latest.Load() != made })
		g.tags.mu.Lock()
		mark := g.tags.marks["web"]
		g.tags.mu.Unlock()
		f.tagOne("web", 1, tag)
		eventually(t, "the second's tags have come", func() bool {
			g.tags.mu.Lock()
			defer g.tags.mu.Unlock()
			return g.tags.marks["web"] != mark
		})
		g.tags.applying.Lock() // what the pools know stays
		g.reloading.Unlock()
		eventually(t, "routes of the first's tags serve", func() bool { return g.current.Load().number > began })
		served("before the pools know of the first's tags")
		g.tags.applying.Unlock()
		eventually(t, "the second's tags are taken up", func() bool {
			served("while the second's tags are taken up")
			return taken()
		})
		served("once all are taken up")
	}
}
