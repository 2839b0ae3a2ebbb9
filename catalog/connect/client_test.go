package connect

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/hashicorp/consul/api"
)

func certOf(t *testing.T, uris ...string) *x509.Certificate {
	t.Helper()
	c := &x509.Certificate{}
	for _, text := range uris {
		u, err := url.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		c.URIs = append(c.URIs, u)
	}
	return c
}

// know lets intentions be known as Run does.
func know(n *Intentions, byDefault bool, list ...*api.Intention) {
	n.known.Store(&intentions{rules: newRules(list).judge(byDefault, nil), byDefault: byDefault})
}

// TestClient has requests of one connection judged by the intentions of then.
func TestClient(t *testing.T) {
	n := &Intentions{log: nullLogger}
	s := NewServer(nil, n)
	c := s.Client(certOf(t, uri("shop")))
	r := asked{method: "GET", path: "/v1"}
	read := permissionsOf(t, `[{"Action":"allow","HTTP":{"PathPrefix":"/v1"}}]`)
	for _, step := range []struct {
		name    string
		change  func()
		allowed bool
	}{
		{"nothing is known", func() {}, false},
		{"allowed", func() { know(n, false, allow("shop", 9)) }, true},
		{"permitted", func() { know(n, false, read) }, true},
		{"not permitted any more", func() { know(n, false, permissionsOf(t, `[{"Action":"deny","HTTP":{"PathPrefix":"/v1"}}]`)) }, false},
		{"permitted by default", func() { know(n, true, permissionsOf(t, `[{"Action":"deny","HTTP":{"PathPrefix":"/v2"}}]`)) }, true},
		{"denied", func() { know(n, true, deny("shop", 9)) }, false},
		{"of others", func() { know(n, false, allow("api", 9)) }, false},
		{"by default", func() { know(n, true) }, true},
	} {
		step.change()
		before := n.Denied()
		err := c.Judge(r)
		if (err == nil) != step.allowed || err != nil && (!errors.Is(err, ErrDenied) || !strings.Contains(err.Error(), uri("shop"))) || (n.Denied() != before) == step.allowed {
			t.Errorf("%s: %v, %d are counted", step.name, err, n.Denied()-before)
		}
	}
	for name, cert := range map[string]*x509.Certificate{
		"no name": certOf(t), "two names": certOf(t, uri("shop"), uri("shop")), "another kind": certOf(t, "spiffe://"+domain+"/agent/server/dc/dc1"),
	} {
		if err := s.Client(cert).Judge(r); !errors.Is(err, errNoSource) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Requests are judged side by side, while intentions change.
func TestClientSideBySide(t *testing.T) {
	n := &Intentions{log: nullLogger}
	c := NewServer(nil, n).Client(certOf(t, uri("shop")))
	r := asked{method: "GET", path: "/v1"}
	know(n, false, permitting("shop", 9))
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 500 {
				if err := c.Judge(r); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for range 500 {
		know(n, false, allow("shop", 9))
		know(n, false, permitting("shop", 9))
	}
	wg.Wait()
}

// lent is a request that costs nothing to look at.
type lent struct{ method, path, value []byte }

func (r *lent) Method() []byte              { return r.method }
func (r *lent) Path() []byte                { return r.path }
func (r *lent) Host() []byte                { return r.path }
func (r *lent) Field(string) ([]byte, bool) { return r.value, true }

// Judging costs no memory, but for the error of what is denied.
func TestJudgingAllocatesNothing(t *testing.T) {
	for name, x := range map[string]*api.Intention{
		"allowed": allow("shop", 9),
		"permitted": permissionsOf(t, `[{"Action":"deny","HTTP":{"PathRegex":"/admin.*"}},
			{"Action":"allow","HTTP":{"PathPrefix":"/","Methods":["GET"],"Header":[{"Name":"x","Contains":"B","IgnoreCase":true,"Invert":true},{"Name":"y","Regex":"a+"}]}}]`),
		"not permitted": permissionsOf(t, `[{"Action":"deny","HTTP":{"PathPrefix":"/"}}]`),
	} {
		n := &Intentions{log: nullLogger}
		c := NewServer(nil, n).Client(certOf(t, uri("shop")))
		know(n, false, x)
		r := &lent{method: []byte("GET"), path: []byte("/v1"), value: []byte("aaa")}
		if (c.Judge(r) == nil) != (name != "not permitted") {
			t.Errorf("%s: it is not", name)
		}
		most := 0.0
		if name == "not permitted" {
			most = 1
		}
		if got := testing.AllocsPerRun(100, func() { _ = c.Judge(r) }); got > most {
			t.Errorf("%s: %v allocations", name, got)
		}
	}
}

// Where requests are not looked at, whom permissions are about is not let in.
func TestPermissionsNeedRequests(t *testing.T) {
	n := &Intentions{log: nullLogger}
	know(n, true, permitting("shop", 9))
	s := NewServer(nil, n)
	shop := ID{Service: "shop"}
	if ok, why := s.allowed(shop); ok || !strings.Contains(why, "requests are not looked at") {
		t.Errorf("%t, %s", ok, why)
	}
	s.Requests = true
	if ok, why := s.allowed(shop); !ok {
		t.Error(why)
	}
}

// TestPermissionsFollowed takes permissions from Consul, and what its client leaves
// out of them.
func TestPermissionsFollowed(t *testing.T) {
	const config = "/v1/config/service-intentions/edge"
	f := newFakeAgent(t)
	a := newAuthority(t, "a")
	f.set(rootsPath, rootsOf(a))
	f.set(selfPath, byDefault("deny"))
	n := NewIntentions(New(Config{Consul: f, Service: "edge", Logger: nullLogger}))
	s := NewServer(n.in, n)
	s.Requests = true
	// say has Consul say the same in both places, and more in the second one.
	say := func(both, more string) {
		t.Helper()
		x := permissionsOf(t, both)
		x.DestinationName = "edge"
		var permissions any
		if err := json.Unmarshal([]byte(more), &permissions); err != nil {
			t.Fatal(err)
		}
		f.set(config, map[string]any{"Sources": []any{map[string]any{"Name": "shop", "Permissions": permissions}}})
		f.set(matchPath, map[string]any{"edge": []*api.Intention{x}})
	}
	const all = `[{"Action":"allow","HTTP":{"PathPrefix":"/"}}]`
	say(all, all)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); n.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	c := s.Client(certOf(t, uri("shop")))
	r := asked{method: "GET", path: "/v1"}
	permitted := func() bool { return c.Judge(r) == nil }
	eventually(t, "it is permitted", permitted)
	if got := n.Doubts(); len(got) > 0 {
		t.Errorf("the doubts are %q", got)
	}

	const deny = `[{"Action":"deny","HTTP":{"PathPrefix":"/v1"}}]`
	say(deny, deny)
	eventually(t, "it is denied", func() bool { return !permitted() })
	say(all, all)
	eventually(t, "it is permitted again", permitted)

	say(all, `[{"Action":"allow","HTTP":{"PathPrefix":"/","Query":"a=b"}}]`)
	eventually(t, "what is not known denies", func() bool { return !permitted() })
	if got := n.Doubts(); len(got) != 1 || !strings.Contains(got[0], "Query") {
		t.Errorf("the doubts are %q", got)
	}
	say(all, all)
	eventually(t, "the doubts are gone", func() bool { return permitted() && len(n.Doubts()) == 0 })

	// One of both answers is old for as long as it takes.
	asked := f.times(config)
	f.set(config, map[string]any{"Sources": []any{}})
	f.set(matchPath, map[string]any{"edge": []*api.Intention{with(allow("shop", 9), func(x *api.Intention) {
		x.DestinationName, x.Action, x.Permissions = "edge", "", permissionsOf(t, deny).Permissions
	})}})
	eventually(t, "it is read again", func() bool { return f.times(config) >= asked+maxTries && n.in.away.err() != nil })
	if !permitted() {
		t.Error("what was known does not stay in force")
	}

	f.set(config, map[string]any{"JWT": map[string]any{"Providers": []any{}}, "Sources": []any{}})
	f.set(matchPath, map[string]any{"edge": []*api.Intention{with(allow("shop", 9), func(x *api.Intention) { x.DestinationName = "edge" })}})
	eventually(t, "a token is demanded", func() bool {
		return !permitted() && slices.ContainsFunc(n.Doubts(), func(d string) bool { return strings.Contains(d, "token") })
	})
	if ok, _ := s.allowed(c.source); ok {
		t.Error("who needs a token is let in without")
	}
}
