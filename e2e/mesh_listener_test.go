//go:build e2e

package e2e

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/lictor/lictor/e2e/harness"
)

// meshClient speaks HTTP to a listener in the mesh, and shows a certificate.
func meshClient(show ...tls.Certificate) *http.Client {
	return &http.Client{Timeout: harness.Patience, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true, Certificates: show}, MaxIdleConnsPerHost: 1,
	}}
}

// through asks the gateway's listener in the mesh.
func through(c *http.Client, g *harness.Gateway, path string) (int, string, error) {
	response, err := c.Get("https://" + g.Public + path)
	if err != nil {
		return 0, "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return response.StatusCode, string(body), err
}

// serves wants a client to be served, refuses one to be turned away.
func serves(c *http.Client, g *harness.Gateway) func() error {
	return func() error {
		status, body, err := through(c, g, "/orders")
		if err == nil && status != http.StatusOK {
			err = fmt.Errorf("%d %s", status, body)
		}
		return err
	}
}

func turnsAway(c *http.Client, g *harness.Gateway) func() error {
	return func() error {
		status, body, err := through(c, g, "/orders")
		if err != nil {
			return nil // that is what is wanted
		}
		return fmt.Errorf("%d %s", status, body)
	}
}

// TestMeshListener has the gateway be a destination in the mesh.
func TestMeshListener(t *testing.T) {
	t.Parallel()
	consul := harness.StartConsul(t)
	mesh := consul.RotateMeshRoot()
	domain := consul.MeshRoots().TrustDomain
	orders := harness.StartInstance(t, "orders", "orders-1")
	consul.Register(orders)
	consul.Intend("edge", map[string]string{"shop": "allow", "*": "deny"})
	consul.PutConfigEntry(map[string]any{"Kind": "service-defaults", "Name": "edge", "Protocol": "http"})
	gateway := harness.StartGateway(t, harness.Options{
		Consul: consul.Address(), ConsulBlock: meshed, Policies: ordersRoute, Listener: "mesh = true",
	})
	shop := meshClient(consul.Leaf("shop"))
	harness.Within(t, harness.Patience, "who is allowed is served", serves(shop, gateway))
	hour := time.Now().Add(time.Hour)
	for name, c := range map[string]*http.Client{
		"denied":              meshClient(consul.Leaf("api")),
		"nobody":              meshClient(),
		"a stranger":          meshClient(harness.NewAuthority(t, domain).Issue("spiffe://"+domain+"/ns/default/dc/dc1/svc/shop", hour)),
		"expired":             meshClient(mesh.Issue("spiffe://"+domain+"/ns/default/dc/dc1/svc/shop", time.Now().Add(-time.Minute))),
		"another domain":      meshClient(mesh.Issue("spiffe://other.consul/ns/default/dc/dc1/svc/shop", hour)),
		"in another spelling": meshClient(mesh.Issue("spiffe://"+domain+"/ns/default/dc/dc1/svc/SHOP", hour)),
	} {
		if err := turnsAway(c, gateway)(); err != nil {
			t.Errorf("%s was served: %v", name, err)
		}
	}
	if a, err := gateway.Try(http.MethodGet, "/orders", nil); err == nil && a.Status == http.StatusOK {
		t.Error("a client in clear was served")
	}
	if denied := gateway.Metric(t, "lictor_mesh_denied_total", "direction=in"); denied < 1 {
		t.Errorf("%v connections were counted as denied", denied)
	}

	source := consul.StartUpstream("shop", "edge")
	harness.Within(t, harness.Patience, "a sidecar's client is served", func() error {
		response, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/orders", source.Port))
		if err != nil {
			return err
		}
		defer response.Body.Close()
		if response.StatusCode != http.StatusOK || response.Header.Get("X-Instance") != orders.ID {
			return errors.New(response.Status)
		}
		return nil
	})

	// A connection that was let in lasts no longer than the leave to have it.
	consul.Intend("edge", map[string]string{"api": "allow", "*": "deny"})
	harness.Within(t, harness.Patience, "who is no longer allowed is cut off", turnsAway(shop, gateway))
	harness.Within(t, harness.Patience, "who is allowed by now is served", serves(meshClient(consul.Leaf("api")), gateway))
}
