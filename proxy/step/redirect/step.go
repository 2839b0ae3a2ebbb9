package redirect

import (
	"bytes"
	"strings"

	"github.com/lictor/lictor/proxy"
)

// Step answers every request with a redirect. It implements proxy.Step.
type Step struct {
	spec     *Spec
	relative bool
	passes   bool
}

// New returns the step of a block. passes says that the route has a service: then a
// request that is already where the redirect leads goes on to it.
func New(s *Spec, passes bool) *Step {
	return &Step{spec: s, relative: !strings.Contains(s.To.String(), "://"), passes: passes}
}

// Request implements proxy.Step.
func (s *Step) Request(x *proxy.Exchange) bool {
	to, ok := s.spec.To.AppendURL(x.Space(), x)
	if !ok {
		x.Answer(proxy.Malformed, "the host is neither a name nor an address", nil)
		return false
	}
	if s.relative {
		to = oneSlash(to)
	}
	if s.there(x, to) {
		if s.passes {
			return true
		}
		x.Answer(proxy.NoRoute, "the redirect of this route leads to itself", nil)
		return false
	}
	x.ResetResponse()
	x.Response.Fields.Add(proxy.Location, to)
	x.Reply(s.spec.Status)
	return false
}

// Explain implements proxy.Explainer.
func (s *Step) Explain(x *proxy.Exchange, v *proxy.Explanation) bool {
	v.Say("to", s.spec.Redacted()["to"])
	v.Say("status", s.spec.Status)
	passes := s.Request(x)
	switch {
	case passes:
		v.Why = "the request is already where the redirect leads"
	case x.Problem == proxy.NoRoute:
		v.Why = "the redirect leads to itself"
	case x.Problem != nil:
		v.Why = "the host is neither a name nor an address"
	}
	return passes
}

// oneSlash takes the slashes away that would make a path the name of another host
// (RFC 3986 section 4.2).
func oneSlash(to []byte) []byte {
	for len(to) > 1 && to[0] == '/' && to[1] == '/' {
		to = to[1:]
	}
	return to
}

// there reports whether a request is already where the redirect leads, so that its
// client would be sent round for ever.
func (s *Step) there(x *proxy.Exchange, to []byte) bool {
	if !s.relative {
		scheme, after, _ := bytes.Cut(to, []byte("://"))
		if string(scheme) != x.Scheme() {
			return false
		}
		end := bytes.IndexAny(after, "/?#")
		if end < 0 {
			end = len(after)
		}
		if !bytes.EqualFold(withoutPort(after[:end], x), withoutPort(x.Request.Host, x)) {
			return false
		}
		to = after[end:]
	}
	to, _, _ = bytes.Cut(to, []byte("#")) // never sent
	target, query, has := bytes.Cut(to, []byte("?"))
	if len(target) == 0 {
		target = []byte("/")
	}
	return bytes.Equal(target, x.Request.Path) && has == x.Request.HasQuery && bytes.Equal(query, x.Request.Query)
}

// withoutPort cuts off the port that the client's scheme implies.
func withoutPort(host []byte, x *proxy.Exchange) []byte {
	port := ":443"
	if x.Scheme() == "http" {
		port = ":80"
	}
	return bytes.TrimSuffix(host, []byte(port))
}
