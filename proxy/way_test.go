package proxy

import (
	"crypto/tls"
	"testing"
	"time"

	"github.com/lictor/lictor/catalog"
	"github.com/lictor/lictor/proxy/upstream"
)

// named is a way of TLS that is told from others by its name.
type named string

func (n named) ClientConfig(string) *tls.Config {
	return &tls.Config{ServerName: string(n), MinVersion: tls.VersionTLS12}
}

// Every service of a split is spoken to in its own way and called by its own name.
func TestWays(t *testing.T) {
	set := upstream.NewSet(upstream.Options{})
	snap := &catalog.Snapshot{Source: "test", Services: map[string]*catalog.Service{}}
	for _, name := range []string{"shop@mesh", "plain"} {
		snap.Services[name] = &catalog.Service{Name: name, Instances: []catalog.Instance{{Key: name, Address: "127.0.0.1", Port: 1, Weight: 1}}}
	}
	set.Apply(snap)
	pool, err := set.Pool(upstream.PoolSpec{Turns: "r", Split: []upstream.Share{{Service: "shop@mesh", Weight: 1}, {Service: "plain", Weight: 1}}})
	if err != nil {
		t.Fatal(err)
	}
	split := &Route{Service: "shop", Pool: pool, Ways: []Way{{"shop@mesh", "shop", named("shop")}, {"plain", "plain", nil}}}
	one := &Route{Service: "web", UpstreamTLS: named("web")}
	if split.ServiceOf(nil) != "shop" || split.TLSTo(nil) != nil || one.ServiceOf(nil) != "web" || one.TLSTo(nil) != named("web") {
		t.Error("without an endpoint a route is not what it says itself")
	}
	if x := (&Exchange{}); x.Service() != "" {
		t.Error("there is a service without a route")
	}
	for i, want := range []struct {
		service string
		tls     UpstreamTLS
	}{{"shop", named("shop")}, {"plain", nil}} {
		var a upstream.Attempt
		ep, why := pool.Acquire(&a, time.Unix(1, 0))
		if ep == nil {
			t.Fatal(why)
		}
		x := &Exchange{Route: split, Endpoint: ep}
		if x.Service() != want.service || split.TLSTo(ep) != want.tls || split.TLSFor(ep.Service()) != want.tls {
			t.Errorf("request %d goes to %s by %v, want %s by %v", i, x.Service(), split.TLSTo(ep), want.service, want.tls)
		}
		if one.ServiceOf(ep) != "web" || one.TLSTo(ep) != named("web") {
			t.Error("a route that does not split looks at the endpoint")
		}
		a.Release()
	}
}
