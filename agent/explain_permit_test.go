package agent

import (
	"fmt"
	"strings"
	"testing"

	"github.com/hashicorp/consul/api"

	"github.com/lictor/lictor/proxy"
)

// meshGateway starts a gateway with a listener in the mesh beside one that is not.
func meshGateway(t *testing.T) (*gateway, *fakeConsul) {
	t.Helper()
	consul := newFakeConsul(t)
	block := strings.Replace(consul.block("service {\n name = \"edge\"\n}"), "consul {\n", "consul {\n  connect {\n    enabled = true\n  }\n", 1)
	g := start(t, block+`
listener "public" {
  address = "127.0.0.1:0"
}
listener "mesh" {
  address = "127.0.0.1:0"
  mesh    = true
}
limit "token_bucket" "flood" {
  rate = "1/h"
  key  = []
}
gateway {
  limits = ["flood"]
}
route "orders" {
  path_prefix = "/orders"
  service     = "legacy"
}
`+service("legacy", says(t, "one")))
	return g, consul
}

// intend is an intention as the match of Consul has it.
func intend(source, action string, precedence int, permissions ...*api.IntentionPermission) *api.Intention {
	return &api.Intention{
		SourceName: source, SourceNS: "default", DestinationName: "edge", DestinationNS: "default", Precedence: precedence,
		Action: api.IntentionAction(action), Permissions: permissions,
	}
}

func permission(action, prefix string) *api.IntentionPermission {
	return &api.IntentionPermission{Action: api.IntentionAction(action), HTTP: &api.IntentionHTTPPermission{PathPrefix: prefix}}
}

// TestExplainPermissions tells at a listener in the mesh which permission decides,
// for one service that asks and for all.
func TestExplainPermissions(t *testing.T) {
	t.Parallel()
	g, consul := meshGateway(t)
	ask := func(path, more string) ExplainAnswer {
		t.Helper()
		return g.explained(fmt.Sprintf(`{"url": %q, "listener": "mesh"%s}`, path, more))
	}
	shown := func(v ExplainAnswer) string {
		t.Helper()
		if len(v.GatewaySteps) != 2 || v.GatewaySteps[0].Step != "permissions" {
			t.Fatalf("%+v", v.GatewaySteps)
		}
		p := v.GatewaySteps[0]
		text := fmt.Sprintf("%d %t %s: %s", v.Outcome.Status, v.Outcome.Certain, p.Verdict, p.Why)
		for _, part := range p.Parts {
			text += fmt.Sprintf("\n%s %s: %s", part.Step, part.Verdict, part.Why)
		}
		return text
	}
	eventually(t, "the instance is known", func() bool {
		return g.explained(`{"url": "/orders", "listener": "public"}`).Outcome.Reaches
	})
	const unknown = "the intentions are not known yet, which denies; it is not let connect"
	for more, want := range map[string]string{
		"":                   "403 true refuses: whichever service of the mesh asks\nany other refuses: " + unknown,
		`, "source": "shop"`: "403 true refuses: " + unknown,
	} {
		v := ask("/orders", more)
		if got := shown(v); got != want || v.Outcome.Problem != "urn:lictor:problem:permission-denied" || v.GatewaySteps[1].Verdict != proxy.NotReached {
			t.Errorf("before anything is known: %s", got)
		}
	}

	consul.change(func() {
		consul.intentions = []*api.Intention{
			intend("shop", "", 9, permission("deny", "/orders/admin"), permission("allow", "/orders")),
			intend("api", "allow", 9), intend("*", "deny", 8),
		}
	})
	eventually(t, "the intentions are known", func() bool {
		return !strings.Contains(shown(ask("/orders", `, "source": "shop"`)), unknown)
	})
	for _, c := range []struct{ path, more, want string }{
		{"/orders/7", `, "source": "shop"`, "0 true passes: permission 2 of shop allows it"},
		{"/orders/x/%2e%2e/admin", `, "source": "shop"`, "403 true refuses: permission 1 of shop denies it"},
		{"/elsewhere", `, "source": "shop"`, "404 true passes: no permission of shop is about it, and the default is allow"},
		{"/elsewhere", `, "source": "api"`, "404 true passes: api => allow"},
		{"/orders", `, "source": "web"`, "403 true refuses: * => deny; it is not let connect"},
		{"/orders", "", `0 false not known: it depends on which service of the mesh asks
shop passes: permission 2 of shop allows it
api passes: api => allow
any other refuses: * => deny; it is not let connect`},
		{"/orders/admin", "", `0 false not known: it depends on which service of the mesh asks
shop refuses: permission 1 of shop denies it
api passes: api => allow
any other refuses: * => deny; it is not let connect`},
	} {
		if got := shown(ask(c.path, c.more)); got != c.want {
			t.Errorf("%s%s: %s", c.path, c.more, got)
		}
	}
	if n := g.mesh.intentions.Denied(); n != 0 {
		t.Errorf("asking has counted %d denials", n)
	}

	for question, why := range map[string]string{
		`{"url": "/orders", "listener": "public", "source": "shop"}`: "is not in the mesh",
		`{"url": "/orders", "listener": "mesh", "source": "*"}`:      "neither the name of a service",
	} {
		if a := g.explain(question); a.status != 400 || !strings.Contains(a.body, why) {
			t.Errorf("%s: %d %s", question, a.status, a.body)
		}
	}
	if v := g.explained(`{"url": "/orders", "listener": "public"}`); !v.Outcome.Reaches || len(v.GatewaySteps) != 1 {
		t.Errorf("out of the mesh: %+v", v)
	}
}

// Of very many sources no more than a page is told.
func TestExplainManySources(t *testing.T) {
	t.Parallel()
	g, consul := meshGateway(t)
	consul.change(func() {
		for n := range 2 * shownSources {
			consul.intentions = append(consul.intentions, intend(fmt.Sprintf("shop-%03d", n), "allow", 9))
		}
		consul.intentions = append(consul.intentions, intend("*", "allow", 8))
	})
	var p proxy.Explanation
	eventually(t, "the intentions are known", func() bool {
		p = g.explained(`{"url": "/orders", "listener": "mesh"}`).GatewaySteps[0]
		return p.Verdict == proxy.Passes
	})
	if len(p.Parts) != shownSources || p.Why != "whichever service of the mesh asks" || len(p.Facts) != 1 || fmt.Sprint(p.Facts[0]) != fmt.Sprint(proxy.Fact{Name: "sources_left_out", Value: shownSources + 1}) {
		t.Errorf("%d are told of, %q, %v", len(p.Parts), p.Why, p.Facts)
	}
}
