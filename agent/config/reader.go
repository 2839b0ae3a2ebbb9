package config

import (
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
)

// reader turns attributes into Go values and collects what is wrong with them,
// so that one pass finds every mistake. An attribute that is absent (nil), null
// or wrong reads as its default.
type reader struct {
	diags hcl.Diagnostics
	// partial says that a file could not be read, so that a name may well be
	// defined where nobody has looked.
	partial bool
	// noStore says that no limit can be shared: a whole configuration is read,
	// and it has no store.
	noStore bool
}

// errorf adds an error about a range.
func (r *reader) errorf(at hcl.Range, summary, format string, args ...any) {
	r.add(hcl.DiagError, at, summary, format, args...)
}

// warnf adds a warning about a range.
func (r *reader) warnf(at hcl.Range, summary, format string, args ...any) {
	r.add(hcl.DiagWarning, at, summary, format, args...)
}

func (r *reader) add(severity hcl.DiagnosticSeverity, at hcl.Range, summary, format string, args ...any) {
	r.diags = append(r.diags, &hcl.Diagnostic{
		Severity: severity,
		Summary:  summary,
		Detail:   fmt.Sprintf(format, args...),
		Subject:  &at,
	})
}

// errors counts the errors so far.
func (r *reader) errors() int {
	n := 0
	for _, d := range r.diags {
		if d.Severity == hcl.DiagError {
			n++
		}
	}
	return n
}

// value evaluates an expression as the type; ok is false when it is null or
// wrong.
func (r *reader) value(e hcl.Expression, t cty.Type, what string) (v cty.Value, ok bool) {
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

func (r *reader) text(e hcl.Expression) (string, bool) {
	v, ok := r.value(e, cty.String, "A string")
	if !ok {
		return "", false
	}
	return v.AsString(), true
}

// str reads a string.
func (r *reader) str(a *hcl.Attribute, def string) string {
	if a != nil {
		if s, ok := r.text(a.Expr); ok {
			return s
		}
	}
	return def
}

// required reads a string that has to be there and not be empty.
func (r *reader) required(a *hcl.Attribute, name string, block hcl.Range) string {
	if a == nil {
		r.errorf(block, "Missing required argument", "The argument %q is required, but no definition was found.", name)
		return ""
	}
	before := len(r.diags)
	s := r.str(a, "")
	if s == "" && len(r.diags) == before {
		r.errorf(a.Expr.Range(), "Empty "+name, "The argument %q must not be empty.", name)
	}
	return s
}

// enum reads one of the words.
func (r *reader) enum(a *hcl.Attribute, def string, words ...string) string {
	if a == nil {
		return def
	}
	s, ok := r.text(a.Expr)
	if !ok {
		return def
	}
	if !slices.Contains(words, s) {
		r.errorf(a.Expr.Range(), "Invalid "+a.Name, "%q is not one of %s.%s", s, list(words), didYouMean(s, words))
		return def
	}
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

// integer reads a whole number from least to most.
func (r *reader) integer(a *hcl.Attribute, def, least, most int) int {
	if a == nil {
		return def
	}
	v, ok := r.value(a.Expr, cty.Number, "A whole number")
	if !ok {
		return def
	}
	f := v.AsBigFloat()
	n, _ := f.Int64()
	if !f.IsInt() || n < int64(least) || n > int64(most) {
		r.errorf(a.Expr.Range(), "Invalid "+a.Name, "A whole number from %d to %d is required here.", least, most)
		return def
	}
	return int(n)
}

// duration reads a duration of at least least.
func (r *reader) duration(a *hcl.Attribute, def, least time.Duration) time.Duration {
	if a == nil {
		return def
	}
	s, ok := r.text(a.Expr)
	if !ok {
		return def
	}
	d, err := parseDuration(s)
	switch {
	case err != nil:
		r.errorf(a.Expr.Range(), "Invalid duration", "%s", sentence(err))
		return def
	case d < least:
		r.errorf(a.Expr.Range(), "Invalid "+a.Name, "The duration must be at least %s.", least)
		return def
	}
	return d
}

// size reads a size from least to most, in bytes; most 0 means no bound.
func (r *reader) size(a *hcl.Attribute, def, least, most int64) int64 {
	if a == nil {
		return def
	}
	s, ok := r.text(a.Expr)
	if !ok {
		return def
	}
	if s == "" && least == 0 {
		return 0
	}
	n, err := parseSize(s)
	switch {
	case err != nil:
		r.errorf(a.Expr.Range(), "Invalid size", "%s", sentence(err))
		return def
	case n < least:
		r.errorf(a.Expr.Range(), "Invalid "+a.Name, "The size must be at least %d bytes.", least)
		return def
	case most > 0 && n > most:
		r.errorf(a.Expr.Range(), "Invalid "+a.Name, "The size must be at most %d bytes.", most)
		return def
	}
	return n
}

// path reads a file name. A relative one belongs to the file that names it.
func (r *reader) path(a *hcl.Attribute, def string) string {
	s := r.str(a, "")
	if s == "" {
		return def
	}
	return resolvePath(s, a.Expr.Range())
}

// resolvePath makes a relative path relative to the file that holds at.
func resolvePath(path string, at hcl.Range) string {
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(filepath.Dir(at.Filename), path)
}

// item is one element of a list, and where it was written.
type item struct {
	value string
	at    hcl.Range
}

// items reads a list of strings that aren't empty.
func (r *reader) items(a *hcl.Attribute) []item {
	if a == nil {
		return nil
	}
	exprs, diags := hcl.ExprList(a.Expr)
	if diags.HasErrors() {
		if v, more := a.Expr.Value(nil); !more.HasErrors() && v.IsNull() {
			return nil
		}
		r.errorf(a.Expr.Range(), "Unsuitable value", `A list of strings, such as ["a", "b"], is required here.`)
		return nil
	}
	out := make([]item, 0, len(exprs))
	for _, e := range exprs {
		before := len(r.diags)
		s, ok := r.text(e)
		if s == "" {
			if len(r.diags) == before {
				r.errorf(e.Range(), "Invalid "+a.Name, "An element of the list must not be empty.")
			}
			continue
		}
		if ok {
			out = append(out, item{s, e.Range()})
		}
	}
	return out
}

// unique reads a list of strings, and each string once.
func (r *reader) unique(a *hcl.Attribute) []item {
	var out []item
	for _, it := range r.items(a) {
		if !slices.ContainsFunc(out, func(o item) bool { return o.value == it.value }) {
			out = append(out, it)
		}
	}
	return out
}

// values drops the ranges.
func values(items []item) []string {
	if len(items) == 0 {
		return nil
	}
	out := make([]string, len(items))
	for i, it := range items {
		out[i] = it.value
	}
	return out
}

// ranges drops the values.
func ranges(items []item) []hcl.Range {
	out := make([]hcl.Range, len(items))
	for i, it := range items {
		out[i] = it.at
	}
	return out
}

// pairs reads an object of strings.
func (r *reader) pairs(a *hcl.Attribute) []pair {
	if a == nil {
		return nil
	}
	kvs, diags := hcl.ExprMap(a.Expr)
	if diags.HasErrors() {
		if v, more := a.Expr.Value(nil); !more.HasErrors() && v.IsNull() {
			return nil
		}
		r.errorf(a.Expr.Range(), "Unsuitable value", `An object of strings, such as { "name" = "value" }, is required here.`)
		return nil
	}
	out := make([]pair, 0, len(kvs))
	for _, kv := range kvs {
		k, ok := r.text(kv.Key)
		if !ok || k == "" {
			r.errorf(kv.Key.Range(), "Invalid "+a.Name, "A name is required here.")
			continue
		}
		before := len(r.diags)
		v, ok := r.text(kv.Value)
		if !ok {
			if len(r.diags) == before {
				r.errorf(kv.Value.Range(), "Invalid "+a.Name, "A string is required here.")
			}
			continue
		}
		out = append(out, pair{k, v, kv.Key.Range(), kv.Value.Range()})
	}
	return out
}

// pair is one element of an object, and where it was written.
type pair struct {
	key, value     string
	keyAt, valueAt hcl.Range
}

// sentence begins an error's text with a capital letter and ends it with a full
// stop, as diagnostics have it.
func sentence(err error) string {
	s := err.Error()
	if s == "" {
		return s
	}
	if c := s[0]; 'a' <= c && c <= 'z' {
		s = string(c-'a'+'A') + s[1:]
	}
	if last := s[len(s)-1]; last != '.' && last != '?' && last != '!' {
		s += "."
	}
	return s
}
