package securityheaders

import "github.com/lictor/lictor/proxy"

// names are the fields of the block's arguments, in the order in which they are
// written.
var names = []struct{ argument, field string }{
	{"content_type_options", "X-Content-Type-Options"},
	{"referrer_policy", "Referrer-Policy"},
	{"frame_options", "X-Frame-Options"},
	{"content_security_policy", "Content-Security-Policy"},
	{"permissions_policy", "Permissions-Policy"},
	{"cross_origin_opener_policy", "Cross-Origin-Opener-Policy"},
	{"cross_origin_resource_policy", "Cross-Origin-Resource-Policy"},
	{"hsts", "Strict-Transport-Security"},
}

// field is one that is written.
type field struct {
	name, value string
	secure      bool // by TLS alone (RFC 6797 section 7.2)
}

// Step writes the fields. It implements proxy.ResponseStep and proxy.AnswerStep.
type Step struct {
	fields   []field
	override bool
}

// New returns the step of a block.
func New(s *Spec) *Step {
	out := &Step{override: s.Override}
	for _, n := range names {
		if v := s.Fields[n.argument]; v != off {
			out.fields = append(out.fields, field{n.field, v, n.argument == "hsts"})
		}
	}
	return out
}

// Request implements proxy.Step: it lets all pass.
func (s *Step) Request(*proxy.Exchange) bool { return true }

// Explain implements proxy.Explainer.
func (s *Step) Explain(_ *proxy.Exchange, v *proxy.Explanation) bool {
	v.Step, v.Why = "security_headers", "it writes fields of the answer"
	return true
}

// Response implements proxy.ResponseStep.
func (s *Step) Response(x *proxy.Exchange) { s.write(x) }

// Answer implements proxy.AnswerStep.
func (s *Step) Answer(x *proxy.Exchange) { s.write(x) }

func (s *Step) write(x *proxy.Exchange) {
	f := &x.Response.Fields
	secure := x.Scheme() == "https"
	for i := range s.fields {
		w := &s.fields[i]
		if s.override {
			f.DelName(w.name)
		} else if _, said := f.Lookup(w.name); said {
			continue
		}
		if secure || !w.secure {
			f.AddName(w.name, w.value)
		}
	}
}
