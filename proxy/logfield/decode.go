package logfield

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/lictor/lictor/attr"
	"github.com/lictor/lictor/proxy"
)

// Most is how many fields a log may have besides the usual ones.
const Most = 32

// examples are all that a value can look like.
var examples = []string{
	"jwt.sub", `request.header["X-Ref"]`, `response.header["X-Cache"]`, "client.cert", "client.peer", "listener.name", "request.scheme", "upstream.path",
}

// usual are values that lines have anyway, by the names that limits have for them.
var usual = map[string]string{
	"client.ip": "client", "request.host": "host", "request.method": "method", "request.path": "path", "request.id": "request_id",
	"route.name": "route", "service.name": "service", "user": "user",
}

// secret are the fields of messages that hold secrets by what they are for.
var secret = []string{"authorization", "proxy-authorization", "cookie", "set-cookie", "authentication-info", "proxy-authentication-info"}

// Decode reads fields: an object of names and expressions, which may be written as
// strings, too. A nil attribute is none.
func Decode(a *hcl.Attribute) ([]Spec, hcl.Diagnostics) {
	var r attr.Reader
	var out []Spec
	members := r.Object(a)
	if len(members) > Most {
		r.Errorf(a.Expr.Range(), "Too many fields", "A log has at most %d fields besides the usual ones.", Most)
		members = members[:Most]
	}
	for _, m := range members {
		switch {
		case !nameable(m.Key):
			r.Errorf(m.At, "Invalid name of a field", "%q is not made of 1 to 64 letters, digits, underscores, dots and dashes.", m.Key)
			continue
		case proxy.UsualLogField(m.Key):
			r.Errorf(m.At, "Invalid name of a field", "Every line has a field %q already.", m.Key)
			continue
		case slices.ContainsFunc(out, func(s Spec) bool { return s.Name == m.Key }):
			r.Errorf(m.At, "Duplicate field", "The field %q is here twice.", m.Key)
			continue
		}
		s, bad := decode(m.Value)
		if bad != nil {
			r.Diags = append(r.Diags, bad)
			continue
		}
		s.Name = m.Key
		out = append(out, s)
	}
	return out, r.Diags
}

func nameable(s string) bool {
	for _, c := range []byte(s) {
		if !(c == '_' || c == '.' || c == '-' || '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z') {
			return false
		}
	}
	return s != "" && len(s) <= 64
}

func decode(e hcl.Expression) (Spec, *hcl.Diagnostic) {
	at := e.Range()
	text, steps, ok := stepsOf(e)
	if !ok {
		return Spec{}, attr.Fault(at, "Invalid field", "The value of a field is one of %s.", strings.Join(examples, ", "))
	}
	for _, w := range words {
		if w.text == text {
			return Spec{Kind: w.kind}, nil
		}
	}
	if name, is := usual[text]; is {
		return Spec{}, attr.Fault(at, "Invalid field", "Every line has %s already, as the field %q.", text, name)
	}
	message := len(steps) == 3 && (steps[0] == "request" || steps[0] == "response") && steps[1] == "header"
	switch {
	case steps[0] == "jwt" && len(steps) > 1:
		return Spec{Kind: JWTClaim, Path: steps[1:]}, nil
	case message && !proxy.IsFieldName(steps[2]):
		return Spec{}, attr.Fault(at, "Invalid field", "%q is not the name of a header field.", steps[2])
	case message && slices.Contains(secret, strings.ToLower(steps[2])):
		return Spec{}, attr.Fault(at, "Secret in a log", "The field %s holds secrets, and what is in a log is not secret any more.", steps[2])
	case message && steps[0] == "request":
		return Spec{Kind: RequestHeader, Header: strings.ToLower(steps[2])}, nil
	case message:
		return Spec{Kind: ResponseHeader, Header: strings.ToLower(steps[2])}, nil
	}
	hint := suggest(text)
	if hint == "" {
		hint = fmt.Sprintf(" The values are %s.", strings.Join(examples, ", "))
	}
	return Spec{}, attr.Fault(at, "Unknown field", "%s is not a value that a log can show.%s", text, hint)
}

// suggest knows, besides slips of the pen, the plural.
func suggest(text string) string {
	for _, m := range []string{"request", "response"} {
		if header, ok := strings.CutPrefix(text, m+".headers"); ok && header != "" {
			return fmt.Sprintf(" Did you mean %s.header%s?", m, header)
		}
	}
	names := make([]string, len(words))
	for i, w := range words {
		names[i] = w.text
	}
	return attr.DidYouMean(text, names)
}

// stepsOf reads an expression such as jwt.sub, or a string that holds one.
func stepsOf(e hcl.Expression) (text string, steps []string, ok bool) {
	t, diags := hcl.AbsTraversalForExpr(e)
	if diags.HasErrors() {
		v, more := e.Value(nil)
		if more.HasErrors() || v.IsNull() || !v.IsWhollyKnown() || v.Type() != cty.String {
			return "", nil, false
		}
		if t, diags = hclsyntax.ParseTraversalAbs([]byte(v.AsString()), e.Range().Filename, hcl.InitialPos); diags.HasErrors() {
			return "", nil, false
		}
	}
	return attr.Steps(t)
}
