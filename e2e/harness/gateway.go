package harness

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lictor/lictor/e2e/process"
)

// Options say how to run a gateway. The zero value is one with neither Consul nor
// routes.
type Options struct {
	// Consul is the host:port of the agent; empty leaves the consul block out.
	Consul string
	// ConsulBlock, Listener and Admin are added inside the blocks of these names.
	ConsulBlock, Listener, Admin string
	// PoliciesBlock is the inside of the policies block; empty means policies/,
	// not watched.
	PoliciesBlock string
	// Config is added at the top level of the agent's configuration.
	Config string
	// Policies are the text of policies/routes.hcl.
	Policies string
	// Env is added to the gateway's environment.
	Env []string
	// Upgradable has the gateway keep the number of its process in a file, by which
	// Upgrade finds it.
	Upgradable bool
	// NotReady returns the gateway as soon as it answers on its admin address.
	NotReady bool
	// HealthPath is asked instead of /v1/ready until it answers 200, for a gateway
	// whose admin API wants a token.
	HealthPath string
}

// Gateway is a running gateway that ends with the test.
type Gateway struct {
	// Public and Admin are host:port.
	Public, Admin string
	// Dir holds lictor.hcl, policies/ and access.log.
	Dir string
	Log *Log

	t       testing.TB
	process *process.Process
}

// StartGateway runs the gateway and waits until it is ready.
func StartGateway(t testing.TB, o Options) *Gateway {
	t.Helper()
	var err error
	for range 5 {
		var g *Gateway
		if g, err = tryGateway(t, o); err == nil {
			return g
		}
		if g == nil || !g.Log.Contains("address already in use") {
			break
		}
	}
	t.Fatal(err)
	return nil
}

func tryGateway(t testing.TB, o Options) (*Gateway, error) {
	t.Helper()
	ports, err := process.FreePorts(2)
	if err != nil {
		return nil, err
	}
	g := &Gateway{
		Public: fmt.Sprintf("127.0.0.1:%d", ports[0]),
		Admin:  fmt.Sprintf("127.0.0.1:%d", ports[1]),
		Dir:    t.TempDir(),
		Log:    &Log{},
		t:      t,
	}
	if err := os.Mkdir(filepath.Join(g.Dir, "policies"), 0o700); err != nil {
		return nil, fmt.Errorf("making the policies' folder: %w", err)
	}
	g.WritePolicies(o.Policies)
	config := filepath.Join(g.Dir, "lictor.hcl")
	if err := os.WriteFile(config, []byte(g.config(o)), 0o600); err != nil {
		return nil, fmt.Errorf("writing the configuration: %w", err)
	}
	command := process.Command{
		Path:   Lictor(t),
		Args:   []string{"agent", "-config-file", config},
		Dir:    g.Dir,
		Env:    o.Env,
		Output: g.Log,
	}
	if o.Upgradable {
		command.Args = append(command.Args, "-pid-file", g.pidFile())
		output, err := g.Log.pipe(t)
		if err != nil {
			return nil, err
		}
		defer output.Close()
		command.Output = output
	}
	if g.process, err = process.Start(command); err != nil {
		return nil, err
	}
	g.Log.showOnFailure(t, "the gateway") // after the following, which may fail the test
	first := g.process
	t.Cleanup(func() {
		first.Kill()
		for _, sign := range []string{"DATA RACE", "panic: ", "fatal error: "} {
			if g.Log.Contains(sign) {
				t.Errorf("the gateway printed %q", sign)
			}
		}
	})

	path := "/v1/ready"
	if o.NotReady {
		path = "/v1/health"
	}
	path = cmp.Or(o.HealthPath, path)
	ctx, cancel := context.WithTimeout(t.Context(), Patience)
	defer cancel()
	err = process.Until(ctx, g.process, func(context.Context) error {
		status, body, err := g.AdminGet(path)
		if err == nil && status != http.StatusOK {
			err = fmt.Errorf("%d %s", status, body)
		}
		return err
	})
	if err != nil {
		return g, fmt.Errorf("waiting for the gateway's %s: %w; it printed:\n%s", path, err, g.Log)
	}
	return g, nil
}

// config returns the agent's configuration.
func (g *Gateway) config(o Options) string {
	var b strings.Builder
	fmt.Fprintf(&b, "node_name = \"edge-test\"\nlog_level = \"DEBUG\"\n")
	fmt.Fprintf(&b, "listener \"public\" {\n  address = %q\n%s\n}\n", g.Public, o.Listener)
	fmt.Fprintf(&b, "admin {\n  address = %q\n%s\n}\n", g.Admin, o.Admin)
	if o.Consul != "" {
		fmt.Fprintf(&b, "consul {\n  address = %q\n%s\n}\n", o.Consul, o.ConsulBlock)
	}
	policies := o.PoliciesBlock
	if policies == "" {
		policies = "  paths = [\"policies/\"]\n  watch = false"
	}
	fmt.Fprintf(&b, "policies {\n%s\n}\n", policies)
	fmt.Fprintf(&b, "access_log {\n  path   = \"access.log\"\n  format = \"json\"\n}\n%s\n", o.Config)
	return b.String()
}

// WritePolicies replaces the text of policies/routes.hcl; a reload takes it up.
func (g *Gateway) WritePolicies(text string) {
	g.t.Helper()
	file := filepath.Join(g.Dir, "policies", "routes.hcl")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		g.t.Fatal(err)
	}
}

// URL returns an address of the public listener.
func (g *Gateway) URL(path string) string { return "http://" + g.Public + path }

// Process returns the running program, for signals.
func (g *Gateway) Process() *process.Process { return g.process }

// Stop asks the gateway to drain and end, and returns its exit code.
func (g *Gateway) Stop() int {
	g.t.Helper()
	if err := g.process.Stop(Patience); err != nil {
		g.t.Fatal(err)
	}
	return g.process.ExitCode()
}

// Result is what a command printed and how it ended.
type Result struct {
	Stdout, Stderr string
	Code           int
}

// Run runs a subcommand of the gateway's program against this gateway.
func (g *Gateway) Run(args ...string) Result {
	g.t.Helper()
	return RunLictor(g.t, []string{"LICTOR_ADDR=http://" + g.Admin}, args...)
}

// RunLictor runs the gateway's program with more environment.
func RunLictor(t testing.TB, env []string, args ...string) Result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), Patience)
	defer cancel()
	var stdout, stderr bytes.Buffer
	command := exec.CommandContext(ctx, Lictor(t), args...)
	command.Env = append(os.Environ(), env...)
	command.Stdout, command.Stderr = &stdout, &stderr
	err := command.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) || ctx.Err() != nil {
		t.Fatalf("running lictor %s: %v (%v): %s", strings.Join(args, " "), err, ctx.Err(), stderr.Bytes())
	}
	return Result{Stdout: stdout.String(), Stderr: stderr.String(), Code: command.ProcessState.ExitCode()}
}

// Reload runs `lictor reload` and fails the test if it is refused.
func (g *Gateway) Reload() {
	g.t.Helper()
	if r := g.Run("reload"); r.Code != 0 {
		g.t.Fatalf("lictor reload ended with %d: %s%s", r.Code, r.Stdout, r.Stderr)
	}
}

// AdminGet asks the admin API.
func (g *Gateway) AdminGet(path string) (status int, body []byte, err error) {
	client := http.Client{Timeout: Patience, Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Get("http://" + g.Admin + path)
	if err != nil {
		return 0, nil, fmt.Errorf("asking the admin API: %w", err)
	}
	defer response.Body.Close()
	body, err = io.ReadAll(response.Body)
	if err != nil {
		return 0, nil, fmt.Errorf("reading the admin API's answer: %w", err)
	}
	return response.StatusCode, body, nil
}

// AccessLog returns the lines of the access log, decoded.
func (g *Gateway) AccessLog() ([]map[string]any, error) {
	text, err := os.ReadFile(filepath.Join(g.Dir, "access.log"))
	if err != nil {
		return nil, fmt.Errorf("reading the access log: %w", err)
	}
	var lines []map[string]any
	for line := range strings.Lines(string(text)) {
		if !strings.HasSuffix(line, "\n") {
			break // still being written
		}
		entry := map[string]any{}
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			return nil, fmt.Errorf("decoding the line %q of the access log: %w", line, err)
		}
		lines = append(lines, entry)
	}
	return lines, nil
}
