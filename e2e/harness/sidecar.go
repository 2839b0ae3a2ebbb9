package harness

import (
	"context"
	"fmt"
	"net"
	"testing"

	"github.com/lictor/lictor/e2e/process"
)

// Sidecar is Consul's own proxy in front of one instance: it takes connections
// from the mesh and passes them on in clear.
type Sidecar struct {
	// Port is where it listens, on 127.0.0.1.
	Port int
	Log  *Log

	t        testing.TB
	consul   *Consul
	instance string // or the service that it speaks for
	process  *process.Process
}

// clearPort is a port that nobody listens on: an instance that is registered with
// it can't be reached but through its sidecar.
const clearPort = 1

// RegisterMeshed registers the instance so that it can only be reached through a
// sidecar, which runs until the test ends.
func (c *Consul) RegisterMeshed(i *Instance) *Sidecar {
	c.t.Helper()
	s := c.registerSidecar(i, clearPort)
	s.Start()
	return s
}

// AddSidecar registers the instance with its own address, and a sidecar besides.
func (c *Consul) AddSidecar(i *Instance) *Sidecar {
	c.t.Helper()
	s := c.registerSidecar(i, i.Port)
	s.Start()
	return s
}

func (c *Consul) registerSidecar(i *Instance, port int) *Sidecar {
	c.t.Helper()
	ports, err := process.FreePorts(1)
	if err != nil {
		c.t.Fatal(err)
	}
	s := &Sidecar{Port: ports[0], Log: &Log{}, t: c.t, consul: c, instance: i.ID}
	s.Log.showOnFailure(c.t, "the sidecar of "+i.ID)
	registration := i.Registration()
	c.must(c.Put(c.t.Context(), "/v1/agent/service/register?replace-existing-checks=true", map[string]any{
		"ID": i.ID, "Name": i.Service, "Address": i.Host, "Port": port, "Checks": registration.Checks,
		"Connect": map[string]any{"SidecarService": map[string]any{
			"Address": "127.0.0.1", "Port": s.Port,
			"Checks": []map[string]any{
				// Consul (1.22.7, agent.go) begins to look at the instance before it adds the check as it
				// was registered. What it found is overwritten if it is quick, and looked at again after
				// a minute, or at the next change; so it is registered as what will be found.
				{"Name": "alias", "AliasService": i.ID, "Status": "passing"},
				// What is reported outlasts a restart of the agent; a check that it makes itself
				// begins as critical then, and does so for long on a busy machine.
				{"Name": "listens", "CheckID": s.checkID(), "TTL": "1h"},
			},
			"Proxy": map[string]any{"LocalServiceAddress": i.Host, "LocalServicePort": i.Port},
		}},
	}, nil))
	c.Report(i, "passing")
	return s
}

// SidecarID returns the id that the sidecar of an instance is registered as.
func SidecarID(i *Instance) string { return i.ID + "-sidecar-proxy" }

func (s *Sidecar) checkID() string { return "listens-" + s.instance }

// Start runs the sidecar's program, waits until it listens and reports it as passing.
func (s *Sidecar) Start() {
	s.t.Helper()
	s.begin("the sidecar of "+s.instance, "-sidecar-for="+s.instance)
	s.consul.must(s.consul.Agent.Report(s.t.Context(), s.checkID(), "passing"))
}

// begin runs the program and waits until it listens. Consul's proxy (1.22.7, connect/tls.go)
// waits for ever if its certificates have come before it asks whether they have, for
// the channel that it would wait on is nil by then. So one that does not listen is
// started again.
func (s *Sidecar) begin(what string, args ...string) {
	s.t.Helper()
	var err error
	for range 3 {
		s.run(args...)
		ctx, cancel := context.WithTimeout(s.t.Context(), Patience/2)
		err = process.Until(ctx, nil, func(context.Context) error { return s.listens() })
		cancel()
		if err == nil {
			return
		}
		s.process.Kill()
	}
	s.t.Fatalf("%s does not listen, in three attempts: %v", what, err)
}

func (s *Sidecar) run(args ...string) {
	s.t.Helper()
	var err error
	s.process, err = process.Start(process.Command{
		Path:   ConsulBinary(s.t),
		Args:   append([]string{"connect", "proxy", "-http-addr=http://" + s.consul.Address()}, args...),
		Output: s.Log,
	})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(s.process.Kill)
}

// Stop ends the sidecar's program; it stays registered, and passing.
func (s *Sidecar) Stop() { s.process.Kill() }

func (s *Sidecar) listens() error {
	c, err := net.DialTimeout("tcp", fmt.Sprintf("127.0.0.1:%d", s.Port), Patience)
	if err != nil {
		return err
	}
	return c.Close()
}

// StartUpstream runs Consul's proxy as the source of connections: what is sent to
// the port that it returns goes, in the name of the service, to another service
// in the mesh.
func (c *Consul) StartUpstream(service, destination string) *Sidecar {
	c.t.Helper()
	ports, err := process.FreePorts(1)
	if err != nil {
		c.t.Fatal(err)
	}
	s := &Sidecar{Port: ports[0], Log: &Log{}, t: c.t, consul: c, instance: service}
	s.Log.showOnFailure(c.t, "the proxy of "+service)
	s.begin("the proxy of "+service, "-service="+service, fmt.Sprintf("-upstream=%s:127.0.0.1:%d", destination, s.Port))
	return s
}

// Intend writes the intentions of a destination: sources and "allow" or "deny".
func (c *Consul) Intend(destination string, actions map[string]string) {
	c.t.Helper()
	sources := []map[string]any{}
	for source, action := range actions {
		sources = append(sources, map[string]any{"Name": source, "Action": action})
	}
	c.PutConfigEntry(map[string]any{"Kind": "service-intentions", "Name": destination, "Sources": sources})
}

// PutConfigEntry writes a configuration entry.
func (c *Consul) PutConfigEntry(entry map[string]any) {
	c.t.Helper()
	c.must(c.Put(c.t.Context(), "/v1/config", entry, nil))
}
