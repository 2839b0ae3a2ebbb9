package jwt

import (
	"slices"
	"strings"
	"testing"
)

// three is a provider that looks for tokens in a field, a cookie and the query,
// in this order.
func three(t *testing.T) *Provider {
	s := basis()
	s.Locations = []Location{{HeaderPlace, "authorization"}, {CookiePlace, "session"}, {QueryPlace, "token"}, {HeaderPlace, "x-token"}}
	return with(t, s, wholeSet(t))
}

// TestLocations says for every way to bring tokens what becomes of the request,
// and what an instance sees of it. A and B are good tokens, BAD is none.
func TestLocations(t *testing.T) {
	p := three(t)
	a, b := token(t, "EdDSA", good(nil)), token(t, "EdDSA", good(object{"sub": "bob"}))
	fill := strings.NewReplacer("AAA", a, "BBB", b, "BAD", "x.y.z")
	for _, c := range []struct {
		name    string
		lines   string // of the request, one each
		query   string
		sub     string // whose token it was, empty for 401
		missing bool   // rather than bad
		kept    string // what goes upstream with forward = true
		keptQ   string
		cut     string // and with false
		cutQ    string
	}{
		{name: "nothing", missing: true},
		{name: "bearer", lines: "Authorization: Bearer AAA", sub: "ada", kept: "Authorization: Bearer AAA"},
		{name: "scheme in any case", lines: "Authorization: bEaReR   AAA", sub: "ada", kept: "Authorization: bEaReR   AAA"},
		{name: "another scheme", lines: "Authorization: Basic YTpi", missing: true},
		{name: "a scheme alike", lines: "Authorization: Bearerx AAA", missing: true},
		{name: "empty bearer", lines: "Authorization: Bearer "},
		{name: "two in one line", lines: "Authorization: Bearer AAA, Bearer BBB"},
		{name: "two lines", lines: "Authorization: Bearer AAA\nAuthorization: Bearer AAA"},
		{name: "with a line of basic", lines: "Authorization: Basic YTpi\nAuthorization: Bearer AAA"},
		{name: "cookie", lines: "Cookie: session=AAA", sub: "ada", kept: "Cookie: session=AAA"},
		{name: "cookie among others", lines: "Cookie: a=1; session=AAA; b=2\nAccept: */*", sub: "ada", kept: "Cookie: a=1; session=AAA; b=2\nAccept: */*", cut: "Accept: */*\nCookie: a=1; b=2"},
		{name: "cookie first", lines: "Cookie: session=AAA;b=2", sub: "ada", kept: "Cookie: session=AAA;b=2", cut: "Cookie: b=2"},
		{name: "quoted cookie", lines: "Cookie: session=\"AAA\"; xsession=1", sub: "ada", kept: "Cookie: session=\"AAA\"; xsession=1", cut: "Cookie: xsession=1"},
		{name: "cookie lines", lines: "Cookie: a=1\nCookie: session=AAA\nCookie: b=2", sub: "ada", kept: "Cookie: a=1\nCookie: session=AAA\nCookie: b=2", cut: "Cookie: a=1\nCookie: b=2"},
		{name: "empty cookie", lines: "Cookie: session=; a=1", missing: true},
		{name: "cookie of another case", lines: "Cookie: Session=AAA", missing: true},
		{name: "two cookies", lines: "Cookie: session=AAA; session=BBB"},
		{name: "two cookie lines", lines: "Cookie: session=AAA\nCookie: session=AAA"},
		{name: "query", query: "token=AAA", sub: "ada", keptQ: "?token=AAA"},
		{name: "query among others", query: "a=1&token=AAA&&b=%20", sub: "ada", keptQ: "?a=1&token=AAA&&b=%20", cutQ: "?a=1&&b=%20"},
		{name: "encoded query name", query: "t%6fken=AAA&a", sub: "ada", keptQ: "?t%6fken=AAA&a", cutQ: "?a"},
		{name: "two in the query", query: "token=AAA&%74oken=BBB"},
		{name: "no value", query: "token&token=&a", missing: true},
		{name: "field", lines: "x-token: AAA", sub: "ada", kept: "x-token: AAA"},
		{name: "field as bearer", lines: "X-TOKEN: Bearer AAA", sub: "ada", kept: "X-TOKEN: Bearer AAA"},
		{name: "two fields", lines: "x-token: AAA\nX-Token: BBB"},
		{name: "lookalike of the field", lines: "X_Token: AAA\nAuthorization: Bearer AAA", sub: "ada", kept: "Authorization: Bearer AAA"},
		// Where there are several, the first location's is the token, and no
		// other goes upstream.
		{name: "field before cookie", lines: "Cookie: session=BBB; a=1\nAuthorization: Bearer AAA", sub: "ada", kept: "Authorization: Bearer AAA\nCookie: a=1", cut: "Cookie: a=1"},
		{name: "the same in both", lines: "Cookie: session=AAA\nAuthorization: Bearer AAA", query: "token=AAA", sub: "ada", kept: "Cookie: session=AAA\nAuthorization: Bearer AAA", keptQ: "?token=AAA"},
		{name: "a bad one hides", lines: "Cookie: session=AAA\nAuthorization: Bearer BAD"},
		{name: "a bad one is hidden", lines: "Cookie: session=AAA", query: "token=BAD&b", sub: "ada", kept: "Cookie: session=AAA", keptQ: "?b", cutQ: "?b"},
		{name: "two bad ones are hidden", lines: "Cookie: session=AAA\nx-token: BAD\nX-Token: BAD", sub: "ada", kept: "Cookie: session=AAA"},
		{name: "basic stays", lines: "Cookie: session=AAA\nAuthorization: Basic YTpi", sub: "ada", kept: "Cookie: session=AAA\nAuthorization: Basic YTpi", cut: "Authorization: Basic YTpi"},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, forward := range []bool{true, false} {
				var lines []string
				if c.lines != "" {
					lines = strings.Split(fill.Replace(c.lines), "\n")
				}
				s := step(t, []*Provider{p}, &RouteSpec{Provider: "main", Forward: forward})
				x, client := exchange(fill.Replace(c.query), lines...)
				passed := s.Request(x)
				if c.sub == "" {
					challenge := strings.Join(client.fields["www-authenticate"], "|")
					if passed || client.status != 401 || strings.Contains(challenge, "invalid_token") == c.missing {
						t.Errorf("passed %v, %d, %s", passed, client.status, challenge)
					}
					continue
				}
				if !passed {
					t.Fatalf("%d: %s", client.status, client.body)
				}
				if sub, _ := x.Identity.Claim([]string{"sub"}); sub != c.sub {
					t.Errorf("it was %q", sub)
				}
				want, wantQ := c.cut, c.cutQ
				if forward {
					want, wantQ = c.kept, c.keptQ
				}
				gotLines, gotQ := forwarded(x)
				wantLines := strings.Split(fill.Replace(want), "\n")
				if want == "" {
					wantLines = nil
				}
				slices.Sort(gotLines)
				slices.Sort(wantLines)
				if !slices.Equal(gotLines, wantLines) || gotQ != fill.Replace(wantQ) {
					t.Errorf("forward %v: %q and %q go upstream, want %q and %q", forward, gotLines, gotQ, wantLines, wantQ)
				}
			}
		})
	}
}

func TestClaimsToHeaders(t *testing.T) {
	p := every(t)
	s := step(t, []*Provider{p}, &RouteSpec{Provider: "main", Forward: false, Optional: true, Headers: []HeaderSpec{
		{"X-User", "sub"},
		{"X-Level", "level"},
		{"X-Admin", "admin"},
		{"X-City", "address.city"},
		{"X-Dot", "a.b"},
		{"X-Roles", "roles"},
		{"X-Evil", "evil"},
		{"X-Space", "space"},
		{"X-Object", "address"},
		{"X-Odd", "odd"},
		{"X-None", "none"},
		{"X-Name", "name"},
		{"X-C1", "c1"},
	}})
	forged := []string{"X-User: root", "x-user: root", "X_User: root", "x_USER: root", "X-Evil: 1", "X_Evil: 1", "X-City: Rome", "X-Other: stays", "X-Users: stay", "XUser: stays"}
	stays := []string{"X-Other: stays", "X-Users: stay", "XUser: stays"}

	x, _ := exchange("", forged...)
	if !s.Request(x) || x.Identity != nil {
		t.Fatal("a request without a token was refused")
	}
	if got, _ := forwarded(x); !slices.Equal(got, stays) {
		t.Errorf("without a token %q go upstream", got)
	}

	text := token(t, "EdDSA", good(object{
		"level": raw("1.50"), "admin": true, "address": object{"city": "Paris"}, "a.b": "literal", "a": object{"b": "path"}, "roles": []any{"x", 2, true},
		"evil": "1\r\nX-User: root", "space": " root", "odd": []string{"a,b"}, "none": nil, "name": "Zoë", "c1": "a\u0085b",
	}))
	x, client := exchange("", append([]string{"Authorization: Bearer " + text}, forged...)...)
	if !s.Request(x) {
		t.Fatalf("%d: %s", client.status, client.body)
	}
	want := append(slices.Clone(stays), "X-User: ada", "X-Level: 1.50", "X-Admin: true", "X-City: Paris", "X-Dot: literal", "X-Roles: x,2,true", "X-Name: Zoë")
	got, _ := forwarded(x)
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("%q go upstream, want %q", got, want)
	}

	x, _ = exchange("", append([]string{"Authorization: Bearer x.y.z"}, forged...)...)
	if s.Request(x) {
		t.Error("a bad token passed an optional block")
	}
}

func TestRequire(t *testing.T) {
	text := func(s ...string) (v []Value) {
		for i := range s {
			v = append(v, Value{String: &s[i]})
		}
		return v
	}
	for _, c := range []struct {
		claim string
		want  []Value
		has   any // of the claim "c"
		met   bool
	}{
		{"c", text("a"), "a", true},
		{"c", text("a"), "b a", true},
		{"c", text("a", "b"), "b  a", true},
		{"c", text("a"), "ab", false},
		{"c", text("a", "c"), "a b", false},
		{"c", text("a b"), "a b", true},
		{"c", text("a"), []string{"b", "a"}, true},
		{"c", text("a"), []string{"b a"}, false},
		{"c", text("a", "b"), []string{"a"}, false},
		{"c", text("a"), nil, false},
		{"c", text("a"), object{"a": true}, false},
		{"c", text("1"), 1, false},
		{"c", text("true"), true, false},
		{"c", text("A"), "a", false},
		{"c", []Value{{Bool: new(true)}}, true, true},
		{"c", []Value{{Bool: new(true)}}, false, false},
		{"c", []Value{{Bool: new(true)}}, "true", false},
		{"c", []Value{{Bool: new(false)}}, nil, false},
		{"c", []Value{number("3")}, raw("3.0"), true},
		{"c", []Value{number("3")}, raw("30e-1"), true},
		{"c", []Value{number("3")}, raw("3.0000000000000000000001"), false},
		{"c", []Value{number("9007199254740993")}, raw("9007199254740992"), false},
		{"c", []Value{number("3")}, raw("1e999999999"), false},
		{"c", []Value{number("3")}, "3", false},
		{"c", []Value{number("3")}, []int{1, 3}, true},
		{"c.d", text("a"), object{"d": "a"}, true},
		{"c.d", text("a"), object{"d": object{"e": "a"}}, false},
		{"c.d.e", text("a"), object{"d": object{"e": []string{"a"}}}, true},
		{"c.0", text("a"), []string{"a"}, false},
		{"d", text("a"), "a", false},
	} {
		s := step(t, []*Provider{every(t)}, &RouteSpec{Provider: "main", Require: []Requirement{{c.claim, c.want}}})
		x, client := exchange("", "Authorization: Bearer "+token(t, "EdDSA", good(object{"c": c.has})))
		if met := s.Request(x); met != c.met || !met && client.status != 403 {
			t.Errorf("%s of %v in %v: %v, %d", c.claim, (&RouteSpec{Require: []Requirement{{c.claim, c.want}}}).Redacted()["require"], c.has, met, client.status)
		}
	}
}

// TestLiteralFirst prefers the claim whose name is the whole name, whatever it
// holds.
func TestLiteralFirst(t *testing.T) {
	s := step(t, []*Provider{every(t)}, &RouteSpec{Provider: "main", Require: []Requirement{{"c.d", []Value{{String: new("a")}}}}})
	x, _ := exchange("", "Authorization: Bearer "+token(t, "EdDSA", good(object{"c.d": "b", "c": object{"d": "a"}})))
	if s.Request(x) {
		t.Error("the path was taken although the name is there")
	}
}
