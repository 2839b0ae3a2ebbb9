package connect

import (
	"net/url"
	"testing"
)

func TestParseID(t *testing.T) {
	web := ID{TrustDomain: "d.consul", Partition: "default", Namespace: "default", Datacenter: "dc1", Service: "web"}
	other := web
	other.Partition, other.Namespace = "east", "shop"
	odd := web
	odd.Service = "we b/x"
	for _, c := range []struct {
		uri  string
		want ID // zero for refused
	}{
		{"spiffe://d.consul/ns/default/dc/dc1/svc/web", web},
		{"spiffe://d.consul/ap/default/ns/default/dc/dc1/svc/web", web},
		{"spiffe://d.consul/ap/east/ns/shop/dc/dc1/svc/web", other},
		{"spiffe://d.consul/ns/default/dc/dc1/svc/we%20b%2Fx", odd},
		{"SPIFFE://d.consul/ns/default/dc/dc1/svc/web", web}, // url.Parse folds schemes
		{"https://d.consul/ns/default/dc/dc1/svc/web", ID{}},
		{"spiffe:ns/default/dc/dc1/svc/web", ID{}},
		{"spiffe:///ns/default/dc/dc1/svc/web", ID{}},
		{"spiffe://d.consul", ID{}},
		{"spiffe://d.consul/", ID{}},
		{"spiffe://d.consul:443/ns/default/dc/dc1/svc/web", ID{}},
		{"spiffe://me@d.consul/ns/default/dc/dc1/svc/web", ID{}},
		{"spiffe://d.consul/ns/default/dc/dc1/svc/web?x=1", ID{}},
		{"spiffe://d.consul/ns/default/dc/dc1/svc/web?", ID{}},
		{"spiffe://d.consul/ns/default/dc/dc1/svc/web#x", ID{}},
		{"spiffe://d.consul/ns/default/dc/dc1/svc/web/", ID{}},
		{"spiffe://d.consul//ns/default/dc/dc1/svc/web", ID{}},
		{"spiffe://d.consul/ns//dc/dc1/svc/web", ID{}},
		{"spiffe://d.consul/ns/default/dc/dc1/svc/", ID{}},
		{"spiffe://d.consul/ns/default/dc/dc1/svc/..", ID{}},
		{"spiffe://d.consul/ns/default/dc/dc1/svc/*", ID{}},
		{"spiffe://d.consul/ns/default/dc/dc1/svc/web/x/y", ID{}},
		{"spiffe://d.consul/xx/east/ns/shop/dc/dc1/svc/web", ID{}},
		{"spiffe://d.consul/dc/dc1/ns/default/svc/web", ID{}},
		{"spiffe://d.consul/NS/default/dc/dc1/svc/web", ID{}},
		{"spiffe://d.consul/agent/client/dc/dc1/id/web", ID{}},
		{"spiffe://d.consul/gateway/mesh/dc/dc1", ID{}},
	} {
		u, err := url.Parse(c.uri)
		if err != nil {
			t.Fatal(err)
		}
		got, err := ParseID(u)
		if got != c.want || (err == nil) != (c.want != ID{}) {
			t.Errorf("%s: %+v, %v", c.uri, got, err)
		}
		if err != nil {
			continue
		}
		again, err := url.Parse(got.String())
		if err != nil {
			t.Fatal(err)
		}
		if back, err := ParseID(again); err != nil || back != got {
			t.Errorf("%s comes back as %+v, %v", got, back, err)
		}
	}
}

func TestSameService(t *testing.T) {
	web := ID{TrustDomain: "d.consul", Datacenter: "dc1", Service: "web"}
	with := func(change func(*ID)) ID { id := web; change(&id); return id }
	for _, c := range []struct {
		name string
		id   ID
		want bool
	}{
		{"itself", web, true},
		{"defaults written out", with(func(i *ID) { i.Partition, i.Namespace = "default", "default" }), true},
		{"domain in another case", with(func(i *ID) { i.TrustDomain = "D.Consul" }), true},
		{"datacenter in another case", with(func(i *ID) { i.Datacenter = "DC1" }), true},
		{"another domain", with(func(i *ID) { i.TrustDomain = "e.consul" }), false},
		{"a longer domain", with(func(i *ID) { i.TrustDomain = "d.consul.evil" }), false},
		{"another datacenter", with(func(i *ID) { i.Datacenter = "dc2" }), false},
		{"another service", with(func(i *ID) { i.Service = "api" }), false},
		{"service in another case", with(func(i *ID) { i.Service = "Web" }), false},
		{"another namespace", with(func(i *ID) { i.Namespace = "shop" }), false},
		{"another partition", with(func(i *ID) { i.Partition = "east" }), false},
	} {
		if got := web.is(c.id); got != c.want || c.id.is(web) != c.want {
			t.Errorf("%s: %t", c.name, got)
		}
	}
}

func TestSNI(t *testing.T) {
	for want, id := range map[string]ID{
		"web.default.dc1.internal.d.consul":         {TrustDomain: "D.consul", Datacenter: "dc1", Service: "web"},
		"web.shop.east.dc1.internal-v1.d.consul":    {TrustDomain: "d.consul", Partition: "east", Namespace: "shop", Datacenter: "dc1", Service: "web"},
		"web.default.east.dc1.internal-v1.d.consul": {TrustDomain: "d.consul", Partition: "east", Datacenter: "dc1", Service: "web"},
	} {
		if got := id.sni(); got != want {
			t.Errorf("%+v: %q", id, got)
		}
	}
}
