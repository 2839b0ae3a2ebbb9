package rewrite

import (
	"bytes"

	"github.com/lictor/lictor/proxy"
	"github.com/lictor/lictor/proxy/router"
	"github.com/lictor/lictor/proxy/template"
)

// query is what is done to the query.
type query struct {
	drop []string // names, as they are when decoded
	add  []parameter
}

// newQuery returns nil when nothing is done.
func newQuery(s *Spec) *query {
	q := &query{drop: append([]string(nil), s.Remove...)}
	for _, p := range s.Set {
		q.drop = append(q.drop, p.Name)
	}
	for _, list := range [][]Parameter{s.Set, s.Add} {
		for _, p := range list {
			q.add = append(q.add, parameter{string(template.AppendEscaped(nil, p.Name)) + "=", p.Value})
		}
	}
	if len(q.drop)+len(q.add) == 0 {
		return nil
	}
	return q
}

// append appends the new query. changed is false when it is the old one. What stays
// of the old one stays byte for byte, in its order.
func (q *query) append(dst []byte, x *proxy.Exchange) (out []byte, changed bool) {
	for rest := x.Request.Query; len(rest) > 0; {
		var pair []byte
		pair, rest, _ = bytes.Cut(rest, []byte("&"))
		if q.drops(pair) {
			changed = true
			continue
		}
		if len(dst) > 0 {
			dst = append(dst, '&')
		}
		dst = append(dst, pair...)
	}
	for i := range q.add {
		if len(dst) > 0 {
			dst = append(dst, '&')
		}
		dst = append(dst, q.add[i].name...)
		dst = q.add[i].value.AppendParameter(dst, x)
		changed = true
	}
	return dst, changed
}

// drops reports whether a parameter goes away, by its name however that is spelt.
func (q *query) drops(pair []byte) bool {
	name, _, _ := bytes.Cut(pair, []byte("="))
	for _, d := range q.drop {
		if router.FormEqual(name, d) {
			return true
		}
	}
	return false
}
