package proxy_test

import (
	"testing"

	"github.com/lictor/lictor/proxy"
	"github.com/lictor/lictor/proxy/router"
)

// What the policies say besides routes stays.
func TestWithRoutes(t *testing.T) {
	step := stepFunc(func(*proxy.Exchange) bool { return true })
	old, err := proxy.NewTable(7, []proxy.Step{step}, []*proxy.Route{{Rule: router.Rule{Name: "a"}}})
	if err != nil {
		t.Fatal(err)
	}
	old.SecretParameters = []string{"key"}
	route := &proxy.Route{Rule: router.Rule{Name: "b"}}
	now, err := old.WithRoutes([]*proxy.Route{route})
	if err != nil {
		t.Fatal(err)
	}
	if now.Generation != 7 || len(now.Gateway) != 1 || len(now.SecretParameters) != 1 || len(now.Routes) != 1 || now.Routes[0] != route || route.Metrics == nil {
		t.Errorf("%+v", now)
	}
	if old.Routes[0].Name() != "a" {
		t.Error("the old table was changed")
	}
	if _, err := old.WithRoutes([]*proxy.Route{{Rule: router.Rule{Name: "a"}}, {Rule: router.Rule{Name: "b"}}}); err == nil {
		t.Error("two routes exactly alike are let pass")
	}
}
