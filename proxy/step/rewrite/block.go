package rewrite

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/gohcl"

	"github.com/lictor/lictor/attr"
	"github.com/lictor/lictor/proxy/router"
	"github.com/lictor/lictor/proxy/template"
)

// Spec is a rewrite block: valid, with all defaults filled in.
type Spec struct {
	// Path replaces the path; nil leaves it.
	Path *template.Template
	// Prefix goes in front of the path; nil for none. Only one of the two is set.
	Prefix *template.Template
	// Set, Add and Remove change the query's parameters: Remove and Set take those
	// of a name away, Set and Add put new ones at the end.
	Set, Add []Parameter
	Remove   []string
}

// Parameter is a query parameter to be.
type Parameter struct {
	Name  string
	Value *template.Template
}

// Block is the rewrite block as it is written.
type Block struct {
	Path        *hcl.Attribute `hcl:"path,optional"`
	Prefix      *hcl.Attribute `hcl:"prefix,optional"`
	SetQuery    *hcl.Attribute `hcl:"set_query,optional"`
	AddQuery    *hcl.Attribute `hcl:"add_query,optional"`
	RemoveQuery *hcl.Attribute `hcl:"remove_query,optional"`
}

// reader reads a block of one route.
type reader struct {
	attr.Reader
	route *template.Route
}

// Decode turns the body of a rewrite block that begins at at into a Spec. With an
// error among the diagnostics the Spec is of no use.
func Decode(body hcl.Body, at hcl.Range, route *template.Route) (*Spec, hcl.Diagnostics) {
	var in Block
	r := reader{route: route}
	r.Diags = append(r.Diags, gohcl.DecodeBody(body, nil, &in)...)
	s := &Spec{
		Path: r.path(in.Path), Prefix: r.path(in.Prefix),
		Set: r.parameters(in.SetQuery), Add: r.parameters(in.AddQuery), Remove: attr.Values(r.Unique(in.RemoveQuery)),
	}
	switch {
	case s.Path != nil && s.Prefix != nil:
		r.Errorf(in.Prefix.Expr.Range(), "Invalid prefix", "A path that is replaced gets no prefix: write it into path.")
	case !r.Diags.HasErrors() && s.Path == nil && s.Prefix == nil && len(s.Set)+len(s.Add)+len(s.Remove) == 0:
		r.Errorf(at, "Empty rewrite block", "Nothing is to be changed: set path, prefix, set_query, add_query or remove_query.")
	}
	for _, p := range s.Set {
		if slices.Contains(s.Remove, p.Name) {
			r.Errorf(in.RemoveQuery.Expr.Range(), "Invalid remove_query", "%q is set as well, which takes away what there was.", p.Name)
		}
	}
	return s, r.Diags
}

// path reads a text that makes a path, or its beginning.
func (r *reader) path(a *hcl.Attribute) *template.Template {
	text := r.Text(a, "")
	r.NotEmpty(a, text)
	if text == "" {
		return nil
	}
	t, err := template.Parse(text, r.route)
	if err == nil {
		err = checkPath(t)
	}
	if err != nil {
		r.Errorf(a.Expr.Range(), "Invalid "+a.Name, "%s", attr.Sentence(err))
		return nil
	}
	return t
}

// checkPath reports what can't become a path whatever the variables are.
func checkPath(t *template.Template) error {
	text := t.String()
	if t.HasQuery() || strings.ContainsAny(text, "?#") {
		return errors.New("a path ends before the query, which has set_query, add_query and remove_query")
	}
	if !strings.HasPrefix(text, "/") && !strings.HasPrefix(text, "{path}") && !strings.HasPrefix(text, "{rest}") {
		return fmt.Errorf(`%q does not begin with "/", {path} or {rest}`, text)
	}
	filled := t.Filled("x")
	if !strings.HasPrefix(filled, "/") {
		filled = "/" + filled
	}
	if _, err := router.Normalize(nil, []byte(filled), router.PathOptions{}); err != nil {
		return fmt.Errorf("%q: %w", text, err)
	}
	if router.HasDots([]byte(filled)) {
		return fmt.Errorf("%q has a dot segment", text)
	}
	return nil
}

// parameters reads names of query parameters and what they are to be.
func (r *reader) parameters(a *hcl.Attribute) []Parameter {
	var out []Parameter
	for _, p := range r.Pairs(a) {
		t, err := template.Parse(p.Value, r.route)
		switch {
		case err == nil && t.HasQuery():
			err = errors.New("a query can't be a parameter of itself")
		case slices.ContainsFunc(out, func(o Parameter) bool { return o.Name == p.Key }):
			r.Errorf(p.KeyAt, "Invalid "+a.Name, "%q is in this object already.", p.Key)
			continue
		}
		if err != nil {
			r.Errorf(p.ValueAt, "Invalid "+a.Name, "%s", attr.Sentence(err))
			continue
		}
		out = append(out, Parameter{p.Key, t})
	}
	return out
}

// Redacted returns the block as JSON values in the policy's names. The values of
// parameters may be secrets, so only those that a request makes are shown.
func (s *Spec) Redacted() map[string]any {
	text := func(t *template.Template) string {
		if t == nil {
			return ""
		}
		return t.String()
	}
	object := func(list []Parameter) map[string]any {
		out := map[string]any{}
		for _, p := range list {
			out[p.Name] = p.Value.String()
			if _, constant := p.Value.Constant(); constant {
				out[p.Name] = "(redacted)"
			}
		}
		return out
	}
	return map[string]any{
		"path": text(s.Path), "prefix": text(s.Prefix),
		"set_query": object(s.Set), "add_query": object(s.Add), "remove_query": append([]string{}, s.Remove...),
	}
}
