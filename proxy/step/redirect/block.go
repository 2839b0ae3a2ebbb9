package redirect

import (
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/gohcl"

	"github.com/lictor/lictor/attr"
	"github.com/lictor/lictor/proxy/template"
)

// Spec is a redirect block: valid, with all defaults filled in.
type Spec struct {
	// To is where clients are sent.
	To *template.Template
	// Status is 301, 302, 303, 307 or 308.
	Status int
}

// statuses are the ones that send a client elsewhere by Location.
var statuses = []int64{301, 302, 303, 307, 308}

// defaultStatus keeps the method and the body, for good.
const defaultStatus = 308

// Block is the redirect block as it is written.
type Block struct {
	To     *hcl.Attribute `hcl:"to,optional"`
	Status *hcl.Attribute `hcl:"status,optional"`
}

// Decode turns the body of a redirect block that begins at at into a Spec. hosts are
// the route's. With an error among the diagnostics the Spec is of no use.
func Decode(body hcl.Body, at hcl.Range, hosts []string, route *template.Route) (*Spec, hcl.Diagnostics) {
	var in Block
	var r attr.Reader
	r.Diags = append(r.Diags, gohcl.DecodeBody(body, nil, &in)...)
	s := &Spec{To: &template.Template{}, Status: int(r.Int(in.Status, defaultStatus, 300, 399))}
	if in.Status != nil && !r.ErrorWithin(in.Status.Range) && !slices.Contains(statuses, int64(s.Status)) {
		r.Errorf(in.Status.Expr.Range(), "Invalid status", "%d is not one of 301, 302, 303, 307 and 308.", s.Status)
	}
	text := r.Required(in.To, "to", at)
	if text == "" {
		return s, r.Diags
	}
	to, err := template.Parse(text, route)
	if err == nil {
		err = checkTarget(to.String(), hosts)
	}
	if err != nil {
		r.Errorf(in.To.Expr.Range(), "Invalid to", "%s", attr.Sentence(err))
		return s, r.Diags
	}
	s.To = to
	return s, r.Diags
}

// Redacted returns the block as JSON values in the policy's names.
func (s *Spec) Redacted() map[string]any {
	to := s.To.String()
	if i := strings.IndexByte(to, '?'); i >= 0 {
		to = to[:i] + "?(redacted)" // parameters may hold secrets
	}
	return map[string]any{"to": to, "status": s.Status}
}
