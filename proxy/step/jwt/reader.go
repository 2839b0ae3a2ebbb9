package jwt

import (
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/lictor/lictor/attr"
	"github.com/lictor/lictor/proxy"
)

// reader reads the attributes of providers and demands.
type reader struct{ attr.Reader }

// requirements reads what claims must hold.
func (r *reader) requirements(a *hcl.Attribute) []Requirement {
	var out []Requirement
	seen := map[string]bool{}
	for _, p := range r.Object(a) {
		if seen[p.Key] {
			r.Errorf(p.At, "Invalid require", "The claim %q is in this object already.", p.Key)
			continue
		}
		seen[p.Key] = true
		if values := r.requirement(p.Value); len(values) > 0 {
			out = append(out, Requirement{Claim: p.Key, Values: values})
		}
	}
	return out
}

func (r *reader) requirement(e hcl.Expression) []Value {
	exprs, diags := hcl.ExprList(e)
	if diags.HasErrors() {
		exprs = []hcl.Expression{e}
	} else if len(exprs) == 0 {
		r.Errorf(e.Range(), "Invalid require", "An empty list requires nothing: leave the claim out, or name what it must hold.")
	}
	var out []Value
	for _, e := range exprs {
		v, diags := e.Value(nil)
		switch {
		case diags.HasErrors():
			r.Diags = append(r.Diags, diags...)
		case v.IsNull() || !v.IsWhollyKnown():
			r.Errorf(e.Range(), "Invalid require", "A string, a number, true, false or a list of them is required here.")
		case v.Type() == cty.String && v.AsString() == "":
			r.Errorf(e.Range(), "Invalid require", "An empty string requires nothing.")
		case v.Type() == cty.String:
			s := v.AsString()
			out = append(out, Value{String: &s})
		case v.Type() == cty.Number:
			out = append(out, Value{Number: v.AsBigFloat()})
		case v.Type() == cty.Bool:
			b := v.True()
			out = append(out, Value{Bool: &b})
		default:
			r.Errorf(e.Range(), "Invalid require", "A string, a number, true, false or a list of them is required here.")
		}
	}
	return out
}

// fieldName reports whether s is a token (RFC 9110 section 5.6.2), as names of
// fields and cookies are.
func fieldName(s string) bool {
	for _, c := range []byte(s) {
		if !plainName(c) && strings.IndexByte("!#$%&'*+^`|~", c) < 0 {
			return false
		}
	}
	return s != "" && len(s) <= 128
}

// parameterName reports whether s can be a query parameter's name without being
// encoded.
func parameterName(s string) bool {
	for _, c := range []byte(s) {
		if !plainName(c) && c != '~' {
			return false
		}
	}
	return s != "" && len(s) <= 128
}

func plainName(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z' || c == '-' || c == '_' || c == '.'
}

// reserved reports whether a field, in any spelling, is one that the gateway
// itself looks at or writes.
func reserved(name string) bool {
	return proxy.Classify([]byte(strings.ReplaceAll(name, "_", "-"))) != proxy.Other
}
