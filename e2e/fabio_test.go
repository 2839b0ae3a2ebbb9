//go:build e2e

package e2e

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lictor/lictor/e2e/harness"
)

// registerTagged registers instances with tags, or anew with other ones.
func registerTagged(c *harness.Consul, tags []string, instances ...*harness.Instance) {
	for _, i := range instances {
		r := i.Registration()
		r.Tags = tags
		c.RegisterAs(r)
		c.Report(i, "passing")
	}
}

// status checks what a request is answered.
func status(g *harness.Gateway, path string, want int, fields ...string) func() error {
	return func() error {
		a, err := g.Try(http.MethodGet, path, nil, fields...)
		if err == nil && a.Status != want {
			err = fmt.Errorf("%s: status %d from %q: %s", path, a.Status, a.Instance(), a.Body)
		}
		return err
	}
}

// TestFabioTags registers services as for fabio, and wants each tag to do what it
// says.
func TestFabioTags(t *testing.T) {
	t.Parallel()
	consul := harness.StartConsul(t)
	web := harness.StartInstances(t, "web", 2)
	api := harness.StartInstance(t, "api", "api-1")
	beta := harness.StartInstance(t, "api", "api-2")
	registerTagged(consul, []string{
		"urlprefix-/web", "urlprefix-web.example.com/", "urlprefix-/cut/web strip=/cut", "urlprefix-/put prepend=/below",
		"urlprefix-/both strip=/both prepend=/instead", "urlprefix-/named host=internal.example",
		"urlprefix-/gone redirect=301,https://www.example.com$path",
		"urlprefix-/mine allow=ip:127.0.0.0/8", "urlprefix-/theirs allow=ip:10.0.0.0/8", "urlprefix-/closed deny=ip:127.0.0.1",
		"urlprefix-/policy", "urlprefix-/policy/deeper", "urlprefix-:3306 proto=tcp", "urlprefix-/basic auth=team", "urlprefix-/odd sticky=yes", "v1",
	}, web...)
	registerTagged(consul, []string{"urlprefix-/api"}, api)
	registerTagged(consul, []string{"urlprefix-/api", "urlprefix-/beta"}, beta)
	consul.Lists("web", 2)
	consul.Lists("api", 2)
	policy := harness.StartInstance(t, "policy", "policy-1")
	consul.Register(policy)
	g := harness.StartGateway(t, harness.Options{
		Consul: consul.Address(), ConsulBlock: "fabio_tags = true",
		Policies: "route \"policy\" {\n  path_prefix = \"/policy\"\n  service = \"policy\"\n  methods = [\"GET\"]\n}\n",
	})

	for path, instances := range map[string][]*harness.Instance{
		"/web/x": web, "/odd": web, "/mine": web, "/api": {api, beta}, "/beta": {beta}, "/policy/deeper": {policy},
	} {
		harness.Within(t, harness.Patience, path+" is routed", onlyBy(g, path, instances...))
	}
	for path, want := range map[string]string{
		"/cut/web/x?a=b": "/web/x?a=b", "/put/x": "/below/put/x", "/both/x": "/instead/x", "/web/%2F": "/web/%2F",
	} {
		if got := g.Get(path).Echo(t); got.RequestURI != want {
			t.Errorf("%s arrived as %s, want %s", path, got.RequestURI, want)
		}
	}
	if a := g.Get("/anything", "Host: web.example.com"); a.Status != http.StatusOK || !strings.HasPrefix(a.Instance(), "web-") {
		t.Errorf("by its host: %d %s", a.Status, a.Body)
	}
	if got := g.Get("/named").Echo(t).Host; got != "internal.example" {
		t.Errorf("the Host is %s", got)
	}
	for path, want := range map[string]int{
		"/gone/x?a=b": 301, "/theirs": 403, "/closed": 403, "/webx": 404, "/basic": 404, "/anything": 404, "/beta2": 404,
	} {
		if err := status(g, path, want)(); err != nil {
			t.Error(err)
		}
	}
	if a := g.Get("/gone/x?a=b"); a.Header.Get("Location") != "https://www.example.com/gone/x?a=b" {
		t.Errorf("redirected to %q", a.Header.Get("Location"))
	}
	if a := g.Do(http.MethodPost, "/policy", nil); a.Status != http.StatusMethodNotAllowed {
		t.Errorf("a method that the policy refuses: %d", a.Status)
	}
	for _, want := range []string{"sticky", "write a tcp_route for the service", "auth=team"} {
		says(t, g, want)
	}
	table := g.Run("routes")
	if strings.Count(table.Stdout, " tag\n") < 12 || strings.Count(table.Stdout, " policy\n") != 1 {
		t.Errorf("the routes are\n%s%s", table.Stdout, table.Stderr)
	}

	// What the tags amount to, as a policy file, does the same without them.
	listed := harness.RunLictor(t, nil, "validate", "-fabio", filepath.Join(g.Dir, "lictor.hcl"))
	if listed.Code != 0 || !strings.Contains(listed.Stderr, "Configuration is valid!") || !strings.Contains(listed.Stdout, `The route "policy" of a policy comes first.`) {
		t.Fatalf("validate -fabio ended with %d: %s%s", listed.Code, listed.Stdout, listed.Stderr)
	}
	if err := os.WriteFile(filepath.Join(g.Dir, "policies", "tags.hcl"), []byte(listed.Stdout), 0o600); err != nil {
		t.Fatal(err)
	}
	if r := harness.RunLictor(t, nil, "validate", filepath.Join(g.Dir, "lictor.hcl")); r.Code != 0 {
		t.Fatalf("the listed routes are no policy file: %s%s", r.Stdout, r.Stderr)
	}
	plain := harness.StartGateway(t, harness.Options{Consul: consul.Address(), Policies: listed.Stdout})
	for path, instances := range map[string][]*harness.Instance{"/web/x": web, "/api": {api, beta}, "/beta": {beta}} {
		harness.Within(t, harness.Patience, path+" is routed by a policy", onlyBy(plain, path, instances...))
	}
	g.Reload()
	if err := onlyBy(g, "/web/x", web...)(); err != nil {
		t.Errorf("with the policies beside the tags: %v", err)
	}
}

// TestFabioTagsChangeUnderLoad has tags change again and again, and wants no request
// to fail.
func TestFabioTagsChangeUnderLoad(t *testing.T) {
	consul := harness.StartConsul(t)
	web := harness.StartInstances(t, "web", 2)
	ledger := &harness.Ledger{}
	for _, i := range web {
		i.Record(ledger)
	}
	registerTagged(consul, []string{"urlprefix-/web"}, web...)
	consul.Lists("web", 2)
	g := harness.StartGateway(t, harness.Options{Consul: consul.Address(), ConsulBlock: "fabio_tags = true"})
	harness.Within(t, harness.Patience, "it is routed", onlyBy(g, "/web", web...))
	before := ledger.Arrivals()
	load := harness.Load{URL: g.URL("/web")}.Start(t)
	for n := range 10 {
		// Some changes come while those before are being taken up; before others there is
		// so much time that the first instance's are taken up without the second's.
		load.WaitFor(load.Sent() + []int64{100, 1500}[n%2])
		// The instances change one after the other, as when a version is rolled out.
		option := []string{"", " strip=/web", " host=other.example"}[n%3]
		mark := fmt.Sprintf("urlprefix-/mark-%d", n)
		registerTagged(consul, []string{"urlprefix-/web" + option, mark}, web...)
		harness.Within(t, harness.Patience, "the new tag is routed", onlyBy(g, fmt.Sprintf("/mark-%d", n), web...))
	}
	load.WaitFor(enough)
	report := load.Finish()
	if err := report.Err(); err != nil {
		t.Error(err)
	}
	if got := ledger.Arrivals() - before; int64(got) < report.Sent {
		t.Errorf("%d requests arrived, %d were sent", got, report.Sent)
	}
	consul.Deregister(web...)
	harness.Within(t, harness.Patience, "the routes are gone", status(g, "/web", http.StatusNotFound))
}

// TestFabioTagsConsulAway wants the routes to stay while Consul is away, to be there
// in a gateway that starts without it, and to follow it again.
func TestFabioTagsConsulAway(t *testing.T) {
	t.Parallel()
	consul := harness.StartConsulServer(t)
	consul.Age()
	web := harness.StartInstance(t, "web", "web-1")
	registerTagged(consul, []string{"urlprefix-/web"}, web)
	options := harness.Options{Consul: consul.Address(), ConsulBlock: "fabio_tags = true", Config: fmt.Sprintf("data_dir = %q", t.TempDir())}
	g := harness.StartGateway(t, options)
	harness.Within(t, harness.Patience, "it is routed", onlyBy(g, "/web", web))
	consul.Kill()
	says(t, g, "the services' tags can't be read")
	if err := onlyBy(g, "/web", web)(); err != nil {
		t.Errorf("without Consul: %v", err)
	}
	g.Stop()
	g = harness.StartGateway(t, options)
	harness.Within(t, harness.Patience, "it is routed as before", onlyBy(g, "/web", web))
	// A Consul that has lost everything takes nothing away at once.
	consul.Restart(true)
	web2 := harness.StartInstance(t, "later", "later-1")
	registerTagged(consul, []string{"urlprefix-/later"}, web2)
	harness.Within(t, harness.Patience, "what is new is routed", onlyBy(g, "/later", web2))
	if err := onlyBy(g, "/web", web)(); err != nil {
		t.Errorf("after Consul has lost its state: %v", err)
	}
}

// TestFabioTagsOfTheHostile registers what nobody should.
func TestFabioTagsOfTheHostile(t *testing.T) {
	t.Parallel()
	consul := harness.StartConsul(t)
	evil := harness.StartInstance(t, "aaa", "aaa-1")
	orders := harness.StartInstance(t, "orders", "orders-1")
	consul.Register(orders)
	registerTagged(consul, []string{
		"urlprefix-/orders/steal", "urlprefix-api.example.com/orders/steal", "urlprefix-/health", "urlprefix-/health/below",
		"urlprefix-/\" }\nroute \"open\" { service = \"orders", "urlprefix-/${file(\"/etc/hostname\")}", "urlprefix-/..;/x",
		"urlprefix-/%2e%2e/x", "urlprefix-/" + strings.Repeat("a", 4000), "urlprefix-/jump redirect=301,https://{jwt.sub}/", "urlprefix-/fine",
	}, evil)
	many := make([]string, 300)
	for i := range many {
		many[i] = fmt.Sprintf("urlprefix-/many/%03d", i)
	}
	flood := harness.StartInstance(t, "flood", "flood-1")
	registerTagged(consul, many, flood)
	g := harness.StartGateway(t, harness.Options{
		Consul: consul.Address(), ConsulBlock: "fabio_tags = true", Policies: ordersRoute, Listener: "health_path = \"/health\"",
	})
	harness.Within(t, harness.Patience, "what is right is routed", onlyBy(g, "/fine", evil))
	harness.Within(t, harness.Patience, "the first of many are routed", onlyBy(g, "/many/000", flood))
	if err := onlyBy(g, "/orders/steal", orders)(); err != nil {
		t.Error(err)
	}
	if a := g.Get("/orders/steal", "Host: api.example.com"); a.Instance() != "orders-1" {
		t.Errorf("by a host of its own: %d %s", a.Status, a.Body)
	}
	if a := g.Get("/health"); a.Instance() != "" {
		t.Errorf("the gateway's own path: %s", a.Body)
	}
	for _, path := range []string{"/jump", "/many/299", "/open"} {
		if err := status(g, path, http.StatusNotFound)(); err != nil {
			t.Error(err)
		}
	}
	consul.PutKey("unrelated", "x")
	g.Reload() // nothing that is registered is in its way
}

// TestFabioTagsRightsVanish takes the token's rights to services away: what Consul
// says then is that nothing is registered.
func TestFabioTagsRightsVanish(t *testing.T) {
	t.Parallel()
	consul := startDenying(t, nil)
	all := readServices + readNodes + readAgents
	policy := consul.policy("", "edge", all)
	secret, _ := consul.token(policy)
	file := filepath.Join(t.TempDir(), "token")
	write(t, file, []byte(secret))
	web := harness.StartInstance(t, "web", "web-1")
	registerTagged(consul.Consul, []string{"urlprefix-/web"}, web)
	g := harness.StartGateway(t, harness.Options{Consul: consul.Address(), ConsulBlock: fmt.Sprintf("fabio_tags = true\n  token_file = %q", file)})
	harness.Within(t, harness.Patience, "it is routed", onlyBy(g, "/web", web))
	load := harness.Load{URL: g.URL("/web"), Workers: 4}.Start(t)
	consul.policy(policy, "edge", readNodes+readAgents)
	// Something that every answer about services tells of.
	other := harness.StartInstance(t, "other", "other-1")
	registerTagged(consul.Consul, []string{"urlprefix-/other"}, other)
	says(t, g, "the list of services is not believed")
	load.WaitFor(load.Sent() + 500)
	if err := status(g, "/other", http.StatusNotFound)(); err != nil {
		t.Error(err)
	}
	consul.policy(policy, "edge", all)
	harness.Within(t, 3*harness.Patience, "what is new is routed", onlyBy(g, "/other", other))
	if err := load.Finish().Err(); err != nil {
		t.Error(err)
	}
}
