package jwt

import (
	"errors"
	"math"
	"slices"
	"strconv"
	"time"
)

var (
	errIssuer   = errors.New("the issuer is another one")
	errAudience = errors.New("the token is for others")
	errNoExpiry = errors.New("the token never expires")
	errDate     = errors.New("exp or nbf is not a date")
	errExpired  = errors.New("the token has expired")
	errNotYet   = errors.New("the token is not valid yet")
)

// never is the expiry of a token that has none. Adding a clock skew to it does
// not overflow.
const never = 9_000_000_000 * time.Second

// lastDate is the end of the year 9999, in seconds since the Unix epoch.
const lastDate = 253_402_300_799

// issuedBy checks iss (RFC 7519 section 4.1.1). An empty issuer is anyone's.
func (d document) issuedBy(issuer string) error {
	if issuer == "" {
		return nil
	}
	if i := d.member(0, "iss"); i < 0 || d[i].kind != stringKind || d[i].text != issuer {
		return errIssuer
	}
	return nil
}

// meantFor checks aud (section 4.1.3), a string or a list of strings: one of the
// audiences must be in it. No audiences means anybody.
func (d document) meantFor(audiences []string) error {
	if len(audiences) == 0 {
		return nil
	}
	i := d.member(0, "aud")
	if i < 0 {
		return errAudience
	}
	if d[i].kind == stringKind {
		if slices.Contains(audiences, d[i].text) {
			return nil
		}
		return errAudience
	}
	if d[i].kind != arrayKind {
		return errAudience
	}
	found := false
	for j := i + 1; j < int(d[i].end); j = int(d[j].end) {
		if d[j].kind != stringKind {
			return errAudience
		}
		found = found || slices.Contains(audiences, d[j].text)
	}
	if !found {
		return errAudience
	}
	return nil
}

// current checks exp and nbf (sections 4.1.4 and 4.1.5) at a time since the Unix
// epoch, and returns until when the token is good. A fraction of a second is
// rounded against the token.
func (d document) current(now, skew time.Duration, requireExp bool) (until time.Duration, err error) {
	until = never
	if i := d.member(0, "exp"); i >= 0 {
		exp, ok := d[i].date(math.Floor)
		if !ok {
			return 0, errDate
		}
		until = exp + skew
	} else if requireExp {
		return 0, errNoExpiry
	}
	if now >= until {
		return 0, errExpired
	}
	if i := d.member(0, "nbf"); i >= 0 {
		nbf, ok := d[i].date(math.Ceil)
		switch {
		case !ok:
			return 0, errDate
		case now < nbf-skew:
			return 0, errNotYet
		}
	}
	return until, nil
}

// date reads a NumericDate (section 2), as a time since the Unix epoch from 0 to
// never.
func (n *node) date(round func(float64) float64) (time.Duration, bool) {
	if n.kind != numberKind {
		return 0, false
	}
	seconds, err := strconv.ParseInt(n.text, 10, 64)
	if err != nil {
		f, ok := n.float()
		if !ok || math.Abs(f) > lastDate {
			return 0, false
		}
		seconds = int64(round(f))
	}
	if seconds > lastDate {
		return 0, false
	}
	return time.Duration(min(max(seconds, 0), int64(never/time.Second))) * time.Second, true
}
