package jwt

import "time"

// Token is a token that a provider has vouched for. It is immutable and shared
// by all exchanges that bring it. It implements proxy.Identity.
type Token struct {
	provider string
	claims   document
	until    time.Duration // good before this time since the Unix epoch
	size     int           // about what it occupies, in bytes
}

// newToken takes over verified claims. text is the size of what they refer to.
func newToken(provider string, claims document, until time.Duration, text int) *Token {
	const nodeSize, fixed = 48, 256
	return &Token{provider: provider, claims: claims, until: until, size: fixed + text + nodeSize*cap(claims)}
}

// Provider names the policy block that vouches for the token.
func (t *Token) Provider() string { return t.provider }

// Claim walks the claims by the path and returns a string, number or bool as
// text, numbers as they were written. ok is false for anything else.
func (t *Token) Claim(path []string) (value string, ok bool) {
	i := t.claims.walk(path)
	if i < 0 {
		return "", false
	}
	return t.claims[i].scalar()
}

// Expires returns until when the token is good, as a time since the Unix epoch
// that counts the provider's clock skew in. ok is false when it never expires.
func (t *Token) Expires() (until time.Duration, ok bool) { return t.until, t.until < never }

// claimName is how a policy names a claim: by the name itself, or else by a path
// with dots.
type claimName struct {
	name string
	path []string
}

// find returns the claim's index, -1 when there is none.
func (c *claimName) find(d document) int {
	if i := d.member(0, c.name); i >= 0 || len(c.path) < 2 {
		return i
	}
	return d.walk(c.path)
}
