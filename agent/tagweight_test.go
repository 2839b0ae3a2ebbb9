package agent

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/hashicorp/consul/api"

	"github.com/lictor/lictor/agent/fabio"
	"github.com/lictor/lictor/catalog"
)

// health says how the checks of the first n instances of a service are.
func (f *fakeConsul) health(service, status string, n int) {
	f.change(func() {
		for i := range n {
			e := *f.services[service][i]
			check := *e.Checks[0]
			check.Status = status
			e.Checks = api.HealthChecks{&check}
			f.services[service][i] = &e
		}
	})
}

// weights writes how the requests of the only route are divided.
func (g *gateway) weights() string {
	g.t.Helper()
	var all []string
	for _, r := range decode[struct{ Routes []RouteInfo }](g.t, g.api(http.MethodGet, "/v1/routes")).Routes {
		if len(r.Split) == 0 {
			all = append(all, r.Service)
		}
		for _, s := range r.Split {
			all = append(all, fmt.Sprint(s.Service, " ", s.Weight))
		}
	}
	return strings.Join(all, ", ")
}

func (g *gateway) divides(want string) {
	g.t.Helper()
	eventually(g.t, "requests are divided as "+want, func() bool { return g.weights() == want })
}

// Weights of tags divide requests, and follow how many instances there are, and how
// many of them are healthy.
func TestTagWeights(t *testing.T) {
	t.Parallel()
	f := newFakeConsul(t)
	web, next := says(t, "a"), says(t, "b")
	other := says(t, "b")
	f.tagged("web", web, "urlprefix-/x")
	f.tagged("next", next, "urlprefix-/x weight=0.25")
	text := f.block("fabio_tags = true")
	g := start(t, text).awaitReady()
	g.divides("next 25, web 75")
	eventually(t, "three of four are the old one's", func() bool { return strings.Count(g.who("/x", 40), "a") == 30 })

	f.set("next", next.String(), other.String())
	f.tag("next", "urlprefix-/x weight=0.25")
	g.divides("next 50, web 50")
	f.health("next", api.HealthCritical, 1)
	g.divides("next 25, web 75")
	f.health("next", api.HealthPassing, 1)
	g.divides("next 50, web 50")
	f.health("next", api.HealthCritical, 2)
	g.divides("next 50, web 100")
	eventually(t, "the others have all requests", func() bool { return g.who("/x", 8) == "aaaaaaaa" })

	// A static service gets no share by a tag, and takes none from the others.
	f.health("next", api.HealthPassing, 2)
	g.divides("next 50, web 50")
	g.accept(text + service("next", says(t, "static")))
	g.divides("web 50")
	if got := g.who("/x", 4); got != "aaaa" {
		t.Errorf("answered by %s", got)
	}
	g.accept(text)
	f.set("next")
	g.divides("web")
}

// Health is of no account where no tag has a weight.
func TestBalance(t *testing.T) {
	of := func(tag string, up ...bool) []fabio.Service {
		s := fabio.Service{Name: "web"}
		for i, ok := range up {
			s.Instances = append(s.Instances, fabio.Instance{Key: fmt.Sprint(i), Tags: []string{tag}, Out: !ok})
		}
		return []fabio.Service{s}
	}
	const plain, weighed = "urlprefix-/x", "urlprefix-/x weight=0.1"
	if balance(of(plain, true, true)) != balance(of(plain, true, false)) {
		t.Error("health counts without a weight")
	}
	seen := map[string]bool{}
	for _, s := range [][]fabio.Service{of(weighed, true, true), of(weighed, true, false), of(weighed, true), of(weighed, false), of(weighed)} {
		seen[balance(s)] = true
	}
	if len(seen) != 5 {
		t.Errorf("%d of 5 are different", len(seen))
	}
}

// Who gets no requests is known from the catalog.
func TestFabioServicesKnowHealth(t *testing.T) {
	services := map[string]*catalog.Service{"web": {Name: "web", Instances: []catalog.Instance{{Key: "1"}, {Key: "2", Ineligible: "critical"}}}}
	got := FabioServices(services, []string{"web"})
	if len(got) != 1 || len(got[0].Instances) != 2 || !got[0].Instances[1].Out {
		t.Errorf("%+v", got)
	}
}
