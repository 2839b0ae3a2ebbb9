package router_test

import (
	"strings"
	"testing"

	"github.com/lictor/lictor/proxy/router"
)

// lastRules are policies, and routes that anybody may ask for.
func lastRules() []router.Rule {
	return []router.Rule{
		{Name: "orders", PathPrefix: "/orders", Methods: []string{"GET"}},
		{Name: "beta", PathPrefix: "/shop", Headers: map[string]string{"x-beta": "1"}},
		{Name: "wide", Hosts: []string{"*.example.com"}, PathPrefix: "/wide"},
		{Name: "grab-exact", Hosts: []string{"api.example.com"}, Path: "/orders/1", Last: true},
		{Name: "grab-method", PathPrefix: "/orders", Methods: []string{"POST"}, Last: true},
		{Name: "grab-same", PathPrefix: "/orders", Last: true},
		{Name: "grab-host", Hosts: []string{"api.example.com"}, Path: "/wide/x", Last: true},
		{Name: "shop", PathPrefix: "/shop", Last: true},
		{Name: "cart", PathPrefix: "/shop/cart", Methods: []string{"GET"}, Last: true},
		{Name: "named", Hosts: []string{"named.example.org"}, PathPrefix: "/only", Methods: []string{"GET"}, Last: true},
	}
}

// TestLast wants no rule that is asked last to take anything from the others.
func TestLast(t *testing.T) {
	rules := lastRules()
	r := mustNew(t, rules)
	for _, row := range []struct {
		q       string
		headers []string
		want    string
	}{
		{q: "GET api.example.com/orders/1", want: "orders"},
		{q: "POST api.example.com/orders/1", want: "405 GET, HEAD"},
		{q: "POST other/orders", want: "405 GET, HEAD"},
		{q: "GET api.example.com/wide/x", want: "wide"},
		{q: "GET other/wide/x", want: "404"},
		{q: "GET other/shop", headers: []string{"x-beta", "1"}, want: "beta"},
		{q: "GET other/shop", want: "shop"},
		{q: "GET other/shop/cart/2", want: "cart"},
		{q: "POST other/shop/cart/2", want: "shop"},
		{q: "POST named.example.org/only", want: "405 GET, HEAD"},
	} {
		if got := outcome(r, rules, request(row.q, row.headers...)); got != row.want {
			t.Errorf("%s %v: got %s, want %s", row.q, row.headers, got, row.want)
		}
	}
	if !r.KnownHost([]byte("named.example.org")) || r.KnownHost([]byte("unnamed.example.org")) {
		t.Error("a host that only a last rule names is not known, or one that none names is")
	}
}

// TestLastIsTwoRouters compares with one router after the other.
func TestLastIsTwoRouters(t *testing.T) {
	rules := lastRules()
	var first, last []router.Rule
	for _, r := range rules {
		if r.Last {
			last = append(last, r)
		} else {
			first = append(first, r)
		}
	}
	both, one, two := mustNew(t, rules), mustNew(t, first), mustNew(t, last)
	for _, method := range []string{"GET", "HEAD", "POST", "BREW"} {
		for _, host := range []string{"", "api.example.com", "a.b.example.com", "named.example.org"} {
			for _, path := range []string{"/", "/orders", "/orders/1", "/wide", "/wide/x", "/shop/cart", "/shop", "/only"} {
				q := request(method + " " + host + path)
				want := outcome(one, first, q)
				if want == "404" {
					want = outcome(two, last, q)
				}
				if got := outcome(both, rules, q); got != want {
					t.Errorf("%s %s%s: got %s, want %s", method, host, path, got, want)
				}
			}
		}
	}
}

// TestLastConflicts wants rules to be compared with their like alone.
func TestLastConflicts(t *testing.T) {
	same := []router.Rule{{Name: "a", PathPrefix: "/x"}, {Name: "b", PathPrefix: "/x", Last: true}}
	mustNew(t, same)
	same[0].Last = true
	if _, err := router.New(same); err == nil || !strings.Contains(err.Error(), "exactly like") {
		t.Errorf("two last rules that are alike: %v", err)
	}
	hidden := []router.Rule{
		{Name: "regex", PathRegex: "/x.*"},
		{Name: "prefix", PathPrefix: "/x", Last: true},
		{Name: "last-regex", PathRegex: "/y.*", Last: true},
		{Name: "last-prefix", PathPrefix: "/y", Last: true},
	}
	got := mustNew(t, hidden).Unreachable()
	if len(got) != 1 || got[0] != (router.Shadow{Rule: 3, By: 2}) {
		t.Errorf("got %v", got)
	}
}
