package rewrite

import (
	"github.com/lictor/lictor/proxy"
	"github.com/lictor/lictor/proxy/template"
)

// Step changes the path and the query. It implements proxy.Step.
type Step struct {
	spec  *Spec
	query *query // nil leaves it
}

// New returns the step of a block.
func New(s *Spec) *Step { return &Step{s, newQuery(s)} }

// Request implements proxy.Step.
func (s *Step) Request(x *proxy.Exchange) bool {
	x.Strip()
	if !s.path(x) {
		return false
	}
	if s.query != nil {
		b, changed := s.query.append(x.Space(), x)
		if changed {
			x.SetQuery(b)
		}
	}
	return true
}

func (s *Step) path(x *proxy.Exchange) bool {
	t := s.spec.Path
	if t == nil {
		t = s.spec.Prefix
	}
	if t == nil {
		return true
	}
	if t.Lacks(x) {
		x.Answer(proxy.Malformed, "what the path is made of is not all there", nil)
		return false
	}
	b, ok := t.AppendURL(x.Space(), x)
	if !ok {
		x.Answer(proxy.Malformed, "the host is neither a name nor an address", nil)
		return false
	}
	if s.spec.Prefix != nil {
		for len(b) > 0 && b[len(b)-1] == '/' { // the path begins with one
			b = b[:len(b)-1]
		}
		b = append(b, x.Request.Path...)
	}
	if len(b) == 0 || b[0] != '/' { // {rest} may be nothing
		b = append(b, 0)
		copy(b[1:], b)
		b[0] = '/'
	}
	if err := x.SetPath(b); err != nil {
		x.Answer(proxy.Malformed, "rewritten, the "+err.Error(), err)
		return false
	}
	return true
}

// Explain implements proxy.Explainer.
func (s *Step) Explain(x *proxy.Exchange, v *proxy.Explanation) bool {
	ok := s.Request(x)
	if ok {
		v.Say("path", string(x.Request.Path))
		v.Say("query_changed", s.query != nil)
	} else {
		v.Why = "the path can't be made of this request"
	}
	return ok
}

// parameter is one that is added.
type parameter struct {
	name  string // escaped, with "=" behind it
	value *template.Template
}
