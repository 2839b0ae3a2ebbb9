package headers

import (
	"github.com/lictor/lictor/proxy"
	"github.com/lictor/lictor/proxy/template"
)

// edits are what a block does to a field section.
type edits struct {
	drop []string // folded names
	add  []field
}

// field is a line that is added.
type field struct {
	name     string
	constant string // its value, unless text is there
	text     *template.Template
}

func newEdits(s *Spec) edits {
	var e edits
	for _, name := range s.Remove {
		e.drop = append(e.drop, proxy.FoldName(name))
	}
	for _, f := range s.Set {
		e.drop = append(e.drop, proxy.FoldName(f.Name))
	}
	for _, list := range [][]Field{s.Set, s.Add} {
		for _, f := range list {
			if c, ok := f.Value.Constant(); ok {
				e.add = append(e.add, field{name: f.Name, constant: c})
			} else {
				e.add = append(e.add, field{name: f.Name, text: f.Value})
			}
		}
	}
	return e
}

// do edits a section of x. All values are made before anything is changed: a field
// may be made of what it was.
func (e *edits) do(x *proxy.Exchange, f *proxy.Fields) {
	values, ends := x.Space(), make([]int, 0, 32)
	for i := range e.add {
		if t := e.add[i].text; t != nil {
			at := len(values)
			with, ok := t.AppendField(values, x)
			if values = with; !ok {
				values = with[:at]
			}
		}
		ends = append(ends, len(values))
	}
	f.DropNames(e.drop)
	at := 0
	for i, end := range ends {
		a := &e.add[i]
		switch {
		case a.text == nil:
			f.AddName(a.name, a.constant)
		case end > at:
			f.AddBytes(a.name, values[at:end])
		}
		at = end
	}
}

// Request changes the fields of requests. It implements proxy.Step.
type Request struct{ edits edits }

// NewRequest returns the step of a request_headers block.
func NewRequest(s *Spec) *Request { return &Request{newEdits(s)} }

// Request implements proxy.Step.
func (s *Request) Request(x *proxy.Exchange) bool {
	s.edits.do(x, &x.Request.Fields)
	return true
}

// Explain implements proxy.Explainer.
func (s *Request) Explain(x *proxy.Exchange, v *proxy.Explanation) bool {
	v.Step = "request_headers"
	return s.Request(x)
}

// Response changes the fields of what instances answer. It implements
// proxy.ResponseStep.
type Response struct{ edits edits }

// NewResponse returns the step of a response_headers block.
func NewResponse(s *Spec) *Response { return &Response{newEdits(s)} }

// Request implements proxy.Step: it lets all pass.
func (s *Response) Request(*proxy.Exchange) bool { return true }

// Response implements proxy.ResponseStep.
func (s *Response) Response(x *proxy.Exchange) { s.edits.do(x, &x.Response.Fields) }

// Explain implements proxy.Explainer.
func (s *Response) Explain(_ *proxy.Exchange, v *proxy.Explanation) bool {
	v.Step, v.Why = "response_headers", "it changes what the instance answers"
	return true
}
