package agent

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/hashicorp/consul/api"
)

// gatewayOn is a gateway's entry in the catalog.
func gatewayOn(node, meta, status string) *api.ServiceEntry {
	return &api.ServiceEntry{
		Node:    &api.Node{Node: node, Address: "127.0.0.1", Datacenter: "dc1"},
		Service: &api.AgentService{ID: "edge", Service: "edge", Port: 80, Meta: map[string]string{gatewayMeta: meta}},
		Checks:  api.HealthChecks{{Node: node, CheckID: "c", ServiceID: "edge", Status: status}},
	}
}

// fleetOf lists this gateway as passing, after so many others.
func (f *fakeConsul) fleetOf(g *gateway, others int) {
	f.change(func() {
		f.services["edge"] = nil
		for i := range others {
			f.services["edge"] = append(f.services["edge"], gatewayOn(fmt.Sprint("n", i), "other", api.HealthPassing))
		}
		f.services["edge"] = append(f.services["edge"], gatewayOn("z", g.fleet.id, api.HealthPassing))
	})
}

const registered = "service {\n    name = \"edge\"\n  }"

// sharedOut is a limit of which each gateway grants its share.
func sharedOut(burst int) string {
	return fmt.Sprintf("limit \"token_bucket\" \"wide\" {\n  rate = \"1/h\"\n  burst = %d\n  key = []\n  scope = \"fleet_share\"\n}\n", burst) +
		"route \"web\" {\n  path = \"/web\"\n  service = \"web\"\n  limits = [\"wide\"]\n}\n"
}

func (g *gateway) fleetLimits() (FleetInfo, LimitInfo) {
	g.t.Helper()
	var answer struct {
		Fleet  FleetInfo
		Limits []LimitInfo
	}
	if err := json.Unmarshal([]byte(g.api("GET", "/v1/limits").body), &answer); err != nil || len(answer.Limits) != 1 {
		g.t.Fatalf("%+v: %v", answer, err)
	}
	return answer.Fleet, answer.Limits[0]
}

// A gateway is ready once it knows how many there are, grants its share, and a
// smaller one as soon as there are more.
func TestFleetShare(t *testing.T) {
	t.Parallel()
	f := newFakeConsul(t)
	f.change(func() { f.silent = true })
	text := f.block(registered) + service("web", says(t, "web"))
	g := start(t, text+sharedOut(8))
	eventually(t, "the reason why it is not ready", func() bool {
		return strings.Contains(g.reasons(), `how many gateways there are of "edge"`)
	})
	if fleet, l := g.fleetLimits(); fleet.Known || fleet.Gateways != 1 || l.Quota != 8 {
		t.Errorf("%+v, %+v", fleet, l)
	}
	f.set("edge", "127.0.0.1:1000", "127.0.0.1:1001") // this one is not listed, and counts itself
	f.change(func() { f.silent = false })
	g.awaitReady()
	if fleet, l := g.fleetLimits(); !fleet.Known || fleet.Gateways != 3 || fleet.Service != "edge" || l.Share != "1 of 3" || l.Quota != 2 || l.Scope != "fleet_share" {
		t.Errorf("%+v, %+v", fleet, l)
	}
	if n := g.allSeries()["lictor_fleet_gateways{}"]; n != 3 {
		t.Errorf("the metric says %g", n)
	}
	if !strings.Contains(g.log.String(), "size of the fleet changed: service=edge gateways=3 before=0") {
		t.Error("the log does not tell")
	}
	eventually(t, "the instance answers", func() bool { return g.get("/web").status == 200 })
	if n := g.spend("/web"); n != 1 {
		t.Errorf("%d more passed, want 1", n)
	}

	// A reload goes on with the share.
	if report := g.accept(text + sharedOut(14)); len(report.Notes) > 0 {
		t.Errorf("the report is %+v", report)
	}
	if n := g.spend("/web"); n != 2 {
		t.Errorf("%d passed after a part of 2 became one of 4, want 2", n)
	}
	f.fleetOf(g, 3)
	eventually(t, "it is one of four", func() bool { _, l := g.fleetLimits(); return l.Share == "1 of 4" })
	if _, l := g.fleetLimits(); l.Quota != 3 {
		t.Errorf("%+v, want the part that nothing is left over for", l)
	}
	// Nobody else is there: that is believed later.
	f.fleetOf(g, 0)
	eventually(t, "Consul's word has come", func() bool {
		return strings.Contains(g.log.String(), "instances=1 eligible=0")
	})
	if fleet, _ := g.fleetLimits(); fleet.Gateways != 4 {
		t.Errorf("%+v", fleet)
	}
}

// A gateway without Consul goes on with the last number.
func TestFleetWithoutConsul(t *testing.T) {
	t.Parallel()
	f := newFakeConsul(t)
	g := start(t, f.block(registered)+service("web", says(t, "web"))+sharedOut(8)).awaitReady()
	f.fleetOf(g, 3)
	eventually(t, "it is one of four", func() bool { _, l := g.fleetLimits(); return l.Share == "1 of 4" })
	f.change(func() { f.broken = true })
	f.hangUp()
	eventually(t, "Consul is away", func() bool { fleet, _ := g.fleetLimits(); return fleet.Error != "" })
	if fleet, l := g.fleetLimits(); fleet.Gateways != 4 || l.Share != "1 of 4" {
		t.Errorf("%+v, %+v", fleet, l)
	}
}

// Where the gateway was started says which fleet it is of.
func TestFleetNeedsARegistration(t *testing.T) {
	t.Parallel()
	f := newFakeConsul(t)
	web := service("web", says(t, "web"))
	if _, err := build(t, f.block()+web+sharedOut(8)); err == nil || !strings.Contains(err.Error(), "No fleet to share a limit") {
		t.Errorf("not registered: %v", err)
	}
	g := start(t, f.block()+web).awaitReady()
	if _, err := g.reload(f.block(registered) + web + sharedOut(8)); err == nil || !strings.Contains(err.Error(), "and a restart") {
		t.Errorf("registered by a reload: %v", err)
	}
}

// What is registered tells gateways apart that have the same service ID on
// another node each.
func TestFleetMeta(t *testing.T) {
	t.Parallel()
	f := newFakeConsul(t)
	g := start(t, f.block(registered)+service("web", says(t, "web"))+sharedOut(8)).awaitReady()
	f.change(func() {
		f.services["edge"] = []*api.ServiceEntry{
			gatewayOn("a", "other", "passing"), gatewayOn("b", "third", "critical"),
			gatewayOn("c", g.fleet.id, "passing"), gatewayOn("d", "fourth", "warning"), gatewayOn("e", "fifth", "maintenance"),
		}
	})
	eventually(t, "it is one of three", func() bool { _, l := g.fleetLimits(); return l.Share == "1 of 3" })
	if s := g.fleet.limits.Share(); s.Rank != 1 {
		t.Errorf("%+v", s)
	}
}
