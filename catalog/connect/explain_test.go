package connect

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/hashicorp/consul/api"
)

// told shows judgements in one line.
func told(list ...Judgement) string {
	var b strings.Builder
	for _, j := range list {
		verdict := "passes"
		if j.Err != nil {
			verdict = "denied"
		}
		if !j.Connects {
			verdict += ", not let connect"
		}
		fmt.Fprintf(&b, "%s %s: %s\n", j.Source, verdict, j.Why)
	}
	return b.String()
}

// TestExplain says who is judged how, and what decides.
func TestExplain(t *testing.T) {
	const read = `[{"Action":"deny","HTTP":{"PathPrefix":"/v1/admin"}},{"Action":"allow","HTTP":{"PathPrefix":"/v1"}},{"Action":"allow","HTTP":{"PathPrefix":"/v2"},"JWT":{"Providers":[{"Name":"okta"}]}}]`
	all := []*api.Intention{
		permissionsOf(t, read), allow("api", 9), deny("bad", 9), deny("*", 8),
		with(allow("far", 9), func(x *api.Intention) { x.SourcePeer = "cluster-2" }),
		with(allow("pay", 7), func(x *api.Intention) { x.SourceNS = "money" }),
	}
	for _, c := range []struct {
		name, path string
		byDefault  bool
		list       []*api.Intention
		want       string
	}{
		{"no intention", "/v1", true, nil, "any other passes: no intention names it, and the default is allow\n"},
		{"none allows", "/v1", false, nil, "any other denied, not let connect: no intention names it, and the default is deny\n"},
		{
			"all kinds", "/v1/admin", true, all,
			`shop denied: permission 1 of shop denies it
api passes: api => allow
bad denied, not let connect: bad => deny
any other denied, not let connect: * => deny
money/pay passes: money/pay => allow
`,
		},
		{"a permission allows", "/v1/x", true, all[:1], "shop passes: permission 2 of shop allows it\nany other passes: no intention names it, and the default is allow\n"},
		{"the default allows", "/v3", true, all[:1], "shop passes: no permission of shop is about it, and the default is allow\nany other passes: no intention names it, and the default is allow\n"},
		{"the default denies", "/v3", false, all[:1], "shop denied: no permission of shop is about it, and the default is deny\nany other denied, not let connect: no intention names it, and the default is deny\n"},
		{"a token", "/v2", true, all[:1], "shop denied: permission 3 of shop can't be judged, which denies: it demands a token (JWT), which is not judged here\nany other passes: no intention names it, and the default is allow\n"},
	} {
		n := &Intentions{log: nullLogger}
		s := NewServer(nil, n)
		s.Requests = true
		know(n, c.byDefault, c.list...)
		if got := told(s.ExplainAll(asked{method: "GET", path: c.path})...); got != c.want {
			t.Errorf("%s:\n%s", c.name, got)
		}
		if n.Denied() != 0 {
			t.Errorf("%s: %d are counted", c.name, n.Denied())
		}
	}
	s := NewServer(nil, &Intentions{log: nullLogger})
	const unknown = "denied, not let connect: the intentions are not known yet, which denies\n"
	r := asked{method: "GET", path: "/"}
	if got := told(s.ExplainAll(r)...) + told(s.Explain(ID{Service: "shop"}, r)); got != "any other "+unknown+"shop "+unknown {
		t.Errorf("before anything is known:\n%s", got)
	}
}

// What is told of a source is what becomes of its requests, in every order of rules.
func TestExplainIsWhatJudges(t *testing.T) {
	rules := []*api.Intention{
		permissionsOf(t, `[{"Action":"allow","HTTP":{"PathExact":"/a"}},{"Action":"deny","HTTP":{"PathPrefix":"/a"}}]`),
		allow("api", 9), deny("api", 9), deny("SHOP", 9), allow("*", 8), deny("*", 8),
	}
	n := 0
	for set := range 1 << len(rules) {
		var list []*api.Intention
		for i, x := range rules {
			if set&(1<<i) != 0 {
				list = append(list, x)
			}
		}
		for _, byDefault := range []bool{true, false} {
			known := &Intentions{log: nullLogger}
			s := NewServer(nil, known)
			know(known, byDefault, list...)
			for _, source := range []string{"shop", "Shop", "api", "web"} {
				c := s.Client(certOf(t, uri(source)))
				for _, path := range []string{"/a", "/a/b", "/b"} {
					n++
					r := asked{method: "GET", path: path}
					j, err := s.Explain(ID{Service: c.source.Service}, r), c.Judge(r)
					if (j.Err == nil) != (err == nil) || err != nil && (!errors.Is(j.Err, ErrDenied) || !strings.Contains(err.Error(), j.Why)) {
						t.Errorf("rules %b, default %t, %s from %s: told %v, is %v", set, byDefault, path, source, j, err)
					}
				}
			}
		}
	}
	if n != 1<<len(rules)*2*4*3 {
		t.Errorf("%d requests were judged", n)
	}
}

// A source of another trust domain is nobody here.
func TestExplainOtherTrustDomain(t *testing.T) {
	f := newFakeAgent(t)
	a := newAuthority(t, "a")
	f.set(rootsPath, rootsOf(a))
	i := New(Config{Consul: f, Service: "edge", Logger: nullLogger})
	if _, err := i.askRoots(context.Background(), 0, 0); err != nil {
		t.Fatal(err)
	}
	n := NewIntentions(i)
	s := NewServer(i, n)
	know(n, true)
	r := asked{method: "GET", path: "/"}
	for text, passes := range map[string]bool{uri("shop"): true, strings.ToUpper("spiffe") + uri("shop")[6:]: true, "spiffe://elsewhere.consul/ns/default/dc/dc1/svc/shop": false} {
		id, err := ParseSource(text)
		if err != nil {
			t.Fatal(err)
		}
		if j := s.Explain(id, r); (j.Err == nil) != passes || j.Connects != passes || !passes && !strings.Contains(j.Why, "another trust domain") {
			t.Errorf("%s: %+v", text, j)
		}
	}
}

func TestParseSource(t *testing.T) {
	for text, want := range map[string]ID{
		"shop":      {Service: "shop"},
		"shop-2.v1": {Service: "shop-2.v1"},
		uri("shop"): {TrustDomain: domain, Partition: "default", Namespace: "default", Datacenter: "dc1", Service: "shop"},
		"":          {}, "*": {}, "a/b": {}, "a b": {}, "http://a/b": {}, "spiffe://x/agent/server/dc/dc1": {}, "://": {}, "spiffe://%zz/": {},
		"spiffe://" + domain + "/ns/default/dc/dc1/svc/*": {},
	} {
		got, err := ParseSource(text)
		if got != want || (err == nil) != (want.Service != "") {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
	}
}

// Many sources are told of in their order, each once.
func TestExplainTellsEachOnce(t *testing.T) {
	n := &Intentions{log: nullLogger}
	list := []*api.Intention{allow("a", 9), deny("a", 9), allow("b", 9), deny("*", 8), deny("*", 6)}
	know(n, false, list...)
	var got []string
	for _, j := range NewServer(nil, n).ExplainAll(asked{method: "GET", path: "/"}) {
		got = append(got, j.Source)
	}
	if text, err := json.Marshal(got); err != nil || string(text) != `["a","b","any other"]` {
		t.Errorf("%s %v", text, err)
	}
}
