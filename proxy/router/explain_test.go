package router_test

import (
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/lictor/lictor/proxy/router"
)

// considered reads an explanation as "name lost", the winner as "name".
func considered(r *router.Router, rules []router.Rule, q *router.Request) []string {
	var out []string
	for _, c := range r.Explain(q) {
		out = append(out, strings.TrimSpace(rules[c.Rule].Name+" "+string(c.Lost)))
	}
	return out
}

// TestExplain has a case for everything that a rule can lose by.
func TestExplain(t *testing.T) {
	rules := []router.Rule{
		{Name: "orders", Hosts: []string{"api.example.com"}, PathPrefix: "/orders", Methods: []string{"GET"}},
		{Name: "beta", Hosts: []string{"api.example.com"}, PathPrefix: "/orders", Headers: map[string]string{"X-Beta": "1"}, Query: map[string]string{"v": "2"}},
		{Name: "site", Hosts: []string{"*.example.com"}},
		{Name: "admin", Hosts: []string{"admin.example.com"}, PathPrefix: "/orders"},
		{Name: "item", Hosts: []string{"api.example.com"}, PathPattern: "/orders/{id}/items"},
		{Name: "spare", PathPrefix: "/", Last: true},
	}
	r := mustNew(t, rules)
	for _, c := range []struct {
		q       string
		headers []string
		want    string
		whys    []string
	}{
		{"GET api.example.com/orders/1", nil, "orders, beta headers, site precedence, spare precedence, item path, admin host", []string{
			"", "asks for the field x-beta to be \"1\", and there is none", "matches too, but orders comes first: its host is more specific",
			"matches too, but orders comes first: routes of policies come before those from elsewhere", "is for paths like /orders/{}/items", "is for admin.example.com",
		}},
		{"GET api.example.com/orders/1", []string{"x-beta", "2"}, "orders, beta headers, site precedence, spare precedence, item path, admin host", []string{
			"", "asks for the field x-beta to be \"1\", and it is something else",
		}},
		{"GET api.example.com/orders?v=3", []string{"x-beta", "1"}, "orders, beta query, site precedence, spare precedence, item path, admin host", []string{
			"", "asks for the parameter v to be \"2\", and it is something else",
		}},
		{"POST api.example.com/orders?v=2", []string{"x-beta", "1"}, "orders method, beta, site precedence, spare precedence, item path, admin host", []string{"takes GET, HEAD"}},
		{"GET other.org/x", nil, "spare, site host, admin host, beta host, item host, orders host", nil},
	} {
		t.Run(c.q, func(t *testing.T) {
			q := request(c.q, c.headers...)
			if got := strings.Join(considered(r, rules, q), ", "); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
			list := r.Explain(q)
			for i, why := range c.whys {
				if list[i].Why != why {
					t.Errorf("%s: %q, want %q", rules[list[i].Rule].Name, list[i].Why, why)
				}
			}
		})
	}
}

// TestClosest prefers what lost by the least.
func TestClosest(t *testing.T) {
	rules := []router.Rule{
		{Name: "far", Hosts: []string{"other.org"}, PathPrefix: "/orders"},
		{Name: "near", Hosts: []string{"api.example.com"}, PathPrefix: "/orderz"},
		{Name: "further", Hosts: []string{"api.example.com"}, PathPrefix: "/x"},
	}
	r := mustNew(t, rules)
	list := r.Explain(request("GET api.example.com/orders"))
	if i := router.Closest(list); i < 0 || rules[list[i].Rule].Name != "near" {
		t.Errorf("%v of %v", i, list)
	}
	if i := router.Closest(nil); i != -1 {
		t.Errorf("the closest of none is %d", i)
	}
	rules = append(rules, router.Rule{Name: "post", Hosts: []string{"api.example.com"}, PathPrefix: "/orders", Methods: []string{"POST"}})
	r = mustNew(t, rules)
	list = r.Explain(request("GET api.example.com/orders"))
	if i := router.Closest(list); i < 0 || rules[list[i].Rule].Name != "post" {
		t.Errorf("%v of %v", i, list)
	}
}

// TestExplainAgainstMatch compares many explanations with what Match does: who
// wins, whether it is 405, and, by taking the winner away time and again, the order
// of all that hold.
func TestExplainAgainstMatch(t *testing.T) {
	random := rand.New(rand.NewPCG(11, 12))
	taken := 0
	for range 300 {
		rules := randomRules(random.IntN)
		for i := range rules {
			rules[i].Last = random.IntN(6) == 0
		}
		r, rules := sound(t, rules)
		for range 40 {
			q := randomRequest(random.IntN)
			list := r.Explain(q)
			if len(list) != len(rules) {
				t.Fatalf("%d of %d rules", len(list), len(rules))
			}
			m := r.Match(q)
			var hold []string
			missed, last := false, false
			for i, c := range list {
				switch c.Lost {
				case "":
					if c.Rule != m.Rule || len(hold) > 0 {
						t.Fatalf("%v wins, not %d: %v", c, m.Rule, list[:i])
					}
					hold = append(hold, rules[c.Rule].Name)
				case router.ByPrecedence:
					hold = append(hold, rules[c.Rule].Name)
					last = rules[c.Rule].Last
				case router.ByMethod:
					missed = true
				}
				if c.Lost != "" && c.Why == "" {
					t.Fatalf("%v says nothing", c)
				}
			}
			switch {
			case m.Rule == router.NoRoute && (missed || len(hold) > 0),
				m.Rule == router.MethodNotAllowed && (!missed || len(hold) > 0 && !last):
				t.Fatalf("%d, but %v", m.Rule, list)
			case m.Rule >= 0:
				taken += inTurn(t, rules, q, hold)
			}
		}
	}
	if taken < 2000 {
		t.Errorf("only %d rules were taken away: the test has lost its teeth", taken)
	}
}

// sound builds a router of the rules without those that are alike.
func sound(t *testing.T, rules []router.Rule) (*router.Router, []router.Rule) {
	t.Helper()
	r, err := router.New(rules)
	if err == nil {
		return r, rules
	}
	var faults router.RuleErrors
	if !errors.As(err, &faults) {
		t.Fatal(err)
	}
	rules = slices.DeleteFunc(slices.Clone(rules), func(r router.Rule) bool {
		return slices.ContainsFunc(faults, func(f *router.RuleError) bool { return f.Name == r.Name })
	})
	return mustNew(t, rules), rules
}

// inTurn takes the winner away until no rule is left of those that hold.
func inTurn(t *testing.T, rules []router.Rule, q *router.Request, hold []string) int {
	t.Helper()
	for i, want := range hold {
		r := mustNew(t, rules)
		m := r.Match(q)
		if m.Rule == router.MethodNotAllowed && lasts(rules, hold[i:]) {
			return i
		}
		if m.Rule < 0 || rules[m.Rule].Name != want {
			t.Fatalf("%v is next, not %q of %q\n%+v\nrules %+v", m, want, hold, q, rules)
		}
		rules = slices.DeleteFunc(slices.Clone(rules), func(r router.Rule) bool { return r.Name == want })
	}
	return len(hold)
}

// lasts reports whether all of the named rules are asked last: they don't get
// what others refuse.
func lasts(rules []router.Rule, names []string) bool {
	return !slices.ContainsFunc(rules, func(r router.Rule) bool { return !r.Last && slices.Contains(names, r.Name) })
}
