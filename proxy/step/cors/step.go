package cors

import (
	"bytes"
	"strconv"
	"strings"
	"time"

	"github.com/lictor/lictor/proxy"
)

// Step writes the fields of the CORS protocol and answers preflights. It implements
// proxy.ResponseStep, proxy.AnswerStep and proxy.PreflightStep.
type Step struct {
	origins     origins
	credentials bool
	methods     string // of the fields; "" for none
	headers     string
	expose      string
	maxAge      string
}

// safe are the methods that need no preflight (Fetch Standard, section 2.2.1).
var safe = []string{"GET", "HEAD", "POST"}

// New returns the step of a block on a route with these methods, none for any.
func New(s *Spec, methods []string) *Step {
	switch {
	case s.Methods != nil:
		methods = s.Methods
	case len(methods) == 0:
		methods = safe
	}
	out := &Step{
		origins: newOrigins(s.Origins), credentials: s.Credentials,
		methods: strings.Join(methods, ", "), headers: strings.Join(s.Headers, ", "), expose: strings.Join(s.Expose, ", "),
	}
	if s.MaxAge > 0 {
		out.maxAge = strconv.FormatInt(int64(s.MaxAge/time.Second), 10)
	}
	return out
}

// AnswersPreflights implements proxy.PreflightStep.
func (s *Step) AnswersPreflights() {}

// Request implements proxy.Step: it answers preflights.
func (s *Step) Request(x *proxy.Exchange) bool {
	if x.Request.PreflightFor() == nil {
		return true
	}
	x.ResetResponse()
	f := &x.Response.Fields
	if s.origins.allow(x.Origin()) {
		add(f, "Access-Control-Allow-Methods", s.methods)
		add(f, "Access-Control-Allow-Headers", s.headers)
		add(f, "Access-Control-Max-Age", s.maxAge)
	}
	x.Reply(204) // Answer adds what every answer has
	return false
}

// Explain implements proxy.Explainer.
func (s *Step) Explain(x *proxy.Exchange, v *proxy.Explanation) bool {
	v.Say("origin_allowed", s.origins.allow(x.Origin()))
	return s.Request(x)
}

// Response implements proxy.ResponseStep: what the instance says of other origins is
// replaced.
func (s *Step) Response(x *proxy.Exchange) {
	f := &x.Response.Fields
	for i := range f.Len() {
		if f.ID(i) == proxy.Other && f.Live(i) && isCORS(f.Name(i)) {
			f.Drop(i)
		}
	}
	s.share(x, true)
}

// Answer implements proxy.AnswerStep.
func (s *Step) Answer(x *proxy.Exchange) { s.share(x, x.Request.PreflightFor() == nil) }

// share says which origin's pages may see a response, and what of it.
func (s *Step) share(x *proxy.Exchange, exposes bool) {
	f := &x.Response.Fields
	if !s.origins.any {
		varyByOrigin(f)
	}
	origin := x.Origin()
	if !s.origins.allow(origin) {
		return
	}
	if s.origins.any {
		f.AddName("Access-Control-Allow-Origin", "*")
	} else {
		f.AddBytes("Access-Control-Allow-Origin", origin)
	}
	if s.credentials {
		f.AddName("Access-Control-Allow-Credentials", "true")
	}
	if exposes {
		add(f, "Access-Control-Expose-Headers", s.expose)
	}
}

func add(f *proxy.Fields, name, value string) {
	if value != "" {
		f.AddName(name, value)
	}
}

var prefix = []byte("access-control-")

// isCORS reports whether a field is of the protocol.
func isCORS(name []byte) bool {
	return len(name) > len(prefix) && bytes.EqualFold(name[:len(prefix)], prefix)
}

// varyByOrigin tells caches that the response is another one for another origin, be
// there one this time or not (Fetch Standard, section 3.3.5).
func varyByOrigin(f *proxy.Fields) {
	for rest, _ := f.Lookup("vary"); len(rest) > 0; {
		var t []byte
		t, rest, _ = bytes.Cut(rest, []byte(","))
		if t = bytes.TrimSpace(t); string(t) == "*" || bytes.EqualFold(t, []byte("origin")) {
			return
		}
	}
	f.AddName("Vary", "Origin")
}
