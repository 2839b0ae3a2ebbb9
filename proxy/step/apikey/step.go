package apikey

import (
	"crypto/sha256"
	"crypto/subtle"
	"strings"

	"github.com/lictor/lictor/proxy"
)

// Step asks for a key. It implements proxy.Step, and allocates nothing for a key in
// a field.
type Step struct {
	spec   *Spec
	place  place
	strip  proxy.Alike
	source string
}

// New returns the step for a Spec that was decoded without an error.
func New(s *Spec) *Step {
	return &Step{
		spec: s, place: place{field: proxy.NewAlike(s.Header), header: strings.ToLower(s.Header), query: s.Query},
		strip: proxy.NewAlike(s.NameHeader), source: "api_key:" + s.KeysFile,
	}
}

// challenge goes with every 401 (RFC 9110 section 15.5.2). No scheme of that name
// is registered; there is none for keys.
const challenge = `ApiKey realm="lictor"`

// Request implements proxy.Step.
func (s *Step) Request(x *proxy.Exchange) bool {
	r, e := s.judge(x)
	x.Count(r)
	return s.act(x, r, e)
}

// judge takes the key out of the request and looks it up.
func (s *Step) judge(x *proxy.Exchange) (proxy.StepResult, *entry) {
	x.Request.Fields.DelAlike(s.strip)
	key, several := s.place.take(&x.Request)
	switch {
	case several || len(key) > maxKey:
		return proxy.KeyInvalid, nil
	case len(key) == 0:
		return proxy.KeyMissing, nil
	}
	sum := sha256.Sum256(key)
	e := s.spec.keys[sum]
	switch {
	case e == nil || subtle.ConstantTimeCompare(e.sum[:], sum[:]) != 1:
		return proxy.KeyInvalid, nil
	case e.until != 0 && x.Start.Wall >= e.until:
		return proxy.KeyExpired, nil
	}
	return proxy.KeyAccepted, e
}

// act lets the request go on as that of the key's bearer, or answers it.
func (s *Step) act(x *proxy.Exchange, r proxy.StepResult, e *entry) bool {
	why, detail := proxy.CredentialsInvalid, ""
	switch r {
	case proxy.KeyAccepted:
		x.User = proxy.User{Source: s.source, Name: e.name}
		if s.spec.NameHeader != "" {
			x.Request.Fields.AddName(s.spec.NameHeader, e.name)
		}
		return true
	case proxy.KeyMissing:
		why = proxy.CredentialsMissing
	case proxy.KeyExpired:
		detail = "the key has expired"
	}
	x.ResetResponse()
	x.Response.Fields.AddString(proxy.WWWAuthenticate, challenge)
	x.AnswerWith(why, detail, nil)
	return false
}

// Explain implements proxy.Explainer.
func (s *Step) Explain(x *proxy.Exchange, v *proxy.Explanation) bool {
	v.Step = "api_key"
	v.Say("keys", len(s.spec.keys))
	r, e := s.judge(x)
	switch r {
	case proxy.KeyMissing:
		v.Why = "there is no key"
	case proxy.KeyInvalid:
		v.Why = "there is no such key, or more than one was sent"
	case proxy.KeyExpired:
		v.Why = "the key has expired"
	}
	return s.act(x, r, e)
}
