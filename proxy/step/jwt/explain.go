package jwt

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lictor/lictor/proxy"
)

// Explain implements proxy.Explainer: it verifies as Request does, but counts
// nothing, remembers no token and has no keys fetched.
func (s *Step) Explain(x *proxy.Exchange, v *proxy.Explanation) bool {
	var found [maxPlaces]candidate
	for i := range s.places {
		s.places[i].find(&x.Request, &found[i])
	}
	dropFields(&x.Request.Fields, s.strips)

	var best refusal
	for i := range s.blocks {
		b := &s.blocks[i]
		part := proxy.Explanation{Step: b.provider.Spec.Name, Verdict: proxy.Refuses}
		at := b.pick(&found)
		if at < 0 {
			part.Why = "there is no token in " + s.looked(b)
			v.Parts = append(v.Parts, part)
			continue
		}
		p, c := b.provider, &found[at]
		token, r, err := p.check(c, p.keys.Load(), x.Start.Wall)
		part.Say("from", s.places[at].String())
		if t, _ := c.parse(); t != nil {
			describe(&part, t, r == verified, v.Reveal)
		}
		switch {
		case token == nil:
			part.Why = p.refused(c, r, err, x.Start.Wall)
			if best.worse(r) {
				best = refusal{result: r, provider: p.Spec.Name, err: err}
			}
		case !b.satisfied(token):
			part.Why = b.lacks(token)
			best = refusal{result: insufficient, provider: p.Spec.Name, err: errLacking, challenge: b.challenge}
		default:
			part.Verdict = proxy.Passes
			v.Parts = append(v.Parts, part)
			s.accept(x, b, &found, at, token)
			return true
		}
		v.Parts = append(v.Parts, part)
	}
	if best.provider == "" {
		if s.optional {
			v.Why = "there is no token, and none is required"
			return true
		}
		best.result = missing
	}
	best.answer(x, &s.challenges)
	return false
}

// looked says where a block looks for a token.
func (s *Step) looked(b *block) string {
	var names []string
	for _, i := range b.places {
		names = append(names, s.places[i].String())
	}
	return strings.Join(names, ", ")
}

// refused says exactly why a token is refused, which clients are not told.
func (p *Provider) refused(c *candidate, r result, err error, now time.Duration) string {
	t, _ := c.parse()
	if t == nil {
		return err.Error()
	}
	at := func(name string) string {
		i := t.claims.member(0, name)
		if i < 0 {
			return "none"
		}
		return t.claims.text(i)
	}
	switch r {
	case badAlgorithm:
		return fmt.Sprintf("its algorithm is %q, and the provider takes %s", t.algorithm, p.algorithms())
	case badIssuer:
		return fmt.Sprintf("its issuer is %s, and must be %q", at("iss"), p.Spec.Issuer)
	case badAudience:
		return fmt.Sprintf("its audience is %s, and must be one of %q", at("aud"), p.Spec.Audiences)
	case expired, notYetValid:
		claim, word := "exp", "it expired at"
		if r == notYetValid {
			claim, word = "nbf", "it is not valid before"
		}
		return fmt.Sprintf("%s %s, it is %s now, and the clock skew allowed is %s", word, at(claim), date(now), p.Spec.ClockSkew)
	case unknownKey:
		if t.keyID == "" {
			return fmt.Sprintf("%v; the token names no key%s", err, p.refetch())
		}
		return fmt.Sprintf("%v: the token names the key %q%s", err, t.keyID, p.refetch())
	case keysUnavailable:
		return err.Error() + p.refetch()
	}
	return err.Error()
}

// refetch says what a request would cause.
func (p *Provider) refetch() string {
	if p.Spec.Source != RemoteSource {
		return ""
	}
	return "; a request would have the keys fetched anew first, at most once in " + minRefetch.String()
}

func (p *Provider) algorithms() string {
	if len(p.Spec.Algorithms) > 0 {
		return strings.Join(p.Spec.Algorithms, ", ")
	}
	return "the asymmetric ones that its keys declare"
}

// lacks names the first requirement that a token does not meet.
func (b *block) lacks(t *Token) string {
	for i := range b.require {
		r := &b.require[i]
		if r.met(t.claims) {
			continue
		}
		values := make([]any, len(r.values))
		for j, v := range r.values {
			values[j] = v.plain()
		}
		if r.claim.find(t.claims) < 0 {
			return fmt.Sprintf("the claim %q is required to be or hold %v, and there is none", r.claim.name, values)
		}
		return fmt.Sprintf("the claim %q is required to be or hold %v, and does not", r.claim.name, values)
	}
	return errLacking.Error()
}

// standard are the claims whose values say nothing of who the client is.
var standard = []string{"iss", "aud", "exp", "nbf", "iat"}

// shownClaims bounds how many claims are told of.
const shownClaims = 64

// describe tells what a token says: algorithm, key and claims, those that may
// identify its bearer by their types alone.
func describe(v *proxy.Explanation, t *compact, vouched, reveal bool) {
	v.Say("verified", vouched)
	v.Say("algorithm", t.algorithm)
	if t.keyID != "" {
		v.Say("key_id", t.keyID)
	}
	claims := proxy.Facts{}
	for i := 1; i < len(t.claims) && len(claims) < shownClaims; i = int(t.claims[i].end) {
		n := &t.claims[i]
		value := n.kind.String() + " (hidden)"
		switch {
		case slices.Contains(standard, n.name), reveal:
			value = t.claims.text(i)
		}
		claims = append(claims, proxy.Fact{Name: cut(n.name), Value: value})
	}
	v.Say("claims", claims)
}

// longestText bounds the text of a claim that is shown, in bytes.
const longestText = 256

// text writes a value for people: strings as they are, dates also as dates.
func (d document) text(i int) string {
	n := &d[i]
	switch n.kind {
	case arrayKind:
		var list []string
		for j := i + 1; j < int(n.end); j = int(d[j].end) {
			list = append(list, d.text(j))
		}
		return cut("[" + strings.Join(list, ", ") + "]")
	case objectKind:
		return "object"
	case nullKind:
		return "null"
	}
	if n.kind == numberKind && (n.name == "exp" || n.name == "nbf" || n.name == "iat") {
		if t, ok := n.date(func(f float64) float64 { return f }); ok {
			return n.text + " (" + date(t) + ")"
		}
	}
	return cut(n.text)
}

// cut shortens text that is too long to be shown.
func cut(s string) string {
	if len(s) <= longestText {
		return s
	}
	return strings.ToValidUTF8(s[:longestText], "") + "..."
}

// date writes a time since the Unix epoch.
func date(t time.Duration) string {
	return time.Unix(int64(t/time.Second), 0).UTC().Format(time.RFC3339)
}

// String names the type of JSON.
func (k kind) String() string {
	return [...]string{"null", "bool", "number", "string", "array", "object"}[k]
}
