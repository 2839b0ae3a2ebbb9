package jwt

import (
	"encoding/base64"
	"errors"
	"strings"
)

// MaxToken bounds a token in bytes.
const MaxToken = 16 << 10

var (
	errTooLong   = errors.New("the token is too long")
	errForm      = errors.New("the token is not of the compact form")
	errHeader    = errors.New("a header parameter has the wrong type")
	errCritical  = errors.New("the token has critical extensions")
	errUnencoded = errors.New("the token's payload is said not to be encoded")
	errType      = errors.New("the token is of another type")
)

// compact is a token of the JWS compact form (RFC 7515 section 7.1), decoded
// and not verified.
type compact struct {
	signed    string // the first two parts, which the signature is over
	algorithm string
	keyID     string // empty when the token names none
	claims    document
	signature []byte
}

// strict refuses bits that no encoder sets, so that a token has one spelling.
var strict = base64.RawURLEncoding.Strict()

// parseCompact reads a token. The result keeps nothing of it.
func parseCompact(token []byte) (*compact, error) {
	if len(token) > MaxToken {
		return nil, errTooLong
	}
	var dots [2]int
	n := 0
	for i, c := range token {
		switch {
		case c == '.':
			if n == len(dots) {
				return nil, errForm
			}
			dots[n] = i
			n++
		case !base64URL(c): // the decoder would skip line ends
			return nil, errForm
		}
	}
	if n < len(dots) {
		return nil, errForm
	}
	text := string(token)
	head, payload, signature := text[:dots[0]], text[dots[0]+1:dots[1]], text[dots[1]+1:]
	if head == "" || payload == "" || signature == "" {
		return nil, errForm
	}
	c := &compact{signed: text[:dots[1]]}
	if err := c.readHeader(head); err != nil {
		return nil, err
	}
	raw, err := strict.DecodeString(payload)
	if err != nil {
		return nil, errForm
	}
	if c.claims, err = parseObject(string(raw)); err != nil {
		return nil, err
	}
	if c.signature, err = strict.DecodeString(signature); err != nil {
		return nil, errForm
	}
	return c, nil
}

func base64URL(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_'
}

// readHeader takes from the JOSE header (RFC 7515 section 4) what chooses the
// algorithm and the key, and refuses what would change the meaning of the rest.
func (c *compact) readHeader(head string) error {
	raw, err := strict.DecodeString(head)
	if err != nil {
		return errForm
	}
	d, err := parseObject(string(raw))
	if err != nil {
		return err
	}
	for i := 1; i < len(d); i = int(d[i].end) {
		n := &d[i]
		switch n.name {
		case "alg":
			if n.kind != stringKind {
				return errHeader
			}
			c.algorithm = n.text
		case "kid":
			if n.kind != stringKind {
				return errHeader
			}
			c.keyID = n.text
		case "crit": // none is understood (section 4.1.11)
			return errCritical
		case "b64": // RFC 7797; true is the default
			if n.kind != boolKind || n.text != "true" {
				return errUnencoded
			}
		case "typ":
			if n.kind != stringKind {
				return errHeader
			}
			if otherType(n.text) {
				return errType
			}
		}
	}
	if c.algorithm == "" {
		return errHeader
	}
	return nil
}

// otherType reports whether typ says that the token is of a kind that never says
// who a client is, such as logout+jwt or dpop+jwt (RFC 8725 section 3.11). Types
// that say nothing explicit pass.
func otherType(typ string) bool {
	t := strings.ToLower(typ)
	return strings.HasSuffix(t, "+jwt") && t != "at+jwt" && t != "application/at+jwt"
}
