//go:build e2e

package e2e

import (
	"crypto/tls"
	"log"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lictor/lictor/e2e/harness"
)

// impostor listens in front of a service as a sidecar would, shows what it is
// given, and lets everybody in. A certificate without anything is none: it speaks
// in clear.
func impostor(t *testing.T, consul *harness.Consul, service string, show tls.Certificate) *atomic.Int64 {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := new(atomic.Int64)
	server := &http.Server{
		ErrorLog: log.New(&harness.Log{}, "", 0), // refused handshakes are what the test is about
		Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			served.Add(1)
			w.WriteHeader(http.StatusNoContent)
		}),
	}
	port := ln.Addr().(*net.TCPAddr).Port
	if show.Certificate != nil {
		ln = tls.NewListener(ln, &tls.Config{
			MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{show}, ClientAuth: tls.RequireAnyClientCert,
		})
	}
	go server.Serve(ln)
	t.Cleanup(func() { server.Close() })
	err = consul.Put(t.Context(), "/v1/agent/service/register", map[string]any{
		"Kind": "connect-proxy", "ID": service + "-proxy", "Name": service + "-proxy", "Address": "127.0.0.1", "Port": port,
		"Proxy": map[string]any{"DestinationServiceName": service},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return served
}

// TestMeshPeers has services guarded by whom they should not be.
func TestMeshPeers(t *testing.T) {
	t.Parallel()
	consul := harness.StartConsul(t)
	mesh := consul.RotateMeshRoot()
	domain := consul.MeshRoots().TrustDomain
	hour := time.Now().Add(time.Hour)
	id := func(domain, dc, service string) string {
		return "spiffe://" + domain + "/ns/default/dc/" + dc + "/svc/" + service
	}
	cases := []struct {
		service string
		show    tls.Certificate
		ok      bool
	}{
		{"right", mesh.Issue(id(domain, "dc1", "right"), hour), true},
		{"capitals", mesh.Issue(id(strings.ToUpper(domain), "dc1", "capitals"), hour), true},
		{"partition", mesh.Issue("spiffe://"+domain+"/ap/default/ns/default/dc/dc1/svc/partition", hour), true},
		{"another-service", mesh.Issue(id(domain, "dc1", "right"), hour), false},
		{"another-datacenter", mesh.Issue(id(domain, "dc2", "another-datacenter"), hour), false},
		{"another-namespace", mesh.Issue("spiffe://"+domain+"/ns/other/dc/dc1/svc/another-namespace", hour), false},
		{"another-partition", mesh.Issue("spiffe://"+domain+"/ap/other/ns/default/dc/dc1/svc/another-partition", hour), false},
		{"another-domain", mesh.Issue(id("other.consul", "dc1", "another-domain"), hour), false},
		{"expired", mesh.Issue(id(domain, "dc1", "expired"), time.Now().Add(-time.Minute)), false},
		{"stranger", harness.NewAuthority(t, domain).Issue(id(domain, "dc1", "stranger"), hour), false},
		{"no-service", mesh.Issue("spiffe://"+domain+"/agent/client/dc/dc1/id/x", hour), false},
		{"outside", mesh.Issue("https://outside", hour), false},
		{"in-clear", tls.Certificate{}, false},
	}
	served := make([]*atomic.Int64, len(cases))
	var policies strings.Builder
	for i, c := range cases {
		served[i] = impostor(t, consul, c.service, c.show)
		policies.WriteString(meshRoute(c.service, "true"))
	}
	gateway := harness.StartGateway(t, harness.Options{Consul: consul.Address(), ConsulBlock: meshed, Policies: policies.String()})
	harness.Within(t, harness.Patience, "the new root is known", func() error {
		_, err := gateway.Try(http.MethodGet, "/right", nil)
		return err
	})
	for i, c := range cases {
		answer := gateway.Get("/" + c.service)
		switch {
		case c.ok && answer.Status != http.StatusNoContent:
			t.Errorf("%s: %d %s", c.service, answer.Status, answer.Body)
		case !c.ok && answer.Status != http.StatusBadGateway:
			t.Errorf("%s: %d %s, want 502", c.service, answer.Status, answer.Body)
		case !c.ok && answer.Problem(t).Type != problemType("instance-refused"):
			t.Errorf("%s: %s", c.service, answer.Body)
		}
		if n := served[i].Load(); (n > 0) != c.ok {
			t.Errorf("%s got %d requests", c.service, n)
		}
	}
}
