package jwt

import (
	"fmt"
	"strings"
	"testing"

	"github.com/lictor/lictor/proxy"
)

// TestExplainTokens says of every way in which a token is refused exactly why, comes
// to the same end as Request does, and neither counts nor remembers anything.
func TestExplainTokens(t *testing.T) {
	s := basis()
	s.Algorithms = []string{"ES256"}
	p := with(t, s, wholeSet(t))
	fine := good(object{"scope": "read"})
	for _, c := range []struct{ name, token, want string }{
		{"good", token(t, "ES256", fine), ""},
		{"none", "", "there is no token in header:authorization"},
		{"nonsense", "nonsense", "not of the compact form"},
		{"algorithm", token(t, "RS256", fine), `its algorithm is "RS256", and the provider takes ES256`},
		{"issuer", token(t, "ES256", good(object{"iss": "https://evil.example"})), `its issuer is https://evil.example, and must be "https://id.example.com"`},
		{"no issuer", token(t, "ES256", good(object{"iss": nil})), `its issuer is none`},
		{"audience", token(t, "ES256", good(object{"aud": []string{"bank", "club"}})), `its audience is [bank, club], and must be one of ["shop"]`},
		{"expired", token(t, "ES256", good(object{"exp": 5})), "it expired at 5 (1970-01-01T00:00:05Z), it is 2023-11-14T22:13:20Z now"},
		{"not yet", token(t, "ES256", good(object{"nbf": seconds(now) + 60})), "it is not valid before 1700000060 (2023-11-14T22:14:20Z)"},
		{"key", sign(t, "ES256", object{"alg": "ES256", "kid": "k9"}, fine, keyring().private("ES256")), `the token names the key "k9"`},
		{"claim", token(t, "ES256", good(nil)), `the claim "scope" is required to be or hold [read], and there is none`},
		{"value", token(t, "ES256", good(object{"scope": "write"})), `the claim "scope" is required to be or hold [read], and does not`},
	} {
		t.Run(c.name, func(t *testing.T) {
			step := step(t, []*Provider{p}, &RouteSpec{Provider: "main", Require: []Requirement{{Claim: "scope", Values: []Value{{String: new("read")}}}}})
			var lines []string
			if c.token != "" {
				lines = append(lines, "Authorization: Bearer "+c.token)
			}
			x, told := exchange("", lines...)
			before := fmt.Sprint(p.tally())
			var v proxy.Explanation
			passes := step.Explain(x, &v)
			if tokens, _ := p.Cached(); tokens != 0 || fmt.Sprint(p.tally()) != before {
				t.Errorf("counted %v, remembered %d", p.tally(), tokens)
			}
			if passes != (c.want == "") || passes != (x.Identity != nil) {
				t.Errorf("passes: %v", passes)
			}
			if why := v.Parts[0].Why; !strings.Contains(why, c.want) {
				t.Errorf("%q, want %q", why, c.want)
			}
			if text := fmt.Sprint(v); strings.Contains(text, "ada") {
				t.Errorf("says who: %s", text)
			}
			x, client := exchange("", lines...)
			if step.Request(x) != passes || client.status != told.status {
				t.Errorf("%d, explained as %d", client.status, told.status)
			}
			p.cache = cache{} // for the next one
		})
	}
}

// tally is what the provider has counted.
func (p *Provider) tally() (n []uint64) {
	p.Counters.Each(func(_ string, count uint64) { n = append(n, count) })
	return n
}
