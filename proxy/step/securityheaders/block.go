package securityheaders

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/gohcl"

	"github.com/lictor/lictor/attr"
	"github.com/lictor/lictor/proxy/hsts"
	"github.com/lictor/lictor/proxy/template"
)

// off is how a policy leaves a field out.
const off = "off"

// Spec is a security_headers block: valid, with all defaults filled in.
type Spec struct {
	// Enabled is false for a route that is not to have what the defaults say.
	Enabled bool
	// Override replaces what the instance says.
	Override bool
	// Fields are the values by the block's argument; "off" leaves one out.
	Fields map[string]string
}

// Block is the security_headers block as it is written.
type Block struct {
	Enabled            *hcl.Attribute `hcl:"enabled,optional"`
	Override           *hcl.Attribute `hcl:"override,optional"`
	ContentTypeOptions *hcl.Attribute `hcl:"content_type_options,optional"`
	ReferrerPolicy     *hcl.Attribute `hcl:"referrer_policy,optional"`
	FrameOptions       *hcl.Attribute `hcl:"frame_options,optional"`
	ContentSecurity    *hcl.Attribute `hcl:"content_security_policy,optional"`
	HSTS               *hcl.Attribute `hcl:"hsts,optional"`
	Permissions        *hcl.Attribute `hcl:"permissions_policy,optional"`
	OpenerPolicy       *hcl.Attribute `hcl:"cross_origin_opener_policy,optional"`
	ResourcePolicy     *hcl.Attribute `hcl:"cross_origin_resource_policy,optional"`
}

// defaultHSTS is a year.
const defaultHSTS = "max-age=31536000"

// ancestors are what Content-Security-Policy says where X-Frame-Options says this.
var ancestors = map[string]string{
	"DENY": "frame-ancestors 'none'", "SAMEORIGIN": "frame-ancestors 'self'", off: off,
}

// Decode turns the body of a security_headers block into a Spec. With an error among
// the diagnostics the Spec is of no use.
func Decode(body hcl.Body) (*Spec, hcl.Diagnostics) {
	var in Block
	var r reader
	r.Diags = append(r.Diags, gohcl.DecodeBody(body, nil, &in)...)
	frames := r.Enum(in.FrameOptions, "DENY", "DENY", "SAMEORIGIN", off)
	s := &Spec{Enabled: r.Bool(in.Enabled, true), Override: r.Bool(in.Override, false), Fields: map[string]string{
		"content_type_options": r.Enum(in.ContentTypeOptions, "nosniff", "nosniff", off),
		"referrer_policy": r.Enum(in.ReferrerPolicy, "strict-origin-when-cross-origin", "strict-origin-when-cross-origin", "no-referrer",
			"same-origin", "strict-origin", "origin", "origin-when-cross-origin", "no-referrer-when-downgrade", "unsafe-url", off),
		"frame_options":                frames,
		"content_security_policy":      r.value(in.ContentSecurity, ancestors[frames]),
		"hsts":                         r.value(in.HSTS, defaultHSTS),
		"permissions_policy":           r.value(in.Permissions, off),
		"cross_origin_opener_policy":   r.Enum(in.OpenerPolicy, off, "same-origin", "same-origin-allow-popups", "noopener-allow-popups", "unsafe-none", off),
		"cross_origin_resource_policy": r.Enum(in.ResourcePolicy, off, "same-origin", "same-site", "cross-origin", off),
	}}
	if v := s.Fields["hsts"]; v != off && !r.Diags.HasErrors() {
		if err := hsts.Check(v); err != nil {
			r.Errorf(in.HSTS.Expr.Range(), "Invalid hsts", "%s", attr.Sentence(err))
		}
	}
	return s, r.Diags
}

// reader reads a block.
type reader struct{ attr.Reader }

// value reads the value of a field.
func (r *reader) value(a *hcl.Attribute, def string) string {
	s := r.Text(a, def)
	if s != def && !template.FieldValue(s) {
		r.Errorf(a.Expr.Range(), "Invalid "+a.Name, `%q can't be the value of a field; "off" leaves it out.`, s)
	}
	return s
}

// Redacted returns the block as JSON values in the policy's names.
func (s *Spec) Redacted() map[string]any {
	out := map[string]any{"enabled": s.Enabled, "override": s.Override}
	for name, v := range s.Fields {
		out[name] = v
	}
	return out
}
