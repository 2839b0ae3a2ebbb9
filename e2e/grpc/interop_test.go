//go:build e2e

package grpc

import (
	"context"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"google.golang.org/grpc/testdata"

	"github.com/lictor/lictor/e2e/harness"
)

// cases are those of gRPC's interoperability tests that need no cloud
// (doc/interop-test-descriptions.md of gRPC), but pick_first_unary: gRPC's server in
// Go does not tell its name, so that it fails without a gateway, too.
var cases = []string{
	"empty_unary", "large_unary", "client_streaming", "server_streaming", "ping_pong", "empty_stream",
	"timeout_on_sleeping_server", "cancel_after_begin", "cancel_after_first_response",
	"status_code_and_message", "special_status_message", "custom_metadata",
	"unimplemented_method", "unimplemented_service",
	"rpc_soak", "channel_soak", "orca_per_rpc", "orca_oob",
}

// metrics has the client's balancer take note of what instances say of their load.
const metrics = `{"loadBalancingConfig":[{"test_backend_metrics_load_balancer":{}}]}`

// name is what the certificate of gRPC's own tests is for.
const name = "x.test.google.fr"

// TestInterop runs gRPC's own interoperability client against its own server, with
// the gateway between them, and prints a table of what came of it.
func TestInterop(t *testing.T) {
	client, server := built(t, "client"), built(t, "server")
	ways := []string{"clear", "TLS"}
	outcome := map[string]string{}
	for _, way := range ways {
		g := between(t, server, way == "TLS")
		for _, c := range cases {
			t.Run(way+"/"+c, func(t *testing.T) {
				outcome[way+c] = "failed"
				host, port, err := net.SplitHostPort(g.Public)
				if err != nil {
					t.Fatal(err)
				}
				args := []string{"-test_case", c, "-server_host", host, "-server_port", port}
				if way == "TLS" {
					args = append(args, "-use_tls", "-use_test_ca", "-server_host_override", name)
				}
				if strings.HasPrefix(c, "orca") {
					args = append(args, "-service_config_json", metrics)
				}
				ctx, cancel := context.WithTimeout(t.Context(), harness.Patience)
				defer cancel()
				if out, err := exec.CommandContext(ctx, client, args...).CombinedOutput(); err != nil {
					t.Fatalf("%v\n%s", err, out)
				}
				outcome[way+c] = "passed"
			})
		}
	}
	var table strings.Builder
	fmt.Fprintf(&table, "%-28s %-8s %-8s\n", "case", ways[0], ways[1])
	for _, c := range cases {
		fmt.Fprintf(&table, "%-28s %-8s %-8s\n", c, outcome[ways[0]+c], outcome[ways[1]+c])
	}
	t.Log("gRPC's interoperability cases through the gateway:\n" + table.String())
}

// built builds a program of gRPC's.
func built(t *testing.T, program string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), program)
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", path, "google.golang.org/grpc/interop/"+program).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return path
}

// between starts the server, and a gateway in front of it, both with TLS or neither.
func between(t *testing.T, server string, secure bool) *harness.Gateway {
	t.Helper()
	port := freePort(t)
	args := []string{"-port", strconv.Itoa(port)}
	var listener, upstream string
	if secure {
		cert, key, ca := testdata.Path("server1.pem"), testdata.Path("server1.key"), testdata.Path("ca.pem")
		args = append(args, "-use_tls", "-tls_cert_file", cert, "-tls_key_file", key)
		listener = fmt.Sprintf("tls {\n certificate {\n cert_file = %q\n key_file = %q\n }\n }\n", cert, key)
		upstream = fmt.Sprintf("upstream_tls {\n ca_file = %q\n server_name = %q\n }\n", ca, name)
	}
	command := exec.CommandContext(t.Context(), server, args...)
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
	})
	g := harness.StartGateway(t, harness.Options{Listener: listener, Config: fmt.Sprintf(`
service "test" {
  instance {
    address = "127.0.0.1"
    port    = %d
  }
}
route "test" {
  service  = "test"
  protocol = "grpc"
  %s
}
`, port, upstream)})
	harness.Within(t, harness.Patience, "the server listens", func() error {
		c, err := new(net.Dialer).DialContext(t.Context(), "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			return err
		}
		return c.Close()
	})
	return g
}

// freePort returns a port that nobody listens on at the moment: the server wants to
// be told one.
func freePort(t *testing.T) int {
	t.Helper()
	ln, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().(*net.TCPAddr).Port
}
