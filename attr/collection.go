package attr

import (
	"slices"

	"github.com/hashicorp/hcl/v2"
)

// Item is one element of a list, and where it was written.
type Item struct {
	Value string
	At    hcl.Range
}

// List reads a list of strings that aren't empty.
func (r *Reader) List(a *hcl.Attribute) []Item {
	if a == nil || Null(a) {
		return nil
	}
	exprs, diags := hcl.ExprList(a.Expr)
	if diags.HasErrors() {
		r.Errorf(a.Expr.Range(), "Unsuitable value", `A list of strings, such as ["a", "b"], is required here.`)
		return nil
	}
	out := make([]Item, 0, len(exprs))
	for _, e := range exprs {
		before := len(r.Diags)
		s, _ := r.String(e)
		switch {
		case s != "":
			out = append(out, Item{s, e.Range()})
		case len(r.Diags) == before:
			r.Errorf(e.Range(), "Invalid "+a.Name, "An element of the list must not be empty.")
		}
	}
	return out
}

// Unique reads a list of strings, and each string once.
func (r *Reader) Unique(a *hcl.Attribute) []Item {
	var out []Item
	for _, it := range r.List(a) {
		if !slices.ContainsFunc(out, func(o Item) bool { return o.Value == it.Value }) {
			out = append(out, it)
		}
	}
	return out
}

// Values drops the ranges. Of no items it returns nil.
func Values(items []Item) []string {
	if len(items) == 0 {
		return nil
	}
	out := make([]string, len(items))
	for i, it := range items {
		out[i] = it.Value
	}
	return out
}

// Ranges drops the values.
func Ranges(items []Item) []hcl.Range {
	out := make([]hcl.Range, len(items))
	for i, it := range items {
		out[i] = it.At
	}
	return out
}

// Member is one element of an object whose value is yet to be read, and where
// its name was written.
type Member struct {
	Key   string
	At    hcl.Range
	Value hcl.Expression
}

// Object reads the names of an object. A name may occur several times.
func (r *Reader) Object(a *hcl.Attribute) []Member { return r.members(a, "An object") }

func (r *Reader) members(a *hcl.Attribute, what string) []Member {
	if a == nil || Null(a) {
		return nil
	}
	kvs, diags := hcl.ExprMap(a.Expr)
	if diags.HasErrors() {
		r.Errorf(a.Expr.Range(), "Unsuitable value", `%s, such as { "name" = "value" }, is required here.`, what)
		return nil
	}
	out := make([]Member, 0, len(kvs))
	for _, kv := range kvs {
		before := len(r.Diags)
		key, _ := r.String(kv.Key)
		switch {
		case key != "":
			out = append(out, Member{key, kv.Key.Range(), kv.Value})
		case len(r.Diags) == before:
			r.Errorf(kv.Key.Range(), "Invalid "+a.Name, "A name is required here.")
		}
	}
	return out
}

// Pair is one element of an object of strings, and where it was written.
type Pair struct {
	Key, Value     string
	KeyAt, ValueAt hcl.Range
}

// Pairs reads an object of strings, which may be empty.
func (r *Reader) Pairs(a *hcl.Attribute) []Pair {
	members := r.members(a, "An object of strings")
	if members == nil {
		return nil
	}
	out := make([]Pair, 0, len(members))
	for _, m := range members {
		before := len(r.Diags)
		v, ok := r.String(m.Value)
		switch {
		case ok:
			out = append(out, Pair{m.Key, v, m.At, m.Value.Range()})
		case len(r.Diags) == before:
			r.Errorf(m.Value.Range(), "Invalid "+a.Name, "A string is required here.")
		}
	}
	return out
}
