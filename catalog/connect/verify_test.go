package connect

import (
	"crypto/x509"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"
)

// TestExpect lets peers prove that they are web.
func TestExpect(t *testing.T) {
	active, former, stranger := newAuthority(t, "active"), newAuthority(t, "former"), newAuthority(t, "stranger")
	roots, err := newRoots(rootsOf(active, former))
	if err != nil {
		t.Fatal(err)
	}
	want := ID{TrustDomain: domain, Datacenter: "dc1", Service: "web"}
	now := time.Now()

	sub := newAuthority(t, "between") // signed by the active root
	sub.cert = active.cross(sub)
	next := newAuthority(t, "next") // a root that is not known yet, vouched for by the active one
	clientOnly := template(t, uri("web"))
	clientOnly.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	expired := template(t, uri("web"))
	expired.NotBefore, expired.NotAfter = now.Add(-time.Hour), now.Add(-time.Second)
	early := template(t, uri("web"))
	early.NotBefore, early.NotAfter = now.Add(time.Minute), now.Add(time.Hour)
	named := template(t)
	named.DNSNames = []string{"web"}
	signed := func(c *x509.Certificate) []*x509.Certificate {
		return []*x509.Certificate{active.sign(c, newKey(t), active)}
	}
	issued := func(a *authority, uris ...string) []*x509.Certificate {
		return []*x509.Certificate{a.issue(uris...)}
	}
	for _, c := range []struct {
		name  string
		chain []*x509.Certificate
		err   string
	}{
		{"the service", issued(active, uri("web")), ""},
		{"by a former root", issued(former, uri("web")), ""},
		{"by an intermediate", append(issued(sub, uri("web")), sub.cert), ""},
		{"by the next root, cross-signed", append(issued(next, uri("web")), active.cross(next)), ""},
		{"trust domain in capitals", issued(active, strings.ToUpper("spiffe://"+domain)+"/ns/default/dc/dc1/svc/web"), ""},
		{"partition written out", issued(active, "spiffe://"+domain+"/ap/default/ns/default/dc/dc1/svc/web"), ""},

		{"nobody", nil, "no certificate"},
		{"too many", append(issued(active, uri("web")), make([]*x509.Certificate, maxChain)...), "11 certificates"},
		{"by a stranger", issued(stranger, uri("web")), "unknown authority"},
		{"by an intermediate that is not shown", issued(sub, uri("web")), "unknown authority"},
		{"by the next root, alone", issued(next, uri("web")), "unknown authority"},
		{"expired", signed(expired), "expired"},
		{"not valid yet", signed(early), "not yet valid"},
		{"for clients only", signed(clientOnly), "incompatible key usage"},
		{"another service", issued(active, uri("api")), "and not spiffe://"},
		{"another datacenter", issued(active, "spiffe://"+domain+"/ns/default/dc/dc2/svc/web"), "dc2"},
		{"another namespace", issued(active, "spiffe://"+domain+"/ns/shop/dc/dc1/svc/web"), "shop"},
		{"another partition", issued(active, "spiffe://"+domain+"/ap/east/ns/default/dc/dc1/svc/web"), "east"},
		{"another trust domain", issued(active, "spiffe://other.consul/ns/default/dc/dc1/svc/web"), "another trust domain"},
		{"no URI", signed(named), "0 URIs"},
		{"two URIs", issued(active, uri("web"), uri("web")), "2 URIs"},
		{"a gateway", issued(active, "spiffe://"+domain+"/gateway/mesh/dc/dc1"), "does not name a service"},
		{"the root itself", []*x509.Certificate{active.cert}, "does not name a service"},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := roots.expect(c.chain, want, now)
			if c.err == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if _, ok := errors.AsType[*VerifyError](err); !ok || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%v, want %q", err, c.err)
			}
		})
	}
}

func TestIdentifyClient(t *testing.T) {
	a := newAuthority(t, "a")
	roots, err := newRoots(rootsOf(a))
	if err != nil {
		t.Fatal(err)
	}
	got, err := roots.identify([]*x509.Certificate{a.issue(uri("shop"))}, x509.ExtKeyUsageClientAuth, time.Now())
	if err != nil || got.Service != "shop" {
		t.Errorf("%+v, %v", got, err)
	}
	serverOnly := template(t, uri("shop"))
	serverOnly.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	if _, err := roots.identify([]*x509.Certificate{a.sign(serverOnly, newKey(t), a)}, x509.ExtKeyUsageClientAuth, time.Now()); err == nil {
		t.Error("a server's certificate was taken for a client's")
	}
}

func TestBadRoots(t *testing.T) {
	a := newAuthority(t, "a")
	for name, list := range map[string]*api.CARootList{
		"nothing":         nil,
		"no domain":       {Roots: rootsOf(a).Roots},
		"no roots":        {TrustDomain: domain},
		"a null root":     {TrustDomain: domain, Roots: []*api.CARoot{nil}},
		"no certificate":  {TrustDomain: domain, Roots: []*api.CARoot{{RootCertPEM: "x"}}},
		"one that is bad": {TrustDomain: domain, Roots: append(rootsOf(a).Roots, &api.CARoot{RootCertPEM: "-----BEGIN CERTIFICATE-----\neA==\n-----END CERTIFICATE-----\n"})},
	} {
		if _, err := newRoots(list); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestRootsEqual(t *testing.T) {
	a, b := newAuthority(t, "a"), newAuthority(t, "b")
	roots := func(all ...*authority) *Roots {
		r, err := newRoots(rootsOf(all...))
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	for _, c := range []struct {
		name string
		a, b *Roots
		want bool
	}{
		{"the same", roots(a, b), roots(a, b), true},
		{"one more", roots(a), roots(a, b), false},
		{"another active", roots(a, b), roots(b, a), false},
		{"none before", roots(a), nil, false},
	} {
		if got := c.a.equal(c.b); got != c.want {
			t.Errorf("%s: %t", c.name, got)
		}
	}
}
