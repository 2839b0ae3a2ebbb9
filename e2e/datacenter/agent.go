package datacenter

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/lictor/lictor/e2e/process"
)

// startTimeout bounds how long one agent may take to elect itself and to list
// itself as healthy. It is long for the sake of busy machines.
const startTimeout = 60 * time.Second

// Options say how to run an agent.
type Options struct {
	// Binary is the consul program.
	Binary string
	// Dir is an existing folder for configuration and state.
	Dir string
	// Server keeps the state on disk, so that it survives a restart. Without it
	// the agent runs with -dev and forgets everything.
	Server bool
	// Node is the node's name; empty means "node-1".
	Node string
	// HTTPPort is the port of the HTTP API if it is free; 0 means any.
	HTTPPort int
	// Token goes with every request of the agent's Client.
	Token string
	// HTTPS makes the agent serve its API over TLS too.
	HTTPS *TLS
	// Config is added to the agent's configuration and wins over it.
	Config map[string]any
	// Output receives what the agent prints; nil drops it.
	Output io.Writer
}

// TLS are the files, in PEM, of an agent's API over TLS.
type TLS struct {
	// CA issued the clients' certificates; empty asks for none.
	CA string
	// Cert and Key are the agent's own.
	Cert, Key string
}

// An Agent is a running Consul agent. Its methods are for one goroutine at a time.
type Agent struct {
	*Client

	options Options
	ports   ports
	wan     bool // it speaks to other datacenters
	process *process.Process
	printed *lockedBuffer
}

// ports are the agent's listeners; every other one is switched off.
type ports struct{ http, https, server, serf, wan int }

// portsEach is how many of them there are.
const portsEach = 5

// Start runs an agent and waits until it has a leader and lists itself.
func Start(ctx context.Context, options Options) (*Agent, error) {
	var err error
	for range 5 {
		var p ports
		if p, err = choosePorts(options.HTTPPort); err != nil {
			return nil, err
		}
		a := newAgent(options, p)
		if err = a.start(ctx); err == nil {
			return a, nil
		}
		if !a.collided() {
			return nil, err
		}
		options.HTTPPort = 0 // somebody was quicker
	}
	return nil, err
}

func newAgent(options Options, p ports) *Agent {
	if options.Node == "" {
		options.Node = "node-1"
	}
	client := NewClient(fmt.Sprintf("127.0.0.1:%d", p.http))
	client.Token = options.Token
	return &Agent{Client: client, options: options, ports: p, printed: &lockedBuffer{}}
}

// collided reports whether another program took one of the ports.
func (a *Agent) collided() bool {
	return strings.Contains(a.printed.String(), "address already in use")
}

// SecureAddress returns the host:port of the API over TLS.
func (a *Agent) SecureAddress() string { return fmt.Sprintf("127.0.0.1:%d", a.ports.https) }

func choosePorts(preferred int) (ports, error) {
	free, err := process.FreePorts(portsEach)
	if err != nil {
		return ports{}, err
	}
	p := portsOf(free)
	p.http = process.PortOr(preferred, p.http)
	return p, nil
}

func portsOf(free []int) ports {
	return ports{http: free[0], https: free[1], server: free[2], serf: free[3], wan: free[4]}
}

func (a *Agent) start(ctx context.Context) error {
	file, err := a.writeConfig()
	if err != nil {
		return err
	}
	args := []string{"agent", "-config-file", file}
	if !a.options.Server {
		args = append(args, "-dev")
	}
	output := a.options.Output
	if output == nil {
		output = io.Discard
	}
	a.printed = &lockedBuffer{}
	a.process, err = process.Start(process.Command{
		Path:   a.options.Binary,
		Args:   args,
		Output: io.MultiWriter(output, a.printed),
	})
	if err != nil {
		return err
	}
	if err := a.WaitReady(ctx); err != nil {
		a.process.Kill()
		return fmt.Errorf("waiting for Consul: %w; it printed:\n%s", err, a.printed)
	}
	return nil
}

func (a *Agent) writeConfig() (string, error) {
	config := map[string]any{
		"bind_addr":            "127.0.0.1",
		"client_addr":          "127.0.0.1",
		"node_name":            a.options.Node,
		"disable_update_check": true,
		"ports": map[string]int{
			"http": a.ports.http, "server": a.ports.server, "serf_lan": a.ports.serf,
			"serf_wan": -1, "dns": -1, "grpc": -1, "grpc_tls": -1, "https": -1,
		},
	}
	if a.wan {
		config["ports"].(map[string]int)["serf_wan"] = a.ports.wan
	}
	if t := a.options.HTTPS; t != nil {
		config["ports"].(map[string]int)["https"] = a.ports.https
		https := map[string]any{"cert_file": t.Cert, "key_file": t.Key}
		if t.CA != "" {
			https["ca_file"], https["verify_incoming"] = t.CA, true
		}
		config["tls"] = map[string]any{"https": https}
	}
	if a.options.Server {
		config["server"] = true
		config["bootstrap_expect"] = 1
		config["data_dir"] = a.dataDir()
		config["performance"] = map[string]int{"raft_multiplier": 1}
	}
	maps.Copy(config, a.options.Config)
	text, err := json.MarshalIndent(config, "", "  ")
	if err != nil {
		return "", fmt.Errorf("encoding Consul's configuration: %w", err)
	}
	file := filepath.Join(a.options.Dir, "consul.json")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		return "", fmt.Errorf("writing Consul's configuration: %w", err)
	}
	return file, nil
}

func (a *Agent) dataDir() string { return filepath.Join(a.options.Dir, "consul-data") }

// WaitReady waits until the agent has a leader and the catalog lists the agent
// itself as passing: from then on registrations go through.
func (a *Agent) WaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	return process.Until(ctx, a.process, func(ctx context.Context) error {
		var entries []json.RawMessage
		if err := a.Get(ctx, "/v1/health/service/consul?passing", &entries); err != nil {
			return err
		}
		if len(entries) == 0 {
			return errors.New("the catalog is still empty")
		}
		return nil
	})
}

// Stop asks the agent to end and waits for it.
func (a *Agent) Stop() error { return a.process.Stop(30 * time.Second) }

// Kill ends the agent at once, as a crash would.
func (a *Agent) Kill() {
	if a.process != nil { // it was started at all
		a.process.Kill()
	}
}

// Process returns the running program, for signals.
func (a *Agent) Process() *process.Process { return a.process }

// Restart starts an agent that has ended, on the same ports, and waits until it
// is ready. With lose it forgets its state first; one without a data directory
// has forgotten it in any case.
func (a *Agent) Restart(ctx context.Context, lose bool) error {
	select {
	case <-a.process.Done():
	default:
		return errors.New("restarting Consul: it still runs")
	}
	if lose {
		if err := os.RemoveAll(a.dataDir()); err != nil {
			return fmt.Errorf("losing Consul's state: %w", err)
		}
	}
	return a.start(ctx)
}

// lockedBuffer keeps what the agent printed while others may read it.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
