package catalog

import "testing"

func TestInDatacenter(t *testing.T) {
	for _, name := range []string{"web", "", "a b", "web@dc=dc1", "web@mesh", "x@query"} {
		got := InDatacenter(name, "dc2")
		if service, dc := CutDatacenter(got); service != name || dc != "dc2" {
			t.Errorf("%q comes back as %q in %q", got, service, dc)
		}
		if !Elsewhere(got) || !Elsewhere(MeshName(got)) {
			t.Errorf("%q is not elsewhere", got)
		}
	}
	if got := InDatacenter("web", ""); got != "web" {
		t.Errorf("the service in the gateway's own datacenter is %q", got)
	}
	if service, dc := CutDatacenter("web"); service != "web" || dc != "" || Elsewhere("web") || Elsewhere("web@mesh") {
		t.Errorf("%q in %q", service, dc)
	}
}

func TestQueryName(t *testing.T) {
	for _, name := range []string{"web", "", "web@query"} {
		if got, is := CutQueryName(QueryName(name)); got != name || !is {
			t.Errorf("%q comes back as %q, %t", name, got, is)
		}
	}
	if got, is := CutQueryName("web"); got != "web" || is {
		t.Errorf("a service: %q, %t", got, is)
	}
}
