package headers

import (
	"regexp"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/gohcl"

	"github.com/lictor/lictor/attr"
	"github.com/lictor/lictor/proxy"
	"github.com/lictor/lictor/proxy/template"
)

// Spec is a request_headers or a response_headers block: valid.
type Spec struct {
	Set, Add []Field
	Remove   []string
}

// Field is a field to be.
type Field struct {
	Name  string // as it is written
	Value *template.Template
}

// Block is a request_headers or a response_headers block as it is written.
type Block struct {
	Set    *hcl.Attribute `hcl:"set,optional"`
	Add    *hcl.Attribute `hcl:"add,optional"`
	Remove *hcl.Attribute `hcl:"remove,optional"`
}

// DecodeRequest turns the body of a request_headers block that begins at at into a
// Spec. With an error among the diagnostics the Spec is of no use.
func DecodeRequest(body hcl.Body, at hcl.Range, route *template.Route) (*Spec, hcl.Diagnostics) {
	return decode(body, at, route, proxy.OwnsRequestField)
}

// DecodeResponse is DecodeRequest for a response_headers block.
func DecodeResponse(body hcl.Body, at hcl.Range, route *template.Route) (*Spec, hcl.Diagnostics) {
	return decode(body, at, route, proxy.OwnsResponseField)
}

// reader reads one block.
type reader struct {
	attr.Reader
	route *template.Route
	owned func(name string) bool
	set   map[string]bool // names that the block sets, folded
}

func decode(body hcl.Body, at hcl.Range, route *template.Route, owned func(string) bool) (*Spec, hcl.Diagnostics) {
	var in Block
	r := reader{route: route, owned: owned, set: map[string]bool{}}
	r.Diags = append(r.Diags, gohcl.DecodeBody(body, nil, &in)...)
	s := &Spec{}
	for _, f := range r.fields(in.Set, &s.Set) {
		if r.set[proxy.FoldName(f.Key)] {
			r.Errorf(f.KeyAt, "Invalid set", "The field %s is set already.", f.Key)
		}
		r.set[proxy.FoldName(f.Key)] = true
	}
	r.fields(in.Add, &s.Add)
	for _, it := range r.Unique(in.Remove) {
		switch {
		case !r.name("remove", it.Value, it.At):
		case r.set[proxy.FoldName(it.Value)]:
			r.Errorf(it.At, "Invalid remove", "The field %s is set as well, which takes away what there was.", it.Value)
		default:
			s.Remove = append(s.Remove, it.Value)
		}
	}
	if !r.Diags.HasErrors() && len(s.Set)+len(s.Add)+len(s.Remove) == 0 {
		r.Errorf(at, "Empty block", "Nothing is to be changed: set, add or remove is required here.")
	}
	return s, r.Diags
}

// fields reads names of fields and what they are to be, and returns what was written.
func (r *reader) fields(a *hcl.Attribute, into *[]Field) []attr.Pair {
	pairs := r.Pairs(a)
	for _, p := range pairs {
		if !r.name(a.Name, p.Key, p.KeyAt) {
			continue
		}
		t, err := template.Parse(p.Value, r.route)
		if err != nil {
			r.Errorf(p.ValueAt, "Invalid "+a.Name, "%s", attr.Sentence(err))
			continue
		}
		if !template.FieldValue(t.Filled("x")) {
			r.Errorf(p.ValueAt, "Invalid "+a.Name, "%q can't be the value of a field: it must not be empty, have white space at its ends or hold control characters.", p.Value)
			continue
		}
		*into = append(*into, Field{p.Key, t})
	}
	return pairs
}

// name reports whether a field is the policy's to change.
func (r *reader) name(attribute, name string, at hcl.Range) bool {
	switch {
	case !template.FieldName(name):
		r.Errorf(at, "Invalid "+attribute, "%q can't be the name of a field.", name)
	case r.owned(name):
		r.Errorf(at, "Invalid "+attribute, "The field %s is the gateway's own to write: it belongs to the connection, frames the message, or tells who asks.", name)
	default:
		return true
	}
	return false
}

// secretive matches the names whose values are likely secrets.
var secretive = regexp.MustCompile(`(?i)auth|cookie|token|secret|key|pass|credential|session|signature`)

// Redacted returns the block as JSON values in the policy's names.
func (s *Spec) Redacted() map[string]any {
	object := func(list []Field) map[string]any {
		out := map[string]any{}
		for _, f := range list {
			out[f.Name] = f.Value.String()
			if secretive.MatchString(f.Name) {
				out[f.Name] = "(redacted)"
			}
		}
		return out
	}
	return map[string]any{"set": object(s.Set), "add": object(s.Add), "remove": append([]string{}, s.Remove...)}
}
