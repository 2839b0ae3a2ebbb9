//go:build e2e

package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/lictor/lictor/e2e/datacenter"
	"github.com/lictor/lictor/e2e/harness"
)

// meshed is the consul block of a gateway in the mesh.
const meshed = `
  service {
    name = "edge"
  }
  connect {
    enabled = true
  }
`

// meshRoute sends everything below /name to the service of that name.
func meshRoute(name, mode string) string {
	return fmt.Sprintf("route %q {\n  path_prefix = \"/%s\"\n  service = %q\n  mesh = %q\n}\n", name, name, name, mode)
}

// A service that can only be reached through its sidecar is reached.
func TestMesh(t *testing.T) {
	t.Parallel()
	consul := harness.StartConsul(t)
	web := harness.StartInstance(t, "web", "web-1")
	consul.RegisterMeshed(web)
	gateway := harness.StartGateway(t, harness.Options{
		Consul: consul.Address(), ConsulBlock: meshed, Policies: meshRoute("web", "true"),
	})
	harness.Within(t, harness.Patience, "the service serves", onlyBy(gateway, "/web", web))
	answer := gateway.Do(http.MethodPost, "/web/x?y=1", strings.NewReader("a body"))
	if echo := answer.Echo(t); echo.RequestURI != "/web/x?y=1" || echo.BodyBytes != 6 || echo.Host != gateway.Public {
		t.Errorf("the instance saw %+v", echo)
	}
	harness.Within(t, harness.Patience, "the gateway is registered as speaking the mesh natively", func() error {
		var registered []struct {
			Service struct {
				Port    int
				Connect struct{ Native bool }
			}
		}
		err := consul.Get(t.Context(), "/v1/health/connect/edge", &registered)
		if err == nil && (len(registered) != 1 || !registered[0].Service.Connect.Native) {
			err = fmt.Errorf("it is registered as %+v", registered)
		}
		return err
	})
}

// TestMeshIntentions has the mesh deny what is not allowed.
func TestMeshIntentions(t *testing.T) {
	t.Parallel()
	consul := harness.StartConsulWith(t, datacenter.Options{Config: map[string]any{"default_intention_policy": "deny"}})
	services := []string{"allowed", "denied", "silent"}
	var policies strings.Builder
	consul.Intend("allowed", map[string]string{"edge": "allow"})
	consul.Intend("denied", map[string]string{"edge": "deny", "*": "allow"})
	instances := map[string]*harness.Instance{}
	for _, s := range services {
		instances[s] = harness.StartInstance(t, s, s+"-1")
		consul.RegisterMeshed(instances[s])
		policies.WriteString(meshRoute(s, "auto"))
	}
	gateway := harness.StartGateway(t, harness.Options{Consul: consul.Address(), ConsulBlock: meshed, Policies: policies.String()})
	harness.Within(t, harness.Patience, "what is allowed serves", onlyBy(gateway, "/allowed", instances["allowed"]))
	for _, s := range services[1:] {
		harness.Within(t, harness.Patience, s+" is denied", refused(gateway, "/"+s, http.StatusForbidden, "intention-denied"))
		for range 10 { // far more than bench an instance that fails
			for _, method := range []string{http.MethodGet, http.MethodPost} {
				answer := gateway.Do(method, "/"+s, strings.NewReader("a body"))
				if p := answer.Problem(t); answer.Status != http.StatusForbidden || p.Type != problemType("intention-denied") {
					t.Errorf("%s %s: %d %s", method, s, answer.Status, answer.Body)
				}
			}
		}
		if n := instances[s].Served(); n != 0 {
			t.Errorf("%d requests went to %s", n, s)
		}
		if n := gateway.Metric(t, "lictor_endpoints", "service="+s+"@mesh", "state=benched"); n != 0 {
			t.Errorf("%v instances of %s are benched for what an intention denied", n, s)
		}
	}
}

// A service moves into the mesh once it offers that, and never out again.
func TestMeshAuto(t *testing.T) {
	t.Parallel()
	consul := harness.StartConsul(t)
	web := harness.StartInstance(t, "web", "web-1")
	consul.Register(web)
	consul.Lists("web", 1)
	gateway := harness.StartGateway(t, harness.Options{
		Consul: consul.Address(), ConsulBlock: meshed, Policies: meshRoute("web", "auto") + meshRoute("clear", "false") +
			"route \"past\" {\n  path_prefix = \"/past\"\n  service = \"web\"\n  mesh = \"false\"\n}\n",
	})
	if got, err := shares(gateway, "/web", 1); err != nil || got[web.ID] != 1 {
		t.Fatalf("in clear, once ready: %v, %v", got, err)
	}
	load := harness.Load{URL: gateway.URL("/web")}.Start(t)
	load.WaitFor(200)
	sidecar := consul.AddSidecar(web)
	// Requests in clear have ended once only the sidecar's connections are left.
	harness.Within(t, harness.Patience, "the route goes through the mesh", func() error {
		status, body, err := gateway.AdminGet("/v1/services")
		if err == nil && (status != http.StatusOK || !contains(body, `"web@mesh"`)) {
			err = fmt.Errorf("%d %s", status, body)
		}
		return err
	})
	load.WaitFor(load.Sent() + 500)
	if err := load.Finish().Err(); err != nil {
		t.Error(err)
	}
	sidecar.Stop()
	harness.Within(t, harness.Patience, "without its sidecar it can't be reached",
		refused(gateway, "/web", http.StatusBadGateway, "instance-refused"))
	if err := consul.Agent.Deregister(t.Context(), harness.SidecarID(web)); err != nil {
		t.Fatal(err)
	}
	harness.Within(t, harness.Patience, "nor when it offers the mesh no more",
		refused(gateway, "/web", http.StatusServiceUnavailable, "service-not-registered"))
	harness.Within(t, harness.Patience, "a route past the mesh never minded", onlyBy(gateway, "/past", web))
	before := web.Served()
	if a := gateway.Get("/web"); a.Status != http.StatusServiceUnavailable || web.Served() != before {
		t.Errorf("%d %s: it was spoken to in clear", a.Status, a.Body)
	}
}

// A service is spoken to as its service-defaults say, through a sidecar that knows
// nothing of HTTP, and by intentions. Those are there from the start: an agent may give
// sidecars its word from before for long after one has changed.
func TestMeshProtocol(t *testing.T) {
	t.Parallel()
	consul := harness.StartConsul(t)
	chat, vault := harness.StartInstance(t, "chat", "chat-1"), harness.StartInstance(t, "vault", "vault-1")
	for _, i := range []*harness.Instance{chat, vault} {
		consul.PutConfigEntry(map[string]any{"Kind": "service-defaults", "Name": i.Service, "Protocol": "http2"})
	}
	consul.Intend("vault", map[string]string{"edge": "deny"})
	consul.RegisterMeshed(chat)
	consul.RegisterMeshed(vault)
	gateway := harness.StartGateway(t, harness.Options{
		Consul: consul.Address(), ConsulBlock: meshed, Policies: meshRoute("chat", "auto") + meshRoute("vault", "auto"),
	})
	harness.Within(t, harness.Patience, "it is spoken to by HTTP/2", func() error {
		answer := gateway.Get("/chat")
		if answer.Status != http.StatusOK {
			return fmt.Errorf("%d %s", answer.Status, answer.Body)
		}
		if echo := answer.Echo(t); echo.Proto != "HTTP/2.0" {
			return fmt.Errorf("it was spoken to by %s", echo.Proto)
		}
		return nil
	})
	harness.Within(t, harness.Patience, "a connection is denied", refused(gateway, "/vault", http.StatusForbidden, "intention-denied"))
	if n := vault.Served(); n != 0 {
		t.Errorf("%d requests went where an intention denies it", n)
	}
}
