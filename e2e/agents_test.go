//go:build e2e

package e2e

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lictor/lictor/e2e/datacenter"
	"github.com/lictor/lictor/e2e/harness"
)

// securely returns the files of an agent's certificate, and the environment by
// which Consul's own tools speak to it.
func securely(t *testing.T, mutual bool) (*datacenter.TLS, []string) {
	t.Helper()
	dir, a := t.TempDir(), newAuthority(t)
	file := func(name string, text []byte) string {
		path := filepath.Join(dir, name)
		write(t, path, text)
		return path
	}
	ca := file("ca.pem", a.pem())
	cert, key := a.issue(1, "agent.test")
	files := &datacenter.TLS{Cert: file("agent.pem", cert), Key: file("agent.key", key)}
	env := []string{"CONSUL_CACERT=" + ca, "CONSUL_TLS_SERVER_NAME=agent.test"}
	if mutual {
		files.CA = ca
		cert, key := a.issue(2, "gateway.test")
		env = append(env, "CONSUL_CLIENT_CERT="+file("gateway.pem", cert), "CONSUL_CLIENT_KEY="+file("gateway.key", key))
	}
	return files, env
}

// TestWaysToTheAgent asks an agent over TLS, with a certificate of our own, and
// by a Unix socket.
func TestWaysToTheAgent(t *testing.T) {
	t.Parallel()
	type way struct {
		options datacenter.Options
		address func(*harness.Consul) string
		env     []string
	}
	secure := func(c *harness.Consul) string { return "https://" + c.SecureAddress() }
	oneWay, oneWayEnv := securely(t, false)
	bothWays, bothWaysEnv := securely(t, true)
	socket := filepath.Join(t.TempDir(), "consul.sock")
	for name, w := range map[string]way{
		"TLS":        {datacenter.Options{HTTPS: oneWay}, secure, oneWayEnv},
		"mutual TLS": {datacenter.Options{HTTPS: bothWays}, secure, bothWaysEnv},
		"socket": {
			datacenter.Options{Config: map[string]any{"addresses": map[string]string{"http": "127.0.0.1 unix://" + socket}}},
			func(*harness.Consul) string { return "unix://" + socket }, nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			consul := harness.StartConsulWith(t, w.options)
			orders := harness.StartInstances(t, "orders", 2)
			consul.Register(orders[0])
			gateway := harness.StartGateway(t, harness.Options{Consul: w.address(consul), Env: w.env, Policies: ordersRoute})
			harness.Within(t, harness.Patience, "it serves", onlyBy(gateway, "/orders", orders[0]))
			consul.Register(orders[1])
			harness.Within(t, harness.Prompt, "a change is seen", onlyBy(gateway, "/orders", orders...))
			consul.Kill()
			if a := gateway.Get("/orders"); a.Status != http.StatusOK {
				t.Errorf("without Consul: %d %s", a.Status, a.Body)
			}
			consul.Restart(false)
			consul.Register(orders[1])
			harness.Within(t, harness.Patience, "it is asked again", onlyBy(gateway, "/orders", orders[1]))
		})
	}
}

// TestAgentRefusesStrangers has an agent that wants a certificate and gets none:
// the gateway says so and is not ready.
func TestAgentRefusesStrangers(t *testing.T) {
	t.Parallel()
	files, env := securely(t, true)
	consul := harness.StartConsulWith(t, datacenter.Options{HTTPS: files})
	gateway := harness.StartGateway(t, harness.Options{
		Consul: "https://" + consul.SecureAddress(), Env: env[:2], Policies: ordersRoute, NotReady: true,
	})
	harness.Within(t, harness.Patience, "the reason is logged", func() error {
		if !gateway.Log.Contains("certificate required") {
			return fmt.Errorf("it says %s", gateway.Log)
		}
		return nil
	})
	if status, body, err := gateway.AdminGet("/v1/ready"); err != nil || status != http.StatusServiceUnavailable {
		t.Errorf("ready: %d %s %v", status, body, err)
	}
}

// manyServices is more than an agent takes connections from one host (200).
const manyServices = 250

// TestManyServices follows more services than an agent takes connections, in
// clear and over TLS, and sees changes to any of them.
func TestManyServices(t *testing.T) {
	t.Parallel()
	files, env := securely(t, false)
	for name, secure := range map[string]bool{"in clear": false, "over TLS": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			consul := harness.StartConsulWith(t, datacenter.Options{HTTPS: files})
			instance := harness.StartInstance(t, "shared", "shared")
			other := harness.StartInstance(t, "shared", "other")
			register := func(i *harness.Instance, n int, checked bool) {
				t.Helper()
				r := datacenter.Registration{
					ID: fmt.Sprintf("%s-%d", i.ID, n), Name: fmt.Sprintf("service-%d", n), Address: i.Host, Port: i.Port,
				}
				if checked {
					r.Checks = []datacenter.Check{{CheckID: "check-" + r.ID, TTL: "1h", Status: "passing"}}
				}
				consul.RegisterAs(r)
			}
			var policies strings.Builder
			for n := range manyServices {
				register(instance, n, n%2 == 0)
				fmt.Fprintf(&policies, "route \"r%d\" {\n  path_prefix = \"/%d\"\n  service = \"service-%d\"\n}\n", n, n, n)
			}
			o := harness.Options{Consul: consul.Address(), Policies: policies.String()}
			if secure {
				o.Consul, o.Env = "https://"+consul.SecureAddress(), env
			}
			gateway := harness.StartGateway(t, o)
			for n := range manyServices {
				path := fmt.Sprintf("/%d", n)
				if a := gateway.Get(path); a.Status != http.StatusOK || a.Instance() != instance.ID {
					t.Fatalf("%s: %d %s", path, a.Status, a.Body)
				}
			}
			// In clear most services share a watch of all checks, and a slower one
			// that shows instances without a check.
			for n, within := range map[int]time.Duration{
				0: 2 * harness.Prompt, 100: 2 * harness.Prompt, 200: 2 * harness.Prompt, manyServices - 2: 2 * harness.Prompt,
				1: harness.Patience, 99: harness.Patience, 201: harness.Patience, manyServices - 1: harness.Patience,
			} {
				register(other, n, n%2 == 0)
				harness.Within(t, within, fmt.Sprintf("a change of service %d is seen", n),
					onlyBy(gateway, fmt.Sprintf("/%d", n), instance, other))
			}
			for _, complaint := range []string{"can't be read", "unreachable"} {
				if gateway.Log.Contains(complaint) {
					t.Errorf("the agent turned queries away: the gateway says %q", complaint)
				}
			}
			if shares := gateway.Log.Contains("https://"); shares == secure {
				t.Errorf("the advice to use TLS is given: %t", shares)
			}
		})
	}
}

// TestConsulHangsPastTheDeadline stops the agent for longer than any query may
// take: nothing says that it is gone, so it is the gateway that gives up waiting.
func TestConsulHangsPastTheDeadline(t *testing.T) {
	t.Parallel()
	w := newWorldWith(t, 2, harness.Options{Policies: ordersRoute, ConsulBlock: `max_stale = "5s"`})
	load := harness.Load{URL: w.gateway.URL("/orders"), Workers: 2, Every: 50 * time.Millisecond}.Start(t)
	if err := w.consul.Process().Pause(); err != nil {
		t.Fatal(err)
	}
	harness.Within(t, 4*harness.Patience, "the silence is noticed", func() error {
		if !w.gateway.Log.Contains("agent unreachable") {
			return fmt.Errorf("not yet")
		}
		return nil
	})
	harness.Within(t, harness.Patience, "it is not ready with so old a catalog", func() error {
		status, body, err := w.gateway.AdminGet("/v1/ready")
		if err == nil && status != http.StatusServiceUnavailable {
			err = fmt.Errorf("%d %s", status, body)
		}
		return err
	})
	if err := w.consul.Process().Resume(); err != nil {
		t.Fatal(err)
	}
	late := harness.StartInstance(t, "orders", "orders-late")
	w.consul.Register(late)
	harness.Within(t, harness.Patience, "it follows again", onlyBy(w.gateway, "/orders", append(w.orders, late)...))
	harness.Within(t, harness.Patience, "it is ready again", func() error {
		status, body, err := w.gateway.AdminGet("/v1/ready")
		if err == nil && status != http.StatusOK {
			err = fmt.Errorf("%d %s", status, body)
		}
		return err
	})
	if err := load.Finish().Err(); err != nil {
		t.Error(err)
	}
}

// TestStartFromDisk starts a gateway while Consul is away: the last good catalog
// is on disk, and is marked as stale until Consul confirms it.
func TestStartFromDisk(t *testing.T) {
	t.Parallel()
	data := filepath.ToSlash(t.TempDir())
	o := harness.Options{Policies: ordersRoute, Config: fmt.Sprintf("data_dir = %q", data)}
	w := newWorldWith(t, 2, o)
	harness.Within(t, harness.Patience, "both serve", onlyBy(w.gateway, "/orders", w.orders...))
	if code := w.gateway.Stop(); code != 0 {
		t.Errorf("it ended with %d", code)
	}
	w.consul.Kill()

	o.Consul, o.NotReady = w.consul.Address(), true
	gateway := harness.StartGateway(t, o)
	harness.Within(t, harness.Patience, "it serves from disk", onlyBy(gateway, "/orders", w.orders...))
	if status, body, err := gateway.AdminGet("/v1/services"); err != nil || status != http.StatusOK || !contains(body, `"stale": true`) && !contains(body, `"stale":true`) {
		t.Errorf("what comes from disk isn't marked: %d %v %s", status, err, body)
	}
	w.consul.Restart(false)
	w.consul.Register(w.orders[0])
	harness.Within(t, harness.Patience, "what Consul says replaces it", onlyBy(gateway, "/orders", w.orders[0]))
	if _, body, err := gateway.AdminGet("/v1/services"); err != nil || contains(body, `"stale": true`) || contains(body, `"stale":true`) {
		t.Errorf("still marked as stale: %v %s", err, body)
	}
	entries, err := os.ReadDir(data)
	if err != nil || len(entries) == 0 {
		t.Errorf("nothing on disk: %v", err)
	}
}

// TestPortsByName has a service with several ports.
func TestPortsByName(t *testing.T) {
	t.Parallel()
	consul := harness.StartConsul(t)
	main, admin := harness.StartInstance(t, "orders", "main"), harness.StartInstance(t, "orders", "admin")
	err := consul.Put(t.Context(), "/v1/agent/service/register", map[string]any{
		"ID": "orders-1", "Name": "orders", "Address": "127.0.0.1",
		"Ports": []map[string]any{{"Name": "http", "Port": main.Port, "Default": true}, {"Name": "admin", "Port": admin.Port}},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	gateway := harness.StartGateway(t, harness.Options{Consul: consul.Address(), Policies: ordersRoute + `
route "admin" {
  path_prefix = "/admin"
  service     = "orders"
  port        = "admin"
}
route "none" {
  path_prefix = "/none"
  service     = "orders"
  port        = "nothing"
}
`})
	harness.Within(t, harness.Patience, "the default port serves", onlyBy(gateway, "/orders", main))
	harness.Within(t, harness.Patience, "the named port serves", onlyBy(gateway, "/admin", admin))
	if a := gateway.Get("/none"); a.Status != http.StatusServiceUnavailable {
		t.Errorf("a port that no instance has: %d %s", a.Status, a.Body)
	}
}

// TestSameIDOnTwoNodes has two nodes that use one ID. They are two instances; the
// one on the other node is not eligible only because it names a loopback address.
func TestSameIDOnTwoNodes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1, ordersRoute)
	twin := datacenter.Entry{Node: "node-2", Address: "127.0.0.1", Service: datacenter.EntryService{
		ID: w.orders[0].ID, Service: "orders", Address: "127.0.0.1", Port: 1,
	}}
	if err := w.consul.CatalogRegister(t.Context(), twin); err != nil {
		t.Fatal(err)
	}
	harness.Within(t, harness.Patience, "both are listed", func() error {
		_, body, err := w.gateway.AdminGet("/v1/services")
		if err == nil && (!contains(body, "node-1/"+w.orders[0].ID) || !contains(body, "node-2/"+w.orders[0].ID)) {
			err = fmt.Errorf("%s", body)
		}
		return err
	})
	if err := onlyBy(w.gateway, "/orders", w.orders[0])(); err != nil {
		t.Error(err)
	}
	if err := w.consul.CatalogDeregister(t.Context(), "node-2", twin.Service.ID); err != nil {
		t.Fatal(err)
	}
	harness.Within(t, harness.Patience, "one is left", func() error {
		_, body, err := w.gateway.AdminGet("/v1/services")
		if err == nil && (!contains(body, "node-1/"+w.orders[0].ID) || contains(body, "node-2/"+w.orders[0].ID)) {
			err = fmt.Errorf("%s", body)
		}
		return err
	})
	if err := onlyBy(w.gateway, "/orders", w.orders[0])(); err != nil {
		t.Error(err)
	}
}
