//go:build e2e

package e2e

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"testing"

	"github.com/lictor/lictor/e2e/datacenter"
	"github.com/lictor/lictor/e2e/harness"
)

// leads checks that one of the servers knows a leader, other than one that is
// named by its place.
func leads(t *testing.T, servers []*harness.Consul) int {
	t.Helper()
	leader := -1
	harness.Within(t, harness.Patience, "the servers have a leader", func() error {
		for i, s := range servers {
			if yes, err := s.Leads(t.Context()); err == nil && yes {
				leader = i
				return nil
			}
		}
		return errors.New("none")
	})
	return leader
}

// TestServersDieUnderLoad has three servers. The gateway asks one that does not
// lead. The leader dies, and another is elected; that dies too, and what is left
// has no quorum; then one comes back. No request may fail in all that time, and
// what is registered with a quorum must serve.
func TestServersDieUnderLoad(t *testing.T) {
	servers := harness.StartConsulServers(t, 3)
	first := leads(t, servers)
	ours := servers[(first+1)%3]
	others := []*harness.Consul{servers[first], servers[(first+2)%3]}

	orders := harness.StartInstances(t, "orders", 3)
	ledger := &harness.Ledger{}
	for _, i := range orders {
		i.Record(ledger)
	}
	ours.Register(orders...)
	ours.Lists("orders", 3)
	gateway := harness.StartGateway(t, harness.Options{Consul: ours.Address(), Policies: ordersRoute})
	load := harness.Load{URL: gateway.URL("/orders")}.Start(t)
	load.WaitFor(500)

	serves := func(what, id string) {
		t.Helper()
		late := harness.StartInstance(t, "orders", id)
		late.Record(ledger)
		orders = append(orders, late)
		harness.Within(t, harness.Patience, what, func() error {
			if err := ours.Agent.Register(t.Context(), late.Registration()); err != nil {
				return err
			}
			return onlyBy(gateway, "/orders", orders...)()
		})
	}

	others[0].Kill()
	serves("what is registered after the leader's death", "orders-second-leader")
	load.WaitFor(load.Sent() + 1000)

	others[1].Kill()
	harness.Within(t, harness.Patience, "the server that is left has no leader", func() error {
		if leader, err := ours.Leader(t.Context()); err == nil && leader != "" {
			return fmt.Errorf("it knows %s", leader)
		}
		return nil
	})
	load.WaitFor(load.Sent() + 3000)
	if a := gateway.Get("/orders"); a.Status != http.StatusOK {
		t.Errorf("without a quorum: %d %s", a.Status, a.Body)
	}

	others[1].Restart(false)
	serves("what is registered once there is a quorum again", "orders-recovered")
	load.WaitFor(enough)
	settle(t, load, ledger)
}

// TestSnapshotRestored puts the servers back into an earlier state: the catalog
// changes while its index may not grow. The instances are on a node without an agent,
// since an agent puts its own services right again.
func TestSnapshotRestored(t *testing.T) {
	consul := harness.StartConsulServer(t)
	host := harness.MachineAddress(t)
	var orders []*harness.Instance
	for n := range 3 {
		orders = append(orders, harness.StartInstanceAt(t, net.JoinHostPort(host, "0"), "orders", fmt.Sprintf("orders-%d", n+1)))
	}
	const node = "elsewhere"
	register := func(i *harness.Instance) {
		t.Helper()
		err := consul.CatalogRegister(t.Context(), datacenter.Entry{
			Node: node, Address: host, Service: datacenter.EntryService{ID: i.ID, Service: i.Service, Address: i.Host, Port: i.Port},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	register(orders[0])
	register(orders[1])
	gateway := harness.StartGateway(t, harness.Options{Consul: consul.Address(), Policies: ordersRoute})
	harness.Within(t, harness.Patience, "two serve", onlyBy(gateway, "/orders", orders[:2]...))

	state, err := consul.SaveSnapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := consul.CatalogDeregister(t.Context(), node, orders[0].ID); err != nil {
		t.Fatal(err)
	}
	register(orders[2])
	harness.Within(t, harness.Patience, "the change is seen", onlyBy(gateway, "/orders", orders[1:]...))
	if err := consul.RestoreSnapshot(t.Context(), state); err != nil {
		t.Fatal(err)
	}
	// A gateway that sleeps through the restore wakes up a minute later.
	harness.Within(t, harness.Patience, "the earlier state is back", onlyBy(gateway, "/orders", orders[:2]...))
}
