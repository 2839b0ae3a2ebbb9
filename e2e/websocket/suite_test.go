//go:build e2e

package websocket

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lictor/lictor/e2e/harness"
	"github.com/lictor/lictor/e2e/process"
)

// modules is where Debian puts Node's.
const modules = "NODE_PATH=/usr/share/nodejs"

// TestSuite runs the client against each server, directly and through the gateway by
// both versions of HTTP, and compares what came of each case.
func TestSuite(t *testing.T) {
	for name, command := range map[string][]string{
		"ws for Node":           {"node", "server.cjs"},
		"websockets for Python": {"/usr/bin/python3", "server.py"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			port := serve(t, command)
			direct := cases(t, fmt.Sprintf("127.0.0.1:%d", port), 1)
			for what, came := range direct {
				violation := strings.HasPrefix(what, "violation")
				if came == "nothing" || violation != strings.HasPrefix(came, "closed 100") && !strings.HasPrefix(what, "close ") {
					t.Errorf("without the gateway: %s: %s", what, came)
				}
			}
			for _, engine := range []string{"http1", "nethttp"} {
				g := harness.StartGateway(t, harness.Options{
					Listener: fmt.Sprintf("engine = %q", engine),
					Config:   fmt.Sprintf("service \"echo\" {\n  instance {\n    address = \"127.0.0.1\"\n    port    = %d\n  }\n}\n", port),
					Policies: "route \"echo\" {\n  path_prefix = \"/\"\n  service     = \"echo\"\n}\n",
				})
				for version := 1; version <= 2; version++ {
					through, differ := cases(t, g.Public, version), 0
					for what, came := range through {
						if came != direct[what] {
							differ++
							t.Errorf("%s, HTTP/%d: %s: %s, without the gateway %s", engine, version, what, came, direct[what])
						}
					}
					t.Logf("%s, HTTP/%d: %d cases, %d differ from those without the gateway", engine, version, len(through), differ)
				}
			}
		})
	}
}

// serve starts a server and returns its port.
func serve(t *testing.T, command []string) int {
	t.Helper()
	ports, err := process.FreePorts(1)
	if err != nil {
		t.Fatal(err)
	}
	path, err := exec.LookPath(command[0])
	if err != nil {
		t.Fatal(err)
	}
	log := new(harness.Log)
	p, err := process.Start(process.Command{
		Path: path, Args: []string{filepath.Join("testdata", command[1]), fmt.Sprint(ports[0])}, Env: []string{modules}, Output: log,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Kill)
	ctx, cancel := context.WithTimeout(t.Context(), harness.Patience)
	defer cancel()
	err = process.Until(ctx, p, func(ctx context.Context) error {
		c, err := new(net.Dialer).DialContext(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", ports[0]))
		if err == nil {
			_ = c.Close()
		}
		return err
	})
	if err != nil {
		t.Fatalf("waiting for the server: %v; it printed:\n%s", err, log)
	}
	return ports[0]
}

// cases runs the client and returns what came of each.
func cases(t *testing.T, address string, version int) map[string]string {
	t.Helper()
	var stderr bytes.Buffer
	command := exec.CommandContext(t.Context(), "node", filepath.Join("testdata", "client.cjs"), address, fmt.Sprint(version))
	command.Env, command.Stderr = append(os.Environ(), modules), &stderr
	output, err := command.Output()
	if err != nil {
		t.Fatalf("the client: %v: %s\n%s", err, stderr.Bytes(), output)
	}
	all := map[string]string{}
	for line := range strings.Lines(string(output)) {
		line = strings.TrimSuffix(line, "\n")
		end := strings.LastIndex(line, ": ") // names have colons, too
		if end < 0 {
			t.Fatalf("the client printed %q", line)
		}
		all[line[:end]] = line[end+2:]
	}
	if len(all) < 47 {
		t.Fatalf("only %d cases were run", len(all))
	}
	return all
}
