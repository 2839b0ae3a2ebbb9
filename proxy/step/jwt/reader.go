package jwt

import (
	"fmt"
	"strings"
	"time"

	"github.com/agext/levenshtein"
	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"github.com/lictor/lictor/proxy"
)

// reader turns attributes into Go values and collects what is wrong with them.
// An attribute that is absent (nil), null or wrong reads as its default.
type reader struct{ diags hcl.Diagnostics }

func (r *reader) errorf(at hcl.Range, summary, format string, args ...any) {
	r.diags = append(r.diags, fault(at, summary, format, args...))
}

// errorWithin reports whether something inside the range is wrong already.
func (r *reader) errorWithin(at hcl.Range) bool {
	for _, d := range r.diags {
		if d.Subject != nil && d.Subject.Overlaps(at) {
			return true
		}
	}
	return false
}

func (r *reader) value(e hcl.Expression, t cty.Type, what string) (cty.Value, bool) {
	v, diags := e.Value(nil)
	if diags.HasErrors() {
		r.diags = append(r.diags, diags...)
		return v, false
	}
	if v.IsNull() {
		return v, false
	}
	v, err := convert.Convert(v, t)
	if err != nil || !v.IsWhollyKnown() || v.IsNull() {
		r.errorf(e.Range(), "Unsuitable value", "%s is required here.", what)
		return v, false
	}
	return v, true
}

func (r *reader) string(e hcl.Expression) (string, bool) {
	v, ok := r.value(e, cty.String, "A string")
	if !ok {
		return "", false
	}
	return v.AsString(), true
}

func (r *reader) text(a *hcl.Attribute) string {
	if a == nil {
		return ""
	}
	s, _ := r.string(a.Expr)
	return s
}

// notEmpty refuses an attribute that is written down and says nothing.
func (r *reader) notEmpty(a *hcl.Attribute, s string) {
	if a != nil && s == "" && !r.errorWithin(a.Range) && !null(a) {
		r.errorf(a.Expr.Range(), "Empty "+a.Name, "The argument %q must not be empty.", a.Name)
	}
}

func (r *reader) required(a *hcl.Attribute, name string, block hcl.Range) string {
	if a == nil || null(a) {
		r.errorf(block, "Missing required argument", "The argument %q is required, but no definition was found.", name)
		return ""
	}
	s := r.text(a)
	r.notEmpty(a, s)
	return s
}

func (r *reader) boolean(a *hcl.Attribute, def bool) bool {
	if a == nil {
		return def
	}
	v, ok := r.value(a.Expr, cty.Bool, "Either true or false")
	if !ok {
		return def
	}
	return v.True()
}

func (r *reader) duration(a *hcl.Attribute, def, least, most time.Duration) time.Duration {
	if a == nil {
		return def
	}
	s, ok := r.string(a.Expr)
	if !ok {
		return def
	}
	d, err := time.ParseDuration(s)
	switch {
	case err != nil:
		r.errorf(a.Expr.Range(), "Invalid "+a.Name, `%q is not a duration such as "250ms", "10s" or "1h30m".`, s)
	case d < least || d > most:
		r.errorf(a.Expr.Range(), "Invalid "+a.Name, "A duration from %s to %s is required here.", least, most)
	default:
		return d
	}
	return def
}

// item is one element of a list, and where it was written.
type item struct {
	text string
	at   hcl.Range
}

func (r *reader) list(a *hcl.Attribute) []item {
	if a == nil || null(a) {
		return nil
	}
	exprs, diags := hcl.ExprList(a.Expr)
	if diags.HasErrors() {
		r.errorf(a.Expr.Range(), "Unsuitable value", `A list of strings, such as ["a", "b"], is required here.`)
		return nil
	}
	var out []item
	for _, e := range exprs {
		before := len(r.diags)
		s, _ := r.string(e)
		switch {
		case s != "":
			out = append(out, item{s, e.Range()})
		case len(r.diags) == before:
			r.errorf(e.Range(), "Invalid "+a.Name, "An element of the list must not be empty.")
		}
	}
	return out
}

func texts(items []item) []string {
	var out []string
	for _, it := range items {
		out = append(out, it.text)
	}
	return out
}

// pair is one element of an object, and where its name was written.
type pair struct {
	key   string
	at    hcl.Range
	value hcl.Expression
}

func (r *reader) pairs(a *hcl.Attribute) []pair {
	if a == nil || null(a) {
		return nil
	}
	kvs, diags := hcl.ExprMap(a.Expr)
	if diags.HasErrors() {
		r.errorf(a.Expr.Range(), "Unsuitable value", `An object, such as { "name" = "value" }, is required here.`)
		return nil
	}
	var out []pair
	for _, kv := range kvs {
		before := len(r.diags)
		key, _ := r.string(kv.Key)
		switch {
		case key != "":
			out = append(out, pair{key, kv.Key.Range(), kv.Value})
		case len(r.diags) == before:
			r.errorf(kv.Key.Range(), "Invalid "+a.Name, "A name is required here.")
		}
	}
	return out
}

// requirements reads what claims must hold.
func (r *reader) requirements(a *hcl.Attribute) []Requirement {
	var out []Requirement
	seen := map[string]bool{}
	for _, p := range r.pairs(a) {
		if seen[p.key] {
			r.errorf(p.at, "Invalid require", "The claim %q is in this object already.", p.key)
			continue
		}
		seen[p.key] = true
		if values := r.requirement(p.value); len(values) > 0 {
			out = append(out, Requirement{Claim: p.key, Values: values})
		}
	}
	return out
}

func (r *reader) requirement(e hcl.Expression) []Value {
	exprs, diags := hcl.ExprList(e)
	if diags.HasErrors() {
		exprs = []hcl.Expression{e}
	} else if len(exprs) == 0 {
		r.errorf(e.Range(), "Invalid require", "An empty list requires nothing: leave the claim out, or name what it must hold.")
	}
	var out []Value
	for _, e := range exprs {
		v, diags := e.Value(nil)
		switch {
		case diags.HasErrors():
			r.diags = append(r.diags, diags...)
		case v.IsNull() || !v.IsWhollyKnown():
			r.errorf(e.Range(), "Invalid require", "A string, a number, true, false or a list of them is required here.")
		case v.Type() == cty.String && v.AsString() == "":
			r.errorf(e.Range(), "Invalid require", "An empty string requires nothing.")
		case v.Type() == cty.String:
			s := v.AsString()
			out = append(out, Value{String: &s})
		case v.Type() == cty.Number:
			out = append(out, Value{Number: v.AsBigFloat()})
		case v.Type() == cty.Bool:
			b := v.True()
			out = append(out, Value{Bool: &b})
		default:
			r.errorf(e.Range(), "Invalid require", "A string, a number, true, false or a list of them is required here.")
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

// didYouMean returns a sentence, led by a space, that names the candidate closest
// to what was given; empty when none is close.
func didYouMean(given string, candidates []string) string {
	best, least := "", min(3, (len(given)+1)/2)
	for _, c := range candidates {
		if strings.EqualFold(c, given) {
			best = c
			break
		}
		if d := levenshtein.Distance(given, c, nil); d < least {
			best, least = c, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf(" Did you mean %q?", best)
}
