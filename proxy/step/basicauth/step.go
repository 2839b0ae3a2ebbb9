package basicauth

import (
	"context"
	"errors"
	"time"

	"github.com/lictor/lictor/proxy"
)

// Step asks for a user and a password. It implements proxy.Step; who was verified
// before costs no allocation.
type Step struct {
	spec      *Spec
	verifier  *Verifier
	source    string
	challenge string
	strip     proxy.Alike
}

// New returns the step for a Spec that was decoded without an error.
func New(s *Spec, v *Verifier) *Step {
	return &Step{
		spec: s, verifier: v, source: "basic_auth:" + s.UsersFile,
		challenge: `Basic realm="` + s.Realm + `", charset="UTF-8"`,
		strip:     proxy.NewAlike(s.Header),
	}
}

// patience bounds how long a request waits for its turn to be verified.
const patience = 5 * time.Second

// Request implements proxy.Step.
func (s *Step) Request(x *proxy.Exchange) bool {
	x.Request.Fields.DelAlike(s.strip)
	var c credentials
	switch c.read(&x.Request.Fields) {
	case absent:
		x.Count(proxy.UserMissing)
		return s.refuse(x, proxy.CredentialsMissing)
	case malformed:
		x.Count(proxy.UserInvalid)
		return s.refuse(x, proxy.CredentialsInvalid)
	}
	if u := s.verifier.remembered(s.spec.users, &c); u != nil {
		x.Count(proxy.UserRemembered)
		return s.accept(x, u)
	}
	return s.verify(x)
}

// verify hashes the password, which takes a while. It reads the credentials again,
// so that those that need no hashing never leave the stack.
func (s *Step) verify(x *proxy.Exchange) bool {
	c := new(credentials)
	c.read(&x.Request.Fields)
	wait := patience
	if left, bounded := x.Remaining(); bounded {
		wait = min(wait, left)
	}
	ctx, cancel := context.WithTimeout(x.W.Context(), wait)
	defer cancel()
	u, err := s.verifier.verify(ctx, x.Client, s.spec.users, c)
	switch {
	case err != nil && x.W.Context().Err() != nil:
		x.Gone(context.Cause(x.W.Context()))
		return false
	case err != nil:
		if errors.Is(err, context.DeadlineExceeded) {
			err = errFull
		}
		x.Count(proxy.UserOverload)
		x.Answer(proxy.Overloaded, "", err)
		return false
	case u == nil:
		x.Count(proxy.UserInvalid)
		return s.refuse(x, proxy.CredentialsInvalid)
	}
	x.Count(proxy.UserVerified)
	return s.accept(x, u)
}

// accept lets the request go on as the user's.
func (s *Step) accept(x *proxy.Exchange, u *user) bool {
	x.User = proxy.User{Source: s.source, Name: u.name}
	if !s.spec.Forward {
		x.Request.Fields.Del(proxy.Authorization)
	}
	if s.spec.Header != "" {
		x.Request.Fields.AddName(s.spec.Header, u.name)
	}
	return true
}

// refuse asks for a password (RFC 7617 section 2).
func (s *Step) refuse(x *proxy.Exchange, why *proxy.Problem) bool {
	x.ResetResponse()
	x.Response.Fields.AddString(proxy.WWWAuthenticate, s.challenge)
	x.AnswerWith(why, "", nil)
	return false
}

// Explain implements proxy.Explainer. A password that was not right before is not
// tried.
func (s *Step) Explain(x *proxy.Exchange, v *proxy.Explanation) bool {
	v.Step = "basic_auth"
	v.Say("realm", s.spec.Realm)
	v.Say("users", len(s.spec.users.order))
	x.Request.Fields.DelAlike(s.strip)
	var c credentials
	switch c.read(&x.Request.Fields) {
	case absent:
		v.Why = "there is no user and password"
		return s.refuse(x, proxy.CredentialsMissing)
	case malformed:
		v.Why = "the credentials can't be read"
		return s.refuse(x, proxy.CredentialsInvalid)
	}
	if u := s.verifier.remembered(s.spec.users, &c); u != nil {
		return s.accept(x, u)
	}
	v.Verdict, v.Why = proxy.NotKnown, "the password would have to be verified"
	return true
}
