package limit

import (
	"fmt"
	"slices"
	"strings"

	"github.com/lictor/lictor/attr"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
)

// KeyKind is where one part of a key comes from.
type KeyKind uint8

// The kinds of key part. The values take part in the bytes of a key, so they
// never change.
const (
	ClientIP KeyKind = iota + 1
	ClientCert
	JWTClaim      // Path is the way to the claim
	RequestHeader // Name is the field's name in lower case
	RequestHost
	RequestMethod
	RouteName
	ServiceName
	UserName
)

// KeyPart is one part of a limit's key.
type KeyPart struct {
	Kind KeyKind
	// Name is the name of a header field, in lower case; empty otherwise.
	Name string
	// Path is the way to a claim, from the outside in; nil otherwise.
	Path []string
}

// Equal reports whether two parts are alike.
func (p KeyPart) Equal(o KeyPart) bool {
	return p.Kind == o.Kind && p.Name == o.Name && slices.Equal(p.Path, o.Path)
}

// String writes the part as in a policy.
func (p KeyPart) String() string {
	switch p.Kind {
	case JWTClaim:
		return attr.Path("jwt", p.Path)
	case RequestHeader:
		return fmt.Sprintf("request.header[%q]", p.Name)
	}
	for _, k := range plainParts {
		if k.kind == p.Kind {
			return k.text
		}
	}
	return "unknown"
}

// BeforeMatch reports whether the part is known before a route is found.
func (p KeyPart) BeforeMatch() bool {
	switch p.Kind {
	case ClientIP, ClientCert, RequestHeader, RequestHost, RequestMethod:
		return true
	}
	return false
}

// OfToken reports whether the part is known only once a token was verified.
func (p KeyPart) OfToken() bool { return p.Kind == JWTClaim }

// OfUser reports whether the part is known only once a password or a key was
// verified.
func (p KeyPart) OfUser() bool { return p.Kind == UserName }

// plainParts are the parts that are nothing but words.
var plainParts = [...]struct {
	text string
	kind KeyKind
}{
	{"client.ip", ClientIP},
	{"client.cert", ClientCert},
	{"request.host", RequestHost},
	{"request.method", RequestMethod},
	{"route.name", RouteName},
	{"service.name", ServiceName},
	{"user", UserName},
}

// examples are all that a part can look like.
var examples = []string{
	"client.ip", "client.cert", "jwt.sub", `request.header["X-Api-Key"]`, "request.host", "request.method", "route.name", "service.name", "user",
}

// DecodeKey reads a limit's key: a list of expressions such as client.ip and
// jwt.sub. An attribute that is absent (nil) or null stands for [client.ip].
func DecodeKey(a *hcl.Attribute) ([]KeyPart, hcl.Diagnostics) {
	byDefault := []KeyPart{{Kind: ClientIP}}
	if a == nil {
		return byDefault, nil
	}
	exprs, diags := hcl.ExprList(a.Expr)
	if diags.HasErrors() {
		if v, more := a.Expr.Value(nil); !more.HasErrors() && v.IsNull() {
			return byDefault, nil
		}
		return byDefault, hcl.Diagnostics{attr.Fault(a.Expr.Range(), "Invalid key", "A key is a list of parts, such as [client.ip] or [jwt.sub, route.name]; [] is one budget for all.")}
	}
	if len(exprs) > MostKeyParts {
		return byDefault, hcl.Diagnostics{attr.Fault(a.Expr.Range(), "Invalid key", "A key has at most %d parts.", MostKeyParts)}
	}
	diags = nil
	parts := make([]KeyPart, 0, len(exprs))
	for _, e := range exprs {
		p, bad := decodePart(e)
		switch {
		case bad != nil:
			diags = append(diags, bad)
		case slices.ContainsFunc(parts, p.Equal):
			diags = append(diags, attr.Fault(e.Range(), "Duplicate key part", "%s is in this key already.", p))
		default:
			parts = append(parts, p)
		}
	}
	return parts, diags
}

func decodePart(e hcl.Expression) (KeyPart, *hcl.Diagnostic) {
	at := e.Range()
	t, diags := hcl.AbsTraversalForExpr(e)
	if diags.HasErrors() || len(t) == 0 {
		if v, more := e.Value(nil); !strings.HasSuffix(at.Filename, ".json") && !more.HasErrors() && v.IsWhollyKnown() && !v.IsNull() && v.Type() == cty.String {
			return KeyPart{}, attr.Fault(at, "Invalid key part", "A part of a key is an expression, not a string: write it without the quotes.%s", suggestPart(v.AsString()))
		}
		return KeyPart{}, attr.Fault(at, "Invalid key part", "A part of a key is one of %s.", strings.Join(examples, ", "))
	}
	text, steps, ok := attr.Steps(t)
	if !ok {
		return KeyPart{}, attr.Fault(at, "Invalid key part", "A part of a key is made of names and quoted names; a number or a splat can't be one.")
	}
	for _, k := range plainParts {
		if k.text == text {
			return KeyPart{Kind: k.kind}, nil
		}
	}
	switch {
	case steps[0] == "jwt" && len(steps) > 1:
		return KeyPart{Kind: JWTClaim, Path: steps[1:]}, nil
	case steps[0] == "jwt":
		return KeyPart{}, attr.Fault(at, "Invalid key part", "jwt needs the name of a claim, such as jwt.sub.")
	case len(steps) == 3 && steps[0] == "request" && steps[1] == "header":
		if !token(steps[2]) {
			return KeyPart{}, attr.Fault(at, "Invalid key part", "%q is not the name of a header field.", steps[2])
		}
		return KeyPart{Kind: RequestHeader, Name: strings.ToLower(steps[2])}, nil
	case len(steps) == 2 && steps[0] == "request" && steps[1] == "header":
		return KeyPart{}, attr.Fault(at, "Invalid key part", `request.header needs the name of a field, such as request.header["X-Api-Key"].`)
	}
	hint := suggestPart(text)
	if hint == "" {
		hint = fmt.Sprintf(" The parts are %s.", strings.Join(examples, ", "))
	}
	return KeyPart{}, attr.Fault(at, "Unknown key part", "%s is not a part of a key.%s", text, hint)
}

// suggestPart knows, besides slips of the pen, what other gateways call the
// same thing.
func suggestPart(text string) string {
	switch strings.ToLower(text) {
	case "client.addr", "client.address", "client.remote_addr", "remote_addr", "remote_ip", "client_ip", "ip", "client", "source.ip", "request.ip":
		return ` Did you mean "client.ip"?`
	case "request.path", "request.uri", "request.url", "route", "path":
		return ` Did you mean "route.name"?`
	case "service":
		return ` Did you mean "service.name"?`
	case "host":
		return ` Did you mean "request.host"?`
	case "method":
		return ` Did you mean "request.method"?`
	case "user.name", "username", "client.user", "basic_auth.user", "api_key.name", "consumer":
		return ` Did you mean "user"?`
	case "sub", "jwt.claims.sub", "claims.sub":
		return ` Did you mean "jwt.sub"?`
	}
	if header, ok := strings.CutPrefix(text, "request.headers"); ok && header != "" {
		return fmt.Sprintf(" Did you mean request.header%s?", header)
	}
	names := make([]string, len(plainParts))
	for i, k := range plainParts {
		names[i] = k.text
	}
	return attr.DidYouMean(text, names)
}

// token reports whether s is a token of RFC 9110, 5.6.2.
func token(s string) bool {
	for _, c := range []byte(s) {
		if !('a' <= c|0x20 && c|0x20 <= 'z' || '0' <= c && c <= '9' || strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0) {
			return false
		}
	}
	return s != ""
}
