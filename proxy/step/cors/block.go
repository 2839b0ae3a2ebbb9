package cors

import (
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/gohcl"

	"github.com/lictor/lictor/attr"
	"github.com/lictor/lictor/proxy/template"
)

// Spec is a cors block: valid, with all defaults filled in.
type Spec struct {
	// Enabled is false for a route that is not to have what the defaults say.
	Enabled bool
	// Origins are those whose pages may use the route: "*", "null", an origin, or
	// one whose host begins with "*." for one label.
	Origins []string
	// Methods are those that a preflight allows; nil for the route's own.
	Methods []string
	// Headers are the request fields that it allows.
	Headers []string
	// Expose are the response fields that a page may read.
	Expose []string
	// Credentials says that a page may send cookies and the like.
	Credentials bool
	// MaxAge is for how long a browser may remember a preflight; 0 leaves it to it.
	MaxAge time.Duration
}

// Block is the cors block as it is written.
type Block struct {
	Enabled     *hcl.Attribute `hcl:"enabled,optional"`
	Origins     *hcl.Attribute `hcl:"allow_origins,optional"`
	Methods     *hcl.Attribute `hcl:"allow_methods,optional"`
	Headers     *hcl.Attribute `hcl:"allow_headers,optional"`
	Expose      *hcl.Attribute `hcl:"expose_headers,optional"`
	Credentials *hcl.Attribute `hcl:"allow_credentials,optional"`
	MaxAge      *hcl.Attribute `hcl:"max_age,optional"`
}

// mostAge bounds what browsers are told to remember. They have bounds of their own
// below it.
const mostAge = 24 * time.Hour

// reader reads a block.
type reader struct {
	attr.Reader
	credentials bool
}

// Decode turns the body of a cors block that begins at at into a Spec. With an error
// among the diagnostics the Spec is of no use.
func Decode(body hcl.Body, at hcl.Range) (*Spec, hcl.Diagnostics) {
	var in Block
	var r reader
	r.Diags = append(r.Diags, gohcl.DecodeBody(body, nil, &in)...)
	r.credentials = r.Bool(in.Credentials, false)
	s := &Spec{
		Enabled: r.Bool(in.Enabled, true), Credentials: r.credentials,
		Origins: r.list(in.Origins, origin),
		Methods: r.list(in.Methods, method),
		Headers: r.list(in.Headers, field),
		Expose:  r.list(in.Expose, field),
		MaxAge:  r.Duration(in.MaxAge, 0, 0, mostAge),
	}
	if s.Enabled && len(s.Origins) == 0 && (in.Origins == nil || !r.ErrorWithin(in.Origins.Range)) {
		r.Errorf(at, "Missing required argument", `The argument "allow_origins" is required, and names one origin at least; enabled = false turns off what the defaults say.`)
	}
	return s, r.Diags
}

// list reads words, each of which check makes the form that it is compared in; its
// second result says what is wrong.
func (r *reader) list(a *hcl.Attribute, check func(string) (string, string)) []string {
	var out []string
	for _, it := range r.Unique(a) {
		v, wrong := it.Value, ""
		if v == "*" {
			if r.credentials {
				wrong = `browsers take "*" for nothing, or for itself, when allow_credentials is true: name them`
			}
		} else {
			v, wrong = check(v)
		}
		if wrong != "" {
			r.Errorf(it.At, "Invalid "+a.Name, "%q: %s.", it.Value, wrong)
			continue
		}
		out = append(out, v)
	}
	return out
}

// method checks a method that pages may use (Fetch Standard, section 2.2.1).
func method(s string) (checked, wrong string) {
	switch {
	case !template.FieldName(s): // both are tokens
		return "", "that is no method"
	case slices.Contains([]string{"CONNECT", "TRACE", "TRACK"}, strings.ToUpper(s)):
		return "", "no page can use this method"
	case s != strings.ToUpper(s) && slices.Contains([]string{"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"}, strings.ToUpper(s)):
		return "", "methods have a case, and this one is written " + strings.ToUpper(s)
	}
	return s, ""
}

func field(s string) (checked, wrong string) {
	if !template.FieldName(s) {
		return "", "that can't be the name of a field"
	}
	return s, ""
}

// Redacted returns the block as JSON values in the policy's names.
func (s *Spec) Redacted() map[string]any {
	list := func(l []string) []string { return append([]string{}, l...) }
	return map[string]any{
		"enabled": s.Enabled, "allow_origins": list(s.Origins), "allow_methods": list(s.Methods), "allow_headers": list(s.Headers),
		"expose_headers": list(s.Expose), "allow_credentials": s.Credentials, "max_age": s.MaxAge.String(),
	}
}
