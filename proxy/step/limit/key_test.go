package limit

import (
	"bytes"
	"crypto/x509"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/lictor/lictor/proxy"
)

func netipAddr(s string) netip.Addr { return netip.MustParseAddr(s) }

// token is a verified identity.
type verified struct {
	provider string
	claims   map[string]string
}

func (t *verified) Provider() string { return t.provider }
func (t *verified) Claim(path []string) (string, bool) {
	v, ok := t.claims[strings.Join(path, "/")]
	return v, ok
}

// asker is an exchange as a step finds it.
type asker struct {
	address string
	method  string
	host    string
	fields  []string // name, value
	route   string
	token   *verified
	cert    string // verified, "" for none
	user    proxy.User
}

func (a asker) exchange() *proxy.Exchange {
	x := new(proxy.Exchange)
	x.Conn = new(proxy.Conn)
	if a.cert != "" {
		x.Conn.SetClientCert(&x509.Certificate{Raw: []byte(a.cert)})
	}
	if a.address == "" {
		a.address = "192.0.2.7"
	}
	x.Client, x.User = netipAddr(a.address), a.user
	x.Request.Verb = proxy.MethodOf([]byte(a.method))
	x.Request.Host = []byte(a.host)
	x.Request.Fields.Reset(nil)
	for i := 0; i < len(a.fields); i += 2 {
		x.Request.Fields.Foreign(a.fields[i], a.fields[i+1])
	}
	if a.route != "" {
		x.Route = &proxy.Route{Service: a.route + "-service"}
		x.Route.Rule.Name = a.route
	}
	if a.token != nil {
		x.Identity = a.token
	}
	return x
}

func keyOf(l *Limit, a asker) string { return string(l.key(a.exchange())) }

var (
	byIP      = KeyPart{Kind: ClientIP}
	byCert    = KeyPart{Kind: ClientCert}
	byHeader  = KeyPart{Kind: RequestHeader, Name: "x-api-key"}
	byHost    = KeyPart{Kind: RequestHost}
	byMethod  = KeyPart{Kind: RequestMethod}
	byRoute   = KeyPart{Kind: RouteName}
	byService = KeyPart{Kind: ServiceName}
	byUser    = KeyPart{Kind: UserName}
	bySub     = KeyPart{Kind: JWTClaim, Path: []string{"sub"}}
	byTenant  = KeyPart{Kind: JWTClaim, Path: []string{"org", "tenant"}}
)

func TestWhoSharesABudget(t *testing.T) {
	sub := func(provider, v string) *verified { return &verified{provider, map[string]string{"sub": v}} }
	for _, c := range []struct {
		name string
		key  []KeyPart
		a, b asker
		same bool
	}{
		{"one for all", nil, asker{address: "192.0.2.1"}, asker{address: "2001:db8::1"}, true},

		{"an address", []KeyPart{byIP}, asker{address: "192.0.2.1"}, asker{address: "192.0.2.1"}, true},
		{"two addresses", []KeyPart{byIP}, asker{address: "192.0.2.1"}, asker{address: "192.0.2.2"}, false},
		{"one /64", []KeyPart{byIP}, asker{address: "2001:db8::1"}, asker{address: "2001:db8::ffff:1:2:3"}, true},
		{"two /64", []KeyPart{byIP}, asker{address: "2001:db8::1"}, asker{address: "2001:db8:0:1::1"}, false},
		{"both families", []KeyPart{byIP}, asker{address: "192.0.2.1"}, asker{address: "c000:201::"}, false},

		{"a header", []KeyPart{byHeader}, asker{fields: []string{"X-API-Key", "k"}}, asker{address: "192.0.2.9", fields: []string{"x-api-key", "k"}}, true},
		{"another value", []KeyPart{byHeader}, asker{fields: []string{"X-API-Key", "k"}}, asker{fields: []string{"X-API-Key", "K"}}, false},
		{"lines are joined", []KeyPart{byHeader}, asker{fields: []string{"X-API-Key", "a", "X-API-Key", "b"}}, asker{fields: []string{"X-API-Key", "a, b"}}, true},
		{"a second line does not hide", []KeyPart{byHeader}, asker{fields: []string{"X-API-Key", "a", "X-API-Key", "b"}}, asker{fields: []string{"X-API-Key", "a"}}, false},
		{"missing: by address", []KeyPart{byHeader}, asker{address: "192.0.2.1"}, asker{address: "192.0.2.2"}, false},
		{"missing: one address", []KeyPart{byHeader}, asker{address: "192.0.2.1"}, asker{address: "192.0.2.1"}, true},
		{"missing: one /64", []KeyPart{byHeader}, asker{address: "2001:db8::1"}, asker{address: "2001:db8::2"}, true},
		{"empty is missing", []KeyPart{byHeader}, asker{fields: []string{"X-API-Key", ""}}, asker{}, true},
		{
			"a value that looks like an address",
			[]KeyPart{byHeader},
			asker{address: "192.0.2.1"},
			asker{address: "192.0.2.2", fields: []string{"X-API-Key", "\xc0\x00\x02\x01"}},
			false,
		},

		{"a user", []KeyPart{byUser}, asker{user: proxy.User{Source: "a", Name: "ada"}}, asker{address: "192.0.2.9", user: proxy.User{Source: "a", Name: "ada"}}, true},
		{"another user", []KeyPart{byUser}, asker{user: proxy.User{Source: "a", Name: "ada"}}, asker{user: proxy.User{Source: "a", Name: "bob"}}, false},
		{"a user of another file", []KeyPart{byUser}, asker{user: proxy.User{Source: "a", Name: "ada"}}, asker{user: proxy.User{Source: "b", Name: "ada"}}, false},
		{"source and name don't run together", []KeyPart{byUser}, asker{user: proxy.User{Source: "ab", Name: "c"}}, asker{user: proxy.User{Source: "a", Name: "bc"}}, false},
		{"nobody: by address", []KeyPart{byUser}, asker{address: "192.0.2.1"}, asker{address: "192.0.2.2"}, false},

		{"a host", []KeyPart{byHost}, asker{host: "API.example.com:8080"}, asker{host: "api.example.com."}, true},
		{"two hosts", []KeyPart{byHost}, asker{host: "api.example.com"}, asker{host: "www.example.com"}, false},
		{"one wildcard", []KeyPart{byHost}, asker{host: "a.example.com"}, asker{host: "b.c.example.com"}, true},
		{"unnamed hosts", []KeyPart{byHost}, asker{host: "a.invalid"}, asker{host: "b.invalid"}, true},

		{"a method", []KeyPart{byMethod}, asker{method: "GET"}, asker{method: "POST"}, false},
		{"unknown methods", []KeyPart{byMethod}, asker{method: "BREW"}, asker{method: "get"}, true},

		{"a certificate", []KeyPart{byCert}, asker{address: "192.0.2.1", cert: "a"}, asker{address: "192.0.2.2", cert: "a"}, true},
		{"two certificates", []KeyPart{byCert}, asker{cert: "a"}, asker{cert: "b"}, false},
		{"no certificate: by address", []KeyPart{byCert}, asker{address: "192.0.2.1"}, asker{address: "192.0.2.2"}, false},

		{"a route", []KeyPart{byRoute}, asker{route: "a"}, asker{route: "b"}, false},
		{"a service", []KeyPart{byService}, asker{route: "a"}, asker{address: "192.0.2.9", route: "a"}, true},
		{"no route: by address", []KeyPart{byRoute}, asker{address: "192.0.2.1"}, asker{address: "192.0.2.2"}, false},

		{"a claim", []KeyPart{bySub}, asker{token: sub("main", "u")}, asker{address: "192.0.2.9", token: sub("main", "u")}, true},
		{"two users", []KeyPart{bySub}, asker{token: sub("main", "u")}, asker{token: sub("main", "v")}, false},
		{"two providers", []KeyPart{bySub}, asker{token: sub("main", "u")}, asker{token: sub("other", "u")}, false},
		{"provider and claim apart", []KeyPart{bySub}, asker{token: sub("ab", "c")}, asker{token: sub("a", "bc")}, false},
		{"no token: by address", []KeyPart{bySub}, asker{address: "192.0.2.1"}, asker{address: "192.0.2.2"}, false},
		{"no such claim: by address", []KeyPart{byTenant}, asker{address: "192.0.2.1", token: sub("main", "u")}, asker{address: "192.0.2.1"}, true},
		{"empty claim", []KeyPart{bySub}, asker{token: sub("main", "")}, asker{}, true},

		{
			"parts do not run together",
			[]KeyPart{byHeader, byRoute},
			asker{fields: []string{"X-API-Key", "ab"}, route: "c"},
			asker{fields: []string{"X-API-Key", "a"}, route: "bc"},
			false,
		},
		{"composite", []KeyPart{bySub, byRoute}, asker{token: sub("main", "u"), route: "a"}, asker{token: sub("main", "u"), route: "b"}, false},
		{"the order of the parts is the policy's", []KeyPart{byRoute, byIP}, asker{route: "a"}, asker{route: "a"}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := bucket(t, "a", 1, keyed(c.key...))
			if got := keyOf(l, c.a) == keyOf(l, c.b); got != c.same {
				t.Errorf("same is %v: %q and %q", got, keyOf(l, c.a), keyOf(l, c.b))
			}
		})
	}
}

// TestFallbackHasANameOfItsOwn: who leaves a part out has neither somebody
// else's budget nor that of a limit's other part.
func TestFallbackHasANameOfItsOwn(t *testing.T) {
	seen := map[string]string{}
	for _, p := range []KeyPart{byIP, byHeader, byRoute, byService, bySub, byCert} {
		k := keyOf(bucket(t, "a", 1, keyed(p)), asker{})
		if other, taken := seen[k]; taken {
			t.Errorf("%v falls back to the key of %s", p, other)
		}
		seen[k] = p.String()
		if p.Kind != ClientIP && k[0]&fallback == 0 {
			t.Errorf("%v falls back to %q", p, k)
		}
	}
}

func TestPrefixes(t *testing.T) {
	l := bucket(t, "a", 1, func(s *Spec) { s.IPv4Prefix, s.IPv6Prefix = 24, 48 })
	for _, c := range []struct {
		a, b string
		same bool
	}{
		{"192.0.2.1", "192.0.2.255", true},
		{"192.0.2.1", "192.0.3.1", false},
		{"2001:db8:1:2::", "2001:db8:1:3::", true},
		{"2001:db8:1::", "2001:db8:2::", false},
	} {
		if got := keyOf(l, asker{address: c.a}) == keyOf(l, asker{address: c.b}); got != c.same {
			t.Errorf("%s and %s: %v", c.a, c.b, got)
		}
	}
	x := asker{}.exchange()
	x.Client = netip.Addr{} // a peer without an address, as on a Unix socket
	if got := l.key(x); len(got) == 0 {
		t.Error("no address is no key")
	}
}

func TestKeysAllocateNothing(t *testing.T) {
	l := bucket(t, "a", 1, keyed(byIP, byHeader, byHost, byMethod, byRoute, bySub))
	x := asker{host: "api.example.com", method: "GET", route: "shop", fields: []string{"X-API-Key", "k"}}.exchange()
	if n := testing.AllocsPerRun(100, func() { l.key(x) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzKeys: two exchanges share a key if and only if all their parts are alike.
func FuzzKeys(f *testing.F) {
	f.Add("ab", "c", "a", "bc")
	f.Add("", "x", "x", "")
	l := bucket(f, "a", 1, keyed(byHeader, bySub))
	f.Fuzz(func(t *testing.T, key1, sub1, key2, sub2 string) {
		if strings.ContainsAny(key1+key2, "\r\n\x00") {
			return
		}
		of := func(key, sub string) asker {
			return asker{fields: []string{"X-API-Key", key}, token: &verified{"main", map[string]string{"sub": sub}}}
		}
		one, two := keyOf(l, of(key1, sub1)), keyOf(l, of(key2, sub2))
		if same := key1 == key2 && sub1 == sub2; (one == two) != same {
			t.Errorf("%q and %q", one, two)
		}
	})
}

func BenchmarkKey(b *testing.B) {
	for _, parts := range [][]KeyPart{{byIP}, {bySub, byRoute}, {byHeader}, {byHost}} {
		l := bucket(b, "a", 1, keyed(parts...))
		x := asker{
			host: "api.example.com", route: "shop", fields: []string{"Accept", "*/*", "X-API-Key", "k"},
			token: &verified{"main", map[string]string{"sub": "u"}},
		}.exchange()
		b.Run(fmt.Sprint(l.Spec.KeyClass()), func(b *testing.B) {
			var last []byte
			for b.Loop() {
				last = l.key(x)
			}
			if bytes.Equal(last, nil) {
				b.Fatal("no key")
			}
		})
	}
}
