//go:build e2e

package consul

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"
	"github.com/hashicorp/go-hclog"
)

// startServer runs the Consul that CONSUL_BIN names, which keeps nothing on disk and
// ends with the test, and returns its address.
func startServer(t *testing.T) string {
	t.Helper()
	binary := os.Getenv("CONSUL_BIN")
	if binary == "" {
		t.Fatal("CONSUL_BIN names no consul: run `make e2e`, or export CONSUL_BIN=$(e2e/consul/consul.sh)")
	}
	var err error
	for range 5 { // somebody else may take a port before it is used
		var address string
		if address, err = tryServer(t, binary); err == nil {
			return address
		}
	}
	t.Fatal(err)
	return ""
}

func tryServer(t *testing.T, binary string) (address string, err error) {
	t.Helper()
	ports, err := freePorts(3)
	if err != nil {
		return "", err
	}
	var output bytes.Buffer
	command := exec.Command(binary, "agent", "-dev", "-bind", "127.0.0.1", "-hcl", fmt.Sprintf(
		"disable_update_check = true\nports {\nhttp = %d\nserver = %d\nserf_lan = %d\nserf_wan = -1\ndns = -1\ngrpc = -1\ngrpc_tls = -1\n}", ports[0], ports[1], ports[2]))
	command.Stdout, command.Stderr = &output, &output
	if err := command.Start(); err != nil {
		return "", err
	}
	ended := make(chan error, 1)
	go func() { ended <- command.Wait() }()
	stop := func() {
		_ = command.Process.Kill() // an error means that it has ended
		<-ended
	}
	address = fmt.Sprintf("127.0.0.1:%d", ports[0])
	client, err := api.NewClient(&api.Config{Address: address})
	if err != nil {
		stop()
		return "", err
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		// A server writes as soon as it leads, but has no sessions before it has listed
		// its own node as healthy.
		var listed []*api.ServiceEntry
		if listed, _, err = client.Health().Service("consul", "", true, (&api.QueryOptions{}).WithContext(ctx)); err == nil && len(listed) > 0 {
			t.Cleanup(stop)
			return address, nil
		}
		select {
		case failed := <-ended:
			return "", fmt.Errorf("consul ended: %w; it printed:\n%s", errors.Join(failed, err), output.String())
		case <-ctx.Done():
			stop()
			return "", fmt.Errorf("consul does not get ready: %w; it printed:\n%s", err, output.String())
		case <-tick.C:
		}
	}
}

// freePorts returns different ports that were free a moment ago.
func freePorts(n int) ([]int, error) {
	var ports []int
	for range n {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer ln.Close() // when all are known
		ports = append(ports, ln.Addr().(*net.TCPAddr).Port)
	}
	return ports, nil
}

// TestKVByConsul has a real Consul do what the fake one does in the other tests.
func TestKVByConsul(t *testing.T) {
	address := startServer(t)
	for name, test := range map[string]func(*testing.T, *KV){"keys": testKeys, "follow": testFollow, "lock": testLock} {
		t.Run(name, func(t *testing.T) {
			kv := openKV(t, Config{Address: address, Logger: hclog.NewNullLogger(), API: &api.Config{}})
			if err := kv.Remove(t.Context(), "lictor/acme"); err != nil {
				t.Fatal(err)
			}
			test(t, kv)
			sessions, _, err := kv.con.api.Session().List(kv.con.options(t.Context(), 0, 0))
			if err != nil || len(sessions) != 0 {
				t.Errorf("%d sessions are left, %v", len(sessions), err)
			}
		})
	}
}
