package jwt

import (
	"errors"
	"fmt"
	"strings"

	"github.com/lictor/lictor/proxy"
)

// challenges are what a refused client is told (RFC 6750 section 3), made
// beforehand. They say no more of a token than its bearer can read in it.
type challenges struct {
	byResult [results]string
}

// descriptions are what a client is told of a bad token. All that depends on the
// provider reads alike, so that guessing teaches nothing.
var descriptions = [results]string{
	malformed: "the token is malformed", badAlgorithm: cannotTrust, badIssuer: cannotTrust, unknownKey: cannotTrust,
	badSignature: cannotTrust, badAudience: cannotTrust, notYetValid: "the token is not valid yet", expired: "the token has expired",
	keysUnavailable: "", insufficient: "the token lacks a claim that is required here",
}

const cannotTrust = "the token can't be trusted"

func newChallenges(realm string) challenges {
	var c challenges
	base := fmt.Sprintf(`Bearer realm="%s"`, realm)
	c.byResult[missing] = base
	for r := malformed; r <= expired; r++ {
		c.byResult[r] = fmt.Sprintf(`%s, error="invalid_token", error_description="%s"`, base, descriptions[r])
	}
	c.byResult[insufficient] = fmt.Sprintf(`%s, error="insufficient_scope", error_description="%s"`, base, descriptions[insufficient])
	return c
}

// withScope names the scope that would do (RFC 6750 section 3), when it can be
// written there.
func withScope(challenge string, require []Requirement) string {
	var words []string
	for _, r := range require {
		if r.Claim != "scope" && r.Claim != "scp" {
			continue
		}
		for _, v := range r.Values {
			if v.String == nil {
				continue
			}
			for _, c := range []byte(*v.String) {
				if c < ' ' || c > '~' || c == '"' || c == '\\' {
					return challenge
				}
			}
			words = append(words, *v.String)
		}
	}
	if len(words) == 0 {
		return challenge
	}
	return fmt.Sprintf(`%s, scope="%s"`, challenge, strings.Join(words, " "))
}

var errLacking = errors.New("a required claim is missing or lacks a value")

// refusal is the best of what several providers said against a request.
type refusal struct {
	result   result
	provider string
	err      error
	// challenge replaces the one of the result when not empty.
	challenge string
}

// worse reports whether the refusal says less than r would.
func (r *refusal) worse(than result) bool { return r.provider == "" || r.result < than }

// answer refuses the exchange.
func (r *refusal) answer(x *proxy.Exchange, c *challenges) {
	problem := proxy.TokenInvalid
	switch r.result {
	case missing:
		problem = proxy.TokenMissing
	case keysUnavailable:
		problem = proxy.KeysUnavailable
	case insufficient:
		problem = proxy.ClaimsMissing
	}
	challenge := r.challenge
	if challenge == "" {
		challenge = c.byResult[r.result]
	}
	x.ResetResponse()
	if challenge != "" {
		x.Response.Fields.AddString(proxy.WWWAuthenticate, challenge)
	}
	var err error
	if r.err != nil {
		err = fmt.Errorf("jwt provider %q: %w", r.provider, r.err)
	}
	x.AnswerWith(problem, descriptions[r.result], err)
}
