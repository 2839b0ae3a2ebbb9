package compress

import (
	"slices"
	"strings"

	"github.com/lictor/lictor/attr"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/gohcl"
)

// Defaults and bounds of a block.
const (
	DefaultMinLength     = 1 << 10
	DefaultMaxConcurrent = 256
	MostConcurrent       = 1 << 20
)

// Block is what a compression block holds.
type Block struct {
	Enabled       *hcl.Attribute `hcl:"enabled,optional"`
	Algorithms    *hcl.Attribute `hcl:"algorithms,optional"`
	Types         *hcl.Attribute `hcl:"types,optional"`
	MinLength     *hcl.Attribute `hcl:"min_length,optional"`
	Level         *hcl.Attribute `hcl:"level,optional"`
	MaxConcurrent *hcl.Attribute `hcl:"max_concurrent,optional"`
}

// Spec is a block that is valid, with all defaults filled in.
type Spec struct {
	// Enabled is false on a route that the defaults are not meant for.
	Enabled bool
	// Algorithms lists the codings, the first of which is taken where the client
	// has no preference.
	Algorithms []Coding
	// Types lists media types in lower case: "text/html", "text/*" or "*+json".
	Types []string
	// MinLength is how many bytes a body has at least that is compressed, where
	// that is known.
	MinLength int64
	Level     Level
	// MaxConcurrent bounds how many answers are compressed at once, and so the
	// memory for it. Further ones go as they are.
	MaxConcurrent int
}

// Decode reads the body of a route's compression block.
func Decode(body hcl.Body) (*Spec, hcl.Diagnostics) {
	var in Block
	diags := gohcl.DecodeBody(body, nil, &in)
	var r attr.Reader
	s := &Spec{
		Enabled:       r.Bool(in.Enabled, true),
		Algorithms:    algorithms(&r, in.Algorithms),
		Types:         mediaTypes(&r, in.Types),
		MinLength:     r.Size(in.MinLength, DefaultMinLength, 0, 0),
		Level:         Level(slices.Index(levelNames[:], r.Enum(in.Level, levelNames[Balanced], levelNames[:]...))), //nolint:gosec // one of the words
		MaxConcurrent: int(r.Int(in.MaxConcurrent, DefaultMaxConcurrent, 1, MostConcurrent)),
	}
	return s, append(diags, r.Diags...)
}

func algorithms(r *attr.Reader, a *hcl.Attribute) []Coding {
	if a == nil || attr.Null(a) {
		return []Coding{Zstd, Brotli, Gzip}
	}
	names := codingNames[Identity+1:]
	before := r.Errors()
	var out []Coding
	for _, it := range r.Unique(a) {
		i := slices.Index(names, it.Value)
		if i < 0 {
			r.Errorf(it.At, "Unknown algorithm", "%q is not one of %s.%s", it.Value, attr.Quoted(names), attr.DidYouMean(it.Value, names))
			continue
		}
		out = append(out, Identity+1+Coding(i)) //nolint:gosec // one of the few
	}
	if len(out) == 0 && r.Errors() == before {
		r.Errorf(a.Expr.Range(), "Empty algorithms", "Without an algorithm nothing is compressed: leave the block out for that.")
	}
	return out
}

func mediaTypes(r *attr.Reader, a *hcl.Attribute) []string {
	if a == nil || attr.Null(a) {
		return DefaultTypes()
	}
	before := r.Errors()
	var out []string
	for _, it := range r.Unique(a) {
		s := strings.ToLower(it.Value)
		if wrong := checkType(s); wrong != "" {
			r.Errorf(it.At, "Invalid types", "%q %s.", it.Value, wrong)
			continue
		}
		out = append(out, s)
	}
	if len(out) == 0 && r.Errors() == before {
		r.Errorf(a.Expr.Range(), "Empty types", "Without a type nothing is compressed: leave the block out for that.")
	}
	return out
}

// Redacted returns the block as JSON values in the policy's names.
func (s *Spec) Redacted() map[string]any {
	names := []string{}
	for _, c := range s.Algorithms {
		names = append(names, c.String())
	}
	return map[string]any{
		"enabled": s.Enabled, "algorithms": names, "types": s.Types, "min_length": s.MinLength, "level": s.Level.String(), "max_concurrent": s.MaxConcurrent,
	}
}
