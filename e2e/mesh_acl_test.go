//go:build e2e

package e2e

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lictor/lictor/e2e/harness"
)

// closing listens in front of a service as a sidecar would, and breaks off every
// connection once the handshake is done: as one does that denies, or crashes.
func closing(t *testing.T, consul *harness.Consul, service string, show tls.Certificate) {
	t.Helper()
	ln, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{
		MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{show}, ClientAuth: tls.RequireAnyClientCert,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				_ = conn.(*tls.Conn).Handshake()
				conn.Close()
			}()
		}
	}()
	err = consul.Put(t.Context(), "/v1/agent/service/register", map[string]any{
		"Kind": "connect-proxy", "ID": service + "-proxy", "Name": service + "-proxy", "Address": "127.0.0.1",
		"Port": ln.Addr().(*net.TCPAddr).Port, "Proxy": map[string]any{"DestinationServiceName": service},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
}

// TestMeshRights has the gateway be in the mesh with the rights that the guide
// lists, and no others, where Consul denies by default.
func TestMeshRights(t *testing.T) {
	t.Parallel()
	consul := startDenying(t, nil)
	mesh := consul.RotateMeshRoot()
	domain := consul.MeshRoots().TrustDomain
	show := func(service string) tls.Certificate {
		return mesh.Issue("spiffe://"+domain+"/ns/default/dc/dc1/svc/"+service, time.Now().Add(time.Hour))
	}
	impostor(t, consul.Consul, "web", show("web"))
	closing(t, consul.Consul, "denying", show("denying"))
	closing(t, consul.Consul, "broken", show("broken"))
	consul.Intend("broken", map[string]string{"edge": "allow"})
	consul.Intend("edge", map[string]string{"shop": "allow"})
	secret, _ := consul.token(consul.policy("", "edge", readServices+readNodes+readAgents+strings.ReplaceAll(writeItself, "lictor", "edge")))
	file := filepath.Join(t.TempDir(), "token")
	write(t, file, []byte(secret))
	gateway := harness.StartGateway(t, harness.Options{
		Consul: consul.Address(), ConsulBlock: meshed + fmt.Sprintf("token_file = %q\n", file), Listener: "mesh = true",
		Policies: meshRoute("web", "auto") + meshRoute("denying", "auto") + meshRoute("broken", "auto"),
	})
	shop, stranger := meshClient(consul.Leaf("shop")), meshClient(consul.Leaf("api"))
	for _, c := range []struct {
		path   string
		status int
		body   string
	}{
		{"/web", http.StatusNoContent, ""},
		{"/denying", http.StatusForbidden, problemType("intention-denied")},
		{"/broken", http.StatusBadGateway, problemType("instance-broke")},
	} {
		harness.Within(t, harness.Patience, c.path+" is answered", func() error {
			status, body, err := through(shop, gateway, c.path)
			if err == nil && (status != c.status || !strings.Contains(body, c.body)) {
				err = fmt.Errorf("%d %s", status, body)
			}
			return err
		})
	}
	if status, body, err := through(stranger, gateway, "/web"); err == nil {
		t.Errorf("whom no intention names was let in: %d %s", status, body)
	}
}

// A gateway that lacks the right to its certificate says so, and what it lacks.
func TestMeshRightMissing(t *testing.T) {
	t.Parallel()
	consul := startDenying(t, nil)
	secret, _ := consul.token(consul.policy("", "edge", readServices+readNodes+readAgents))
	file := filepath.Join(t.TempDir(), "token")
	write(t, file, []byte(secret))
	gateway := harness.StartGateway(t, harness.Options{
		Consul: consul.Address(), ConsulBlock: "connect {\n  enabled = true\n}\n" + fmt.Sprintf("token_file = %q\n", file),
		Policies: meshRoute("web", "true"), NotReady: true,
	})
	says(t, gateway, "the token needs service")
	if a := gateway.Get("/web"); a.Status != http.StatusServiceUnavailable {
		t.Errorf("%d %s", a.Status, a.Body)
	}
}
