package connect

import (
	"strings"
	"testing"

	"github.com/hashicorp/consul/api"
)

func allow(source string, precedence int) *api.Intention {
	return &api.Intention{SourceName: source, SourceNS: "default", DestinationName: "edge", Action: api.IntentionActionAllow, Precedence: precedence}
}

func deny(source string, precedence int) *api.Intention {
	x := allow(source, precedence)
	x.Action = api.IntentionActionDeny
	return x
}

// permitting has a permission for all that is below /.
func permitting(source string, precedence int) *api.Intention {
	x := allow(source, precedence)
	x.Action, x.Permissions = "", []*api.IntentionPermission{{Action: api.IntentionActionAllow, HTTP: &api.IntentionHTTPPermission{PathPrefix: "/"}}}
	return x
}

func with(x *api.Intention, change func(*api.Intention)) *api.Intention {
	change(x)
	return x
}

func TestIntentions(t *testing.T) {
	shop := ID{TrustDomain: domain, Partition: "default", Namespace: "default", Datacenter: "dc1", Service: "shop"}
	for _, c := range []struct {
		name    string
		rules   []*api.Intention
		allowed bool
		byRule  bool
		why     string
	}{
		{"none", nil, false, false, ""},
		{"of others", []*api.Intention{allow("api", 9), deny("sho", 9), deny("shopp", 9)}, false, false, ""},
		{"allow", []*api.Intention{allow("shop", 9)}, true, true, "shop => allow"},
		{"deny", []*api.Intention{deny("shop", 9)}, false, true, "shop => deny"},
		{"everyone", []*api.Intention{allow("*", 8)}, true, true, ""},
		{"exact before wildcard", []*api.Intention{deny("*", 8), allow("shop", 9)}, true, true, ""},
		{"exact denial before wildcard", []*api.Intention{allow("*", 8), deny("shop", 9)}, false, true, ""},
		{"exact destination before wildcard destination", []*api.Intention{with(allow("shop", 6), func(x *api.Intention) { x.DestinationName = "*" }), deny("*", 8)}, false, true, ""},
		{"in the order of lists where precedence is alike", []*api.Intention{deny("shop", 9), allow("shop", 9)}, false, true, ""},
		{"permissions judge requests", []*api.Intention{permitting("shop", 9)}, true, true, "permissions"},
		{"permissions come before a wildcard", []*api.Intention{permitting("shop", 9), deny("*", 8)}, true, true, "permissions"},
		{"a denial comes before a wildcard's permissions", []*api.Intention{permitting("*", 8), deny("shop", 9)}, false, true, "deny"},
		{"permissions in another case", []*api.Intention{permitting("SHOP", 9), allow("*", 8)}, false, true, "permissions"},
		{"an action that is not known", []*api.Intention{with(allow("shop", 9), func(x *api.Intention) { x.Action = "audit" })}, false, true, ""},
		{"a peer's shop", []*api.Intention{with(allow("shop", 9), func(x *api.Intention) { x.SourcePeer = "east" })}, false, false, ""},
		{"another namespace's shop", []*api.Intention{with(allow("shop", 9), func(x *api.Intention) { x.SourceNS = "east" })}, false, false, ""},
		{"any namespace's shop", []*api.Intention{with(allow("shop", 9), func(x *api.Intention) { x.SourceNS = "*" })}, true, true, ""},
		{"another partition's shop", []*api.Intention{with(allow("shop", 9), func(x *api.Intention) { x.SourcePartition = "east" })}, false, false, ""},
		{"no namespace said", []*api.Intention{with(allow("shop", 9), func(x *api.Intention) { x.SourceNS = "" })}, true, true, ""},
		{"a sameness group", []*api.Intention{with(allow("shop", 9), func(x *api.Intention) { x.SourceSamenessGroup = "all" })}, false, true, "can't be judged"},
		{"a type that is not known", []*api.Intention{with(allow("shop", 9), func(x *api.Intention) { x.SourceType = "vm" })}, false, true, "can't be judged"},
		{"leave in another case", []*api.Intention{allow("SHOP", 9)}, false, false, ""},
		{"denial in another case", []*api.Intention{deny("SHOP", 9), allow("*", 8)}, false, true, "deny"},
		{"null", []*api.Intention{nil, allow("shop", 9)}, true, true, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, byRule := newRules(c.rules).judge(false, nil).decide(shop)
			if d.allowed != c.allowed || byRule != c.byRule || !strings.Contains(d.why, c.why) || (d.judged != nil) != (d.allowed && c.why == "permissions") {
				t.Errorf("%+v, %t", d, byRule)
			}
		})
	}
}

// Until Consul has told, and by default, nothing is let in but what is known to
// be allowed.
func TestIntentionsFailClosed(t *testing.T) {
	n := &Intentions{}
	s := &Server{intentions: n}
	shop := ID{Service: "shop"}
	if ok, why := s.allowed(shop); ok || !strings.Contains(why, "not known yet") {
		t.Errorf("before anything is known: %t, %s", ok, why)
	}
	for _, byDefault := range []bool{true, false} {
		n.known.Store(&intentions{byDefault: byDefault})
		if ok, why := s.allowed(shop); ok != byDefault || !strings.Contains(why, word(byDefault)) {
			t.Errorf("default %t: %t, %s", byDefault, ok, why)
		}
	}
}
