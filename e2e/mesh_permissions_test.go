//go:build e2e

package e2e

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/lictor/lictor/e2e/datacenter"
	"github.com/lictor/lictor/e2e/harness"
)

// writeConfig writes a configuration entry as an operator does.
func writeConfig(t *testing.T, consul *harness.Consul, text string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "entry.hcl")
	write(t, file, []byte(text))
	c := exec.CommandContext(t.Context(), harness.ConsulBinary(t), "config", "write", "-http-addr=http://"+consul.Address(), file)
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("consul config write: %v\n%s", err, out)
	}
}

// permissions is the entry of edge, with permissions for shop.
func permissions(list string) string {
	return "Kind = \"service-intentions\"\nName = \"edge\"\nSources = [{\n  Name = \"shop\"\n  Permissions = [\n" + list + "\n  ]\n}]\n"
}

// caller asks a listener in the mesh, and counts the connections that it takes.
type caller struct {
	*http.Client
	base   string
	opened atomic.Int64
}

func (c *caller) ask(t *testing.T, method, path string, fields ...string) (status int, proto, body string, err error) {
	t.Helper()
	trace := &httptrace.ClientTrace{GotConn: func(i httptrace.GotConnInfo) {
		if !i.Reused {
			c.opened.Add(1)
		}
	}}
	request, err := http.NewRequestWithContext(httptrace.WithClientTrace(t.Context(), trace), method, c.base+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range fields {
		name, value, _ := strings.Cut(f, ": ")
		request.Header.Add(name, value)
	}
	response, err := c.Do(request)
	if err != nil {
		return 0, "", "", err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	return response.StatusCode, response.Proto, string(text), err
}

// wants wants an answer.
func (c *caller) wants(t *testing.T, status int, method, path string, fields ...string) func() error {
	return func() error {
		got, _, body, err := c.ask(t, method, path, fields...)
		if err == nil && got != status {
			err = fmt.Errorf("%s %s: %d %s", method, path, got, body)
		}
		return err
	}
}

// TestMeshPermissions has the gateway judge requests by the permissions of an
// intention, as Consul's documentation of the entry says: "Permission precedence
// is applied top to bottom. For any given request the first permission to match in
// the list is terminal".
func TestMeshPermissions(t *testing.T) {
	t.Parallel()
	consul := harness.StartConsulWith(t, datacenter.Options{Config: map[string]any{"default_intention_policy": "deny"}})
	orders := harness.StartInstance(t, "orders", "orders-1")
	consul.Register(orders)
	writeConfig(t, consul, "Kind = \"service-defaults\"\nName = \"edge\"\nProtocol = \"http\"\n")
	consul.Intend("*", map[string]string{"*": "deny"})
	writeConfig(t, consul, permissions(`
		{ Action = "deny", HTTP { PathPrefix = "/orders/admin" } },
		{ Action = "deny", HTTP { PathPrefix = "/", Header = [{ Name = "X-Tier", Contains = "NONE", IgnoreCase = true }] } },
		{ Action = "allow", HTTP { PathPrefix = "/orders", Methods = ["get", "HEAD"] } },
		{ Action = "allow", HTTP { PathRegex = "/orders/[0-9]+", Methods = ["PUT"], Header = [{ Name = "X-Tier", Exact = "gold" }] } }`))
	gateway := harness.StartGateway(t, harness.Options{
		Consul: consul.Address(), ConsulBlock: meshed, Policies: ordersRoute, Listener: "mesh = true",
	})
	sidecar := consul.StartUpstream("shop", "edge")
	h2 := meshClient(consul.Leaf("shop"))
	h2.Transport.(*http.Transport).ForceAttemptHTTP2 = true
	callers := map[string]*caller{
		"by a sidecar": {Client: &http.Client{Timeout: harness.Patience, Transport: &http.Transport{}}, base: fmt.Sprintf("http://127.0.0.1:%d", sidecar.Port)},
		"by HTTP/1.1":  {Client: meshClient(consul.Leaf("shop")), base: "https://" + gateway.Public},
		"by HTTP/2":    {Client: h2, base: "https://" + gateway.Public},
	}
	for name, c := range callers {
		harness.Within(t, harness.Patience, "who has permissions is served "+name, c.wants(t, http.StatusOK, "GET", "/orders"))
		before, denied := c.opened.Load(), gateway.Metric(t, "lictor_mesh_denied_total", "direction=in")
		wrong := 0.0
		for _, q := range []struct {
			method, path string
			fields       []string
			status       int
		}{
			{"GET", "/orders", nil, 200},
			{"GET", "/orders/7?admin=/orders/admin", nil, 200},
			{"GET", "/orders/admin", nil, 403},
			{"GET", "/orders/admin/users", nil, 403},
			{"GET", "/orders/x/%2e%2e/%61dmin", nil, 403},
			{"GET", "//orders", nil, 200}, // is /orders, here and at the instance
			{"GET", "//orders//admin", nil, 403},
			{"POST", "/orders", nil, 403},
			{"DELETE", "/orders/7", nil, 403},
			{"PUT", "/orders/7", nil, 403},
			{"PUT", "/orders/7", []string{"X-Tier: gold"}, 200},
			{"PUT", "/orders/7", []string{"x-tier: Gold"}, 403},
			{"PUT", "/orders/7", []string{"X-Tier: gold", "X-Tier: silver"}, 403},
			{"PUT", "/orders/7/items", []string{"X-Tier: gold"}, 403},
			{"PUT", "/orders/admin", []string{"X-Tier: gold"}, 403},
			{"GET", "/orders", []string{"X-Tier: gold", "X-Tier: none"}, 403},
			{"GET", "/elsewhere", nil, 403},
		} {
			status, proto, body, err := c.ask(t, q.method, q.path, q.fields...)
			if err != nil || status != q.status {
				t.Errorf("%s: %s %s %v: %d %s %v", name, q.method, q.path, q.fields, status, body, err)
			}
			if q.status == http.StatusForbidden {
				wrong++
				if !strings.Contains(body, problemType("permission-denied")) {
					t.Errorf("%s: %s %s: %s", name, q.method, q.path, body)
				}
			}
			explained := []string{"explain", "-source", "shop", "-method", q.method}
			for _, field := range q.fields {
				explained = append(explained, "-header", field)
			}
			told := gateway.Run(append(explained, q.path)...)
			if want := map[bool]int{true: 0, false: 1}[q.status == http.StatusOK]; told.Code != want || want == 1 && !strings.Contains(told.Stdout, "REFUSED with 403") {
				t.Errorf("lictor %q ended with %d: %s%s", explained, told.Code, told.Stdout, told.Stderr)
			}
			if want := map[bool]string{true: "HTTP/2.0", false: "HTTP/1.1"}[c == callers["by HTTP/2"]]; proto != want {
				t.Errorf("%s: the answer is of %s", name, proto)
			}
		}
		if opened := c.opened.Load() - before; opened != 0 {
			t.Errorf("%s: %d more connections were opened: denials closed some", name, opened)
		}
		if got := gateway.Metric(t, "lictor_mesh_denied_total", "direction=in") - denied; got != wrong {
			t.Errorf("%s: %v of %v denials are counted", name, got, wrong)
		}
	}
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"-source", "shop", "-method", "PUT", "-header", "X-Tier: gold", "/orders/7"}, "permissions passes: permission 4 of shop allows it"},
		{[]string{"-source", "api", "/orders"}, "permissions refuses: * => deny; it is not let connect"},
		{[]string{"/orders/7"}, "shop passes: permission 3 of shop allows it"},
		{[]string{"/orders/7"}, "any other refuses: * => deny; it is not let connect"},
		{[]string{"/orders/admin"}, "permissions refuses: whichever service of the mesh asks"},
	} {
		if told := gateway.Run(append([]string{"explain"}, c.args...)...); !strings.Contains(told.Stdout, c.want) {
			t.Errorf("lictor explain %q: %s%s", c.args, told.Stdout, told.Stderr)
		}
	}
	if err := turnsAway(meshClient(consul.Leaf("api")), gateway)(); err != nil {
		t.Errorf("whom no permission is about was let in: %v", err)
	}
	harness.Within(t, harness.Patience, "the access log says who was denied by what", func() error {
		lines, err := gateway.AccessLog()
		for _, l := range lines {
			why := fmt.Sprint(l["error"])
			if strings.HasPrefix(why, "permission-denied: ") && strings.Contains(why, "/svc/shop: permission 1 of shop denies it") {
				return nil
			}
		}
		if err != nil {
			return err
		}
		return fmt.Errorf("none of %d lines does", len(lines))
	})

	// Permissions change under load, and none that stay fail.
	const keep = `{ Action = "allow", HTTP { PathExact = "/orders", Methods = ["GET", "POST"] } },`
	writeConfig(t, consul, permissions(keep+`{ Action = "deny", HTTP { PathPrefix = "/" } }`))
	direct := callers["by HTTP/2"]
	harness.Within(t, harness.Patience, "POST is permitted", direct.wants(t, http.StatusOK, "POST", "/orders"))
	load := harness.Load{URL: callers["by a sidecar"].base + "/orders", Workers: 4}.Start(t)
	for n := range 4 {
		action, status := "allow", http.StatusOK
		if n%2 == 1 {
			action, status = "deny", http.StatusForbidden
		}
		writeConfig(t, consul, permissions(keep+fmt.Sprintf(`{ Action = %q, HTTP { PathPrefix = "/orders/sub" } }`, action)))
		harness.Within(t, harness.Patience, "the change counts", direct.wants(t, status, "GET", "/orders/sub"))
		load.WaitFor(load.Sent() + 50)
	}
	if err := load.Finish().Err(); err != nil {
		t.Error(err)
	}

	// What can't be judged denies, and is told of.
	writeConfig(t, consul, "Kind = \"jwt-provider\"\nName = \"okta\"\nIssuer = \"okta\"\nJSONWebKeySet { Local { JWKS = \"eyJrZXlzIjpbXX0=\" } }\n")
	writeConfig(t, consul, permissions(`
		{ Action = "allow", HTTP { PathPrefix = "/orders/sub" }, JWT { Providers = [{ Name = "okta" }] } },
		{ Action = "allow", HTTP { PathPrefix = "/" } }`))
	harness.Within(t, harness.Patience, "a token is not judged", direct.wants(t, http.StatusForbidden, "GET", "/orders/sub"))
	harness.Within(t, harness.Patience, "what needs none is served", direct.wants(t, http.StatusOK, "DELETE", "/orders"))
	const doubt = "permission 1 of shop can't be judged, which denies: it demands a token (JWT)"
	if _, body, err := gateway.AdminGet("/v1/ready"); err != nil || !strings.Contains(string(body), doubt) {
		t.Errorf("/v1/ready: %s %v", body, err)
	}
	harness.Within(t, harness.Patience, "the log tells", func() error { // which is written after it counts
		if !gateway.Log.Contains(doubt) {
			return errors.New("it does not")
		}
		return nil
	})

	// A token that all sources need is in a part of the entry that answers about
	// intentions leave out.
	writeConfig(t, consul, "JWT { Providers = [{ Name = \"okta\" }] }\nKind = \"service-intentions\"\nName = \"edge\"\nSources = [{ Name = \"shop\", Action = \"allow\" }]\n")
	harness.Within(t, harness.Patience, "who needs a token is cut off", func() error {
		if status, _, _, err := direct.ask(t, "GET", "/orders"); err == nil {
			return fmt.Errorf("%d", status)
		}
		return nil
	})

	// Who loses all leave is cut off, who has all is served again.
	consul.Intend("edge", map[string]string{"shop": "allow"})
	harness.Within(t, harness.Patience, "who has leave is served", direct.wants(t, http.StatusOK, "DELETE", "/orders"))
	if _, body, err := gateway.AdminGet("/v1/ready"); err != nil || strings.Contains(string(body), "JWT") {
		t.Errorf("/v1/ready: %s %v", body, err)
	}
	consul.Intend("edge", map[string]string{"shop": "deny"})
	harness.Within(t, harness.Patience, "who has none is turned away", turnsAway(direct.Client, gateway))
}
