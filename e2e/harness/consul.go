package harness

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"testing"

	"github.com/lictor/lictor/e2e/datacenter"
)

// Consul is a real agent that ends with the test.
type Consul struct {
	*datacenter.Agent
	t testing.TB
}

// StartConsul runs an agent that keeps nothing on disk.
func StartConsul(t testing.TB) *Consul {
	t.Helper()
	return startConsul(t, datacenter.Options{})
}

// StartConsulServer runs a server whose state survives a restart.
func StartConsulServer(t testing.TB) *Consul {
	t.Helper()
	return startConsul(t, datacenter.Options{Server: true})
}

// StartConsulServers runs n servers that elect one of them, each with its state on
// disk.
func StartConsulServers(t testing.TB, n int) []*Consul {
	t.Helper()
	log := &Log{}
	log.showOnFailure(t, "Consul")
	agents, err := datacenter.StartCluster(t.Context(), n, datacenter.Options{Binary: ConsulBinary(t), Dir: t.TempDir(), Output: log})
	if err != nil {
		t.Fatal(err)
	}
	all := make([]*Consul, n)
	for i, a := range agents {
		t.Cleanup(a.Kill)
		all[i] = &Consul{Agent: a, t: t}
	}
	return all
}

// StartFederation runs one server for each datacenter, joined over the WAN, each
// with its state on disk.
func StartFederation(t testing.TB, datacenters ...string) []*Consul {
	t.Helper()
	log := &Log{}
	log.showOnFailure(t, "Consul")
	agents, err := datacenter.StartFederation(t.Context(), datacenters, datacenter.Options{Binary: ConsulBinary(t), Dir: t.TempDir(), Output: log})
	if err != nil {
		t.Fatal(err)
	}
	all := make([]*Consul, len(agents))
	for i, a := range agents {
		t.Cleanup(a.Kill)
		all[i] = &Consul{Agent: a, t: t}
	}
	return all
}

// StartConsulWith runs an agent as told; the program, the folder and where the
// output goes are seen to.
func StartConsulWith(t testing.TB, options datacenter.Options) *Consul {
	t.Helper()
	return startConsul(t, options)
}

func startConsul(t testing.TB, options datacenter.Options) *Consul {
	t.Helper()
	log := &Log{}
	log.showOnFailure(t, "Consul")
	options.Binary, options.Dir, options.Output = ConsulBinary(t), t.TempDir(), log
	agent, err := datacenter.Start(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(agent.Kill)
	c := &Consul{Agent: agent, t: t}
	t.Cleanup(c.showChecks)
	return c
}

// showChecks prints what the agent says of checks when the test has failed.
func (c *Consul) showChecks() {
	if !c.t.Failed() {
		return
	}
	var checks map[string]struct{ ServiceID, Status, Output string }
	err := c.Get(context.Background(), "/v1/agent/checks", &checks)
	c.t.Logf("Consul's agent has the checks %v, %v", checks, err)
}

// Restart starts the agent again after Kill or Stop; with lose it has forgotten
// everything.
func (c *Consul) Restart(lose bool) {
	c.t.Helper()
	if err := c.Agent.Restart(c.t.Context(), lose); err != nil {
		c.t.Fatal(err)
	}
}

// Register registers the instances as passing, each with a TTL check named after
// it, which only Report changes.
func (c *Consul) Register(instances ...*Instance) {
	c.t.Helper()
	for _, i := range instances {
		c.RegisterAs(i.Registration())
		// An agent keeps over a restart what was reported, not what was registered.
		c.Report(i, "passing")
	}
}

// Lists waits until the catalog lists n passing instances of the service: an
// agent hands on what it was told a moment after it answered.
func (c *Consul) Lists(service string, n int) {
	c.t.Helper()
	Within(c.t, Patience, fmt.Sprintf("Consul lists %d instances of %s", n, service), func() error {
		var entries []json.RawMessage
		if err := c.Get(c.t.Context(), "/v1/health/service/"+service+"?passing", &entries); err != nil {
			return err
		}
		if len(entries) != n {
			return fmt.Errorf("it lists %d", len(entries))
		}
		return nil
	})
}

// RegisterAs registers one instance as told.
func (c *Consul) RegisterAs(r datacenter.Registration) {
	c.t.Helper()
	c.must(c.Agent.Register(c.t.Context(), r))
}

// Deregister removes instances.
func (c *Consul) Deregister(instances ...*Instance) {
	c.t.Helper()
	for _, i := range instances {
		c.must(c.Agent.Deregister(c.t.Context(), i.ID))
	}
}

// Report sets the check of an instance to passing, warning or critical.
func (c *Consul) Report(i *Instance, status string) {
	c.t.Helper()
	c.must(c.Agent.Report(c.t.Context(), i.CheckID(), status))
}

// ServiceMaintenance switches the maintenance mode of one instance.
func (c *Consul) ServiceMaintenance(i *Instance, on bool) {
	c.t.Helper()
	c.must(c.Agent.ServiceMaintenance(c.t.Context(), i.ID, on))
}

// NodeMaintenance switches the maintenance mode of the whole node.
func (c *Consul) NodeMaintenance(on bool) {
	c.t.Helper()
	c.must(c.Agent.NodeMaintenance(c.t.Context(), on))
}

// Prepare makes a prepared query of a service that fails over to other
// datacenters, and returns its id.
func (c *Consul) Prepare(name, service string, datacenters ...string) string {
	c.t.Helper()
	id, err := c.Agent.Prepare(c.t.Context(), name, service, datacenters...)
	c.must(err)
	return id
}

// Unprepare removes a prepared query.
func (c *Consul) Unprepare(id string) {
	c.t.Helper()
	c.must(c.Delete(c.t.Context(), "/v1/query/"+id))
}

// Age has Consul come further in its history than one that begins anew gets within a
// test. That a Consul has lost its state is known by its index alone, which grows by
// some fifteen while it starts.
func (c *Consul) Age() {
	c.t.Helper()
	for n := range 50 {
		c.PutKey("age", strconv.Itoa(n))
	}
}

// PutKey writes a key of the key-value store.
func (c *Consul) PutKey(key, value string) {
	c.t.Helper()
	c.must(c.Agent.PutKey(c.t.Context(), key, value))
}

func (c *Consul) must(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
}
