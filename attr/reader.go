package attr

import (
	"fmt"
	"math/big"
	"slices"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
)

// Reader reads attributes. The zero value is ready for use.
type Reader struct {
	// Diags is what has been found so far.
	Diags hcl.Diagnostics
}

// Errorf adds an error about a range.
func (r *Reader) Errorf(at hcl.Range, summary, format string, args ...any) {
	r.Diags = append(r.Diags, Fault(at, summary, format, args...))
}

// Warnf adds a warning about a range.
func (r *Reader) Warnf(at hcl.Range, summary, format string, args ...any) {
	d := Fault(at, summary, format, args...)
	d.Severity = hcl.DiagWarning
	r.Diags = append(r.Diags, d)
}

// Fault returns an error about a range.
func Fault(at hcl.Range, summary, format string, args ...any) *hcl.Diagnostic {
	return &hcl.Diagnostic{Severity: hcl.DiagError, Summary: summary, Detail: fmt.Sprintf(format, args...), Subject: &at}
}

// Errors counts the errors so far.
func (r *Reader) Errors() int {
	n := 0
	for _, d := range r.Diags {
		if d.Severity == hcl.DiagError {
			n++
		}
	}
	return n
}

// ErrorWithin reports whether something inside the range is wrong already.
func (r *Reader) ErrorWithin(at hcl.Range) bool {
	return slices.ContainsFunc(r.Diags, func(d *hcl.Diagnostic) bool { return d.Subject != nil && d.Subject.Overlaps(at) })
}

// Null reports whether an attribute is written down as null, which is as good as
// absent.
func Null(a *hcl.Attribute) bool {
	v, diags := a.Expr.Value(nil)
	return !diags.HasErrors() && v.IsNull()
}

// Value evaluates an expression as the type; ok is false when it is null or
// wrong. what says in a message what the type is, such as "A string".
func (r *Reader) Value(e hcl.Expression, t cty.Type, what string) (v cty.Value, ok bool) {
	v, diags := e.Value(nil)
	if diags.HasErrors() {
		r.Diags = append(r.Diags, diags...)
		return v, false
	}
	if v.IsNull() {
		return v, false
	}
	v, err := convert.Convert(v, t)
	if err != nil || !v.IsWhollyKnown() || v.IsNull() {
		r.Errorf(e.Range(), "Unsuitable value", "%s is required here.", what)
		return v, false
	}
	return v, true
}

// String evaluates an expression as a string.
func (r *Reader) String(e hcl.Expression) (string, bool) {
	v, ok := r.Value(e, cty.String, "A string")
	if !ok {
		return "", false
	}
	return v.AsString(), true
}

// Text reads a string.
func (r *Reader) Text(a *hcl.Attribute, def string) string {
	if a != nil {
		if s, ok := r.String(a.Expr); ok {
			return s
		}
	}
	return def
}

// NotEmpty refuses an attribute that is written down and says nothing; s is what
// it was read as.
func (r *Reader) NotEmpty(a *hcl.Attribute, s string) {
	if a != nil && s == "" && !r.ErrorWithin(a.Range) && !Null(a) {
		r.Errorf(a.Expr.Range(), "Empty "+a.Name, "The argument %q must not be empty.", a.Name)
	}
}

// Required reads a string that has to be there, not null and not empty. block is
// where it is missed.
func (r *Reader) Required(a *hcl.Attribute, name string, block hcl.Range) string {
	if a == nil || Null(a) {
		r.Errorf(block, "Missing required argument", "The argument %q is required, but no definition was found.", name)
		return ""
	}
	s := r.Text(a, "")
	r.NotEmpty(a, s)
	return s
}

// Enum reads one of the words.
func (r *Reader) Enum(a *hcl.Attribute, def string, words ...string) string {
	if a == nil {
		return def
	}
	s, ok := r.String(a.Expr)
	if !ok {
		return def
	}
	if !slices.Contains(words, s) {
		r.Errorf(a.Expr.Range(), "Invalid "+a.Name, "%q is not one of %s.%s", s, Quoted(words), DidYouMean(s, words))
		return def
	}
	return s
}

// Bool reads true or false.
func (r *Reader) Bool(a *hcl.Attribute, def bool) bool {
	if a == nil {
		return def
	}
	v, ok := r.Value(a.Expr, cty.Bool, "Either true or false")
	if !ok {
		return def
	}
	return v.True()
}

// Int reads a whole number from least to most.
func (r *Reader) Int(a *hcl.Attribute, def, least, most int64) int64 {
	if a == nil {
		return def
	}
	v, ok := r.Value(a.Expr, cty.Number, "A whole number")
	if !ok {
		return def
	}
	f := v.AsBigFloat()
	n, accuracy := f.Int64()
	if accuracy != big.Exact || n < least || n > most {
		r.Errorf(a.Expr.Range(), "Invalid "+a.Name, "A whole number from %d to %d is required here.", least, most)
		return def
	}
	return n
}

// Duration reads a duration from least to most; most 0 means no bound.
func (r *Reader) Duration(a *hcl.Attribute, def, least, most time.Duration) time.Duration {
	if a == nil {
		return def
	}
	s, ok := r.String(a.Expr)
	if !ok {
		return def
	}
	d, err := ParseDuration(s)
	switch {
	case err != nil:
		r.Errorf(a.Expr.Range(), "Invalid duration", "%s", Sentence(err))
	case most > 0 && (d < least || d > most):
		r.Errorf(a.Expr.Range(), "Invalid "+a.Name, "A duration from %s to %s is required here.", least, most)
	case d < least:
		r.Errorf(a.Expr.Range(), "Invalid "+a.Name, "The duration must be at least %s.", least)
	default:
		return d
	}
	return def
}

// Size reads a size from least to most, in bytes; most 0 means no bound. An
// empty string is 0 where that is allowed.
func (r *Reader) Size(a *hcl.Attribute, def, least, most int64) int64 {
	if a == nil {
		return def
	}
	s, ok := r.String(a.Expr)
	if !ok {
		return def
	}
	if s == "" && least == 0 {
		return 0
	}
	n, err := ParseSize(s)
	switch {
	case err != nil:
		r.Errorf(a.Expr.Range(), "Invalid size", "%s", Sentence(err))
	case n < least:
		r.Errorf(a.Expr.Range(), "Invalid "+a.Name, "The size must be at least %d bytes.", least)
	case most > 0 && n > most:
		r.Errorf(a.Expr.Range(), "Invalid "+a.Name, "The size must be at most %d bytes.", most)
	default:
		return n
	}
	return def
}

// Number reads a number from least to most, or the default.
func (r *Reader) Number(a *hcl.Attribute, def, least, most float64) float64 {
	if a == nil {
		return def
	}
	v, ok := r.Value(a.Expr, cty.Number, "A number")
	if !ok {
		return def
	}
	n, _ := v.AsBigFloat().Float64()
	if n < least || n > most {
		r.Errorf(a.Expr.Range(), "Invalid "+a.Name, "A number from %v to %v is required here.", least, most)
		return def
	}
	return n
}
