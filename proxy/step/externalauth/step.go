package externalauth

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/lictor/lictor/breaker"
	"github.com/lictor/lictor/proxy"
)

// longestPause is the most time between two questions whether the service is back.
const longestPause = 2 * time.Second

// Step asks a service whether a request may pass. It implements proxy.Step.
type Step struct {
	spec    *Spec
	client  *http.Client
	log     hclog.Logger
	strip   []proxy.Alike
	marker  proxy.Alike
	asking  atomic.Int64
	breaker breaker.Breaker
	cache   cache
}

// New returns the step for a Spec that was decoded without an error. Its client is
// one of NewClient; log hears when the service is not there, and when it is again.
func New(s *Spec, client *http.Client, log hclog.Logger) *Step {
	st := &Step{spec: s, client: client, log: log, marker: proxy.NewAlike(marker)}
	st.breaker.LongestPause = longestPause
	for _, name := range s.HeadersToUpstream {
		st.strip = append(st.strip, proxy.NewAlike(name))
	}
	return st
}

var (
	errLoop = errors.New("asking about a question: the service is behind a route that asks")
	errBusy = errors.New("too many requests wait for the service, or it has failed lately")
)

// decision is what the service said.
type decision struct {
	result proxy.StepResult
	status int // of a refusal or redirect
	fields []line
	err    error // why it is unavailable
}

// Request implements proxy.Step.
func (s *Step) Request(x *proxy.Exchange) bool {
	q, why, err := s.prepare(x)
	if why != nil {
		x.Count(proxy.AuthUnavailable)
		x.Answer(why, "", err)
		return false
	}
	var key [32]byte
	if s.spec.Cache > 0 {
		key = q.digest()
		if fields, ok := s.cache.get(&key, x.Start.Mono); ok {
			x.Count(proxy.AuthRemembered)
			return s.pass(x, fields)
		}
	}
	d := s.ask(x, q, &key)
	if d.err != nil && x.W.Context().Err() != nil {
		x.Gone(context.Cause(x.W.Context()))
		return false
	}
	x.Count(d.result)
	return s.act(x, d)
}

// prepare makes the question, and strips from the request what the service alone
// says. A problem is the answer to a request that can't be asked about, whatever
// fail says: the client has it in its hands.
func (s *Step) prepare(x *proxy.Exchange) (question, *proxy.Problem, error) {
	f := &x.Request.Fields
	for i := range f.Len() {
		if f.Live(i) && s.marker.Is(f.Name(i)) {
			return nil, proxy.AuthNotAvailable, errLoop
		}
	}
	q, err := newQuestion(x, s.spec.HeadersToAuth)
	if err != nil {
		return nil, proxy.Malformed, err
	}
	for _, a := range s.strip {
		f.DelAlike(a)
	}
	return q, nil, nil
}

// ask asks the service.
func (s *Step) ask(x *proxy.Exchange, q question, key *[32]byte) decision {
	unavailable := func(err error) decision {
		r := proxy.AuthUnavailable
		if s.spec.FailOpen && !errors.Is(err, errOwn) {
			r = proxy.AuthPassedUnasked
		}
		return decision{result: r, err: err}
	}
	defer s.asking.Add(-1)
	if s.asking.Add(1) > MaxAsking {
		return unavailable(errBusy)
	}
	pass, allowed := s.breaker.Allow(x.Start.Mono)
	if !allowed {
		return unavailable(errBusy)
	}
	wait := s.spec.Timeout
	if left, bounded := x.Remaining(); bounded {
		wait = min(wait, left)
	}
	ctx, cancel := context.WithTimeout(x.W.Context(), wait)
	defer cancel()
	r, err := q.request(ctx, s.spec.URL, x.RequestID())
	if err != nil {
		s.breaker.Forget(pass)
		return unavailable(err)
	}
	answer, err := s.client.Do(r)
	if err != nil && x.W.Context().Err() != nil {
		s.breaker.Forget(pass)
		return unavailable(err)
	}
	failed := err != nil || answer.StatusCode >= http.StatusInternalServerError
	if s.breaker.Done(x.Start.Mono+x.Elapsed(), pass, failed) {
		s.turned(failed, err)
	}
	if err != nil {
		return unavailable(err)
	}
	defer answer.Body.Close()
	const drained = 4 << 10 // to keep the connection; more is not worth it
	_, _ = io.CopyN(io.Discard, answer.Body, drained)
	return s.judge(x, answer, key, unavailable)
}

// judge tells what an answer means.
func (s *Step) judge(x *proxy.Exchange, answer *http.Response, key *[32]byte, unavailable func(error) decision) decision {
	status := answer.StatusCode
	refusal := decision{status: status, fields: picked(answer.Header, s.spec.HeadersToClient)}
	switch {
	case status >= 200 && status < 300:
		fields := picked(answer.Header, s.spec.HeadersToUpstream)
		if s.spec.Cache > 0 && storable(answer.Header) {
			s.cache.put(key, fields, x.Start.Mono+s.spec.Cache)
		}
		return decision{result: proxy.AuthAllowed, fields: fields}
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		refusal.result = proxy.AuthDenied
		return refusal
	case (status == http.StatusFound || status == http.StatusSeeOther || status == http.StatusTemporaryRedirect) && answer.Header.Get("Location") != "":
		refusal.result = proxy.AuthRedirected
		return refusal
	case status >= http.StatusInternalServerError:
		return unavailable(fmt.Errorf("the service answered %d", status))
	}
	return decision{result: proxy.AuthUnavailable, err: fmt.Errorf("the service answered %d, which says neither yes nor no", status)}
}

func (s *Step) turned(failed bool, err error) {
	shown := s.spec.Redacted()["url"]
	if failed {
		s.log.Warn("external auth is not there", "url", shown, "fail_open", s.spec.FailOpen, "error", err)
	} else {
		s.log.Info("external auth is there again", "url", shown)
	}
}

// act does what was decided.
func (s *Step) act(x *proxy.Exchange, d decision) bool {
	switch d.result {
	case proxy.AuthAllowed:
		return s.pass(x, d.fields)
	case proxy.AuthPassedUnasked:
		return true
	case proxy.AuthDenied, proxy.AuthRedirected:
		x.ResetResponse()
		for _, l := range d.fields {
			x.Response.Fields.AddName(l.name, l.value)
		}
		switch {
		case d.result == proxy.AuthRedirected:
			x.Reply(d.status)
		case d.status == http.StatusUnauthorized:
			x.AnswerWith(proxy.AuthRequired, "", nil)
		default:
			x.AnswerWith(proxy.AuthRefused, "", nil)
		}
		return false
	}
	x.Answer(proxy.AuthNotAvailable, "", d.err)
	return false
}

// pass lets the request go on with what the service says of it.
func (s *Step) pass(x *proxy.Exchange, fields []line) bool {
	for _, l := range fields {
		x.Request.Fields.AddName(l.name, l.value)
	}
	return true
}

// Explain implements proxy.Explainer. The service is not asked.
func (s *Step) Explain(x *proxy.Exchange, v *proxy.Explanation) bool {
	v.Step = "external_auth"
	v.Say("url", s.spec.Redacted()["url"])
	q, why, err := s.prepare(x)
	if why != nil {
		v.Why = err.Error()
		x.Answer(why, "", err)
		return false
	}
	if s.spec.Cache > 0 {
		key := q.digest()
		if fields, ok := s.cache.get(&key, x.Start.Mono); ok {
			v.Why = "the service has said so lately"
			return s.pass(x, fields)
		}
	}
	v.Verdict, v.Why = proxy.NotKnown, "the service would have to be asked"
	return true
}
