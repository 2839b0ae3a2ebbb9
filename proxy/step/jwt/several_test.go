package jwt

import (
	"math/big"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
)

func number(s string) Value {
	f, _, err := big.ParseFloat(s, 10, 512, big.ToNearestEven)
	if err != nil {
		panic(err)
	}
	return Value{Number: f}
}

// TestAnyOfThem has routes with several blocks: the first that is satisfied lets
// the request pass, and the best of the refusals is told.
func TestAnyOfThem(t *testing.T) {
	m := keyring()
	main := every(t)
	other := basis()
	other.Name, other.Issuer = "other", "https://other.example.com"
	theirs := with(t, other, jwks(t, jose.JSONWebKey{Key: m.other.Public(), KeyID: "k1"}))
	cookie := basis()
	cookie.Name, cookie.Locations = "cookie", []Location{{CookiePlace, "session"}}
	session := with(t, cookie, wholeSet(t))
	down := basis()
	down.Name = "down"
	providers := []*Provider{main, theirs, session, newProvider(down, new(Counters))}

	mine := token(t, "EdDSA", good(nil))
	mineExpired := token(t, "EdDSA", good(object{"exp": 1}))
	foreign := sign(t, "RS256", object{"alg": "RS256", "kid": "k1"}, good(object{"iss": other.Issuer}), m.other)
	forged := sign(t, "RS256", object{"alg": "RS256", "kid": "k1"}, good(object{"iss": other.Issuer}), m.rsa)
	admin := []Requirement{{"admin", []Value{{Bool: new(true)}}}}

	for _, c := range []struct {
		name   string
		blocks []*RouteSpec
		lines  []string
		by     string // whose provider vouched
		want   string // in the challenge or the body, when refused
	}{
		{"first", []*RouteSpec{{Provider: "main"}, {Provider: "other"}}, []string{"Authorization: Bearer " + mine}, "main", ""},
		{"second", []*RouteSpec{{Provider: "main"}, {Provider: "other"}}, []string{"Authorization: Bearer " + foreign}, "other", ""},
		{"forged", []*RouteSpec{{Provider: "main"}, {Provider: "other"}}, []string{"Authorization: Bearer " + forged}, "", "can't be trusted"},
		{"missing", []*RouteSpec{{Provider: "main"}, {Provider: "other"}}, nil, "", "token-missing"},
		{"expired is the best", []*RouteSpec{{Provider: "main"}, {Provider: "other"}}, []string{"Authorization: Bearer " + mineExpired}, "", "has expired"},
		{"expired is the best, backwards", []*RouteSpec{{Provider: "other"}, {Provider: "main"}}, []string{"Authorization: Bearer " + mineExpired}, "", "has expired"},
		{"lacking is better", []*RouteSpec{{Provider: "main", Require: admin}, {Provider: "other"}}, []string{"Authorization: Bearer " + mine}, "", "insufficient_scope"},
		{"lacking, then satisfied", []*RouteSpec{{Provider: "main", Require: admin}, {Provider: "main"}}, []string{"Authorization: Bearer " + mine}, "main", ""},
		{"the cookie of two", []*RouteSpec{{Provider: "other"}, {Provider: "cookie"}}, []string{"Authorization: Bearer " + forged, "Cookie: session=" + mine}, "cookie", ""},
		{"one is optional, none there", []*RouteSpec{{Provider: "main"}, {Provider: "cookie", Optional: true}}, nil, "none", ""},
		{"one is optional, a bad one there", []*RouteSpec{{Provider: "main"}, {Provider: "cookie", Optional: true}}, []string{"Cookie: session=x.y.z"}, "", "malformed"},
		{"down, another vouches", []*RouteSpec{{Provider: "down"}, {Provider: "main"}}, []string{"Authorization: Bearer " + mine}, "main", ""},
		{"down might have vouched", []*RouteSpec{{Provider: "down"}, {Provider: "other"}}, []string{"Authorization: Bearer " + mine}, "", "jwks-unavailable"},
		{"down would not have", []*RouteSpec{{Provider: "down"}, {Provider: "other"}}, []string{"Authorization: Bearer " + forged}, "", "can't be trusted"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := step(t, providers, c.blocks...)
			x, client := exchange("", c.lines...)
			passed := s.Request(x)
			by := ""
			if passed {
				by = "none"
				if x.Identity != nil {
					by = x.Identity.Provider()
				}
			}
			if by != c.by {
				t.Fatalf("%q vouched, want %q: %d %s", by, c.by, client.status, client.body)
			}
			if said := strings.Join(client.fields["www-authenticate"], "|") + client.body; !strings.Contains(said, c.want) {
				t.Errorf("it said %s, want %s", said, c.want)
			}
			lines, _ := forwarded(x)
			if passed && strings.Contains(strings.Join(lines, "\n"), forged) {
				t.Error("a forged token goes upstream")
			}
		})
	}
}

func TestCounters(t *testing.T) {
	p := every(t)
	s := step(t, []*Provider{p}, &RouteSpec{Provider: "main"})
	mine := "Authorization: Bearer " + token(t, "EdDSA", good(nil))
	for _, l := range [][]string{nil, {mine}, {mine}, {mine}, {"Authorization: Bearer " + token(t, "EdDSA", good(object{"exp": 1}))}, {"Authorization: Bearer x"}} {
		x, _ := exchange("", l...)
		s.Request(x)
	}
	got := map[string]uint64{}
	p.Counters.Each(func(result string, n uint64) {
		if n > 0 {
			got[result] = n
		}
	})
	for result, n := range map[string]uint64{"missing": 1, "ok": 1, "cached": 2, "expired": 1, "malformed": 1} {
		if got[result] != n {
			t.Errorf("%s: %d, want %d", result, got[result], n)
		}
		delete(got, result)
	}
	if len(got) > 0 {
		t.Errorf("and %v", got)
	}
}

func TestNewErrors(t *testing.T) {
	none := func(string) *Provider { return nil }
	if _, err := New(nil, none); err == nil {
		t.Error("a step of no block")
	}
	if _, err := New([]*RouteSpec{{Provider: "x"}}, none); err == nil || !strings.Contains(err.Error(), `"x"`) {
		t.Errorf("an unknown provider: %v", err)
	}
	var providers []*Provider
	var blocks []*RouteSpec
	for _, name := range []string{"a", "b", "c"} {
		s := basis()
		s.Name, s.Locations = name, nil
		for range 7 {
			s.Locations = append(s.Locations, Location{QueryPlace, name + strings.Repeat("x", len(s.Locations))})
		}
		providers, blocks = append(providers, newProvider(s, nil)), append(blocks, &RouteSpec{Provider: name})
	}
	if _, err := New(blocks, func(name string) *Provider { return providers[name[0]-'a'] }); err == nil {
		t.Error("21 locations")
	}
}
