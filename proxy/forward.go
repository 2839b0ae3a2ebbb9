package proxy

import (
	"errors"
	"net/netip"
	"time"

	"github.com/lictor/lictor/proxy/upstream"
)

// forward sends the request to an endpoint, and to another one where that is
// safe, and passes the answer on.
func (x *Exchange) forward() {
	if !x.prepare() {
		return
	}
	x.kept.wrap(x)
	for {
		now := x.p.clock.Now().Mono
		ep, why := x.Route.Pool.Acquire(&x.attempt, x.p.clock.Time(now))
		if ep == nil {
			x.answerNone(why)
			return
		}
		x.Endpoint, x.UpstreamStart = ep, now
		x.Retries = x.attempt.Tries() - 1
		x.lent = true
		x.beginAttempt(ep, now)
		err := x.p.forwarder.Forward(x, ep)
		x.lent = err == nil
		x.UpstreamEnd = x.p.clock.Now().Mono
		if err == nil {
			x.endAttempt(nil)
			x.answered(nil)
			x.kept.settled.Store(true)
			x.respond()
			x.attempt.Release()
			return
		}
		fe := asForwardError(err)
		x.endAttempt(fe)
		x.answered(fe)
		x.report(outcome(fe), x.UpstreamEnd)
		x.attempt.Release()
		x.Err = fe
		if !x.mayRetry(fe) {
			x.answerFailed(fe)
			return
		}
		x.kept.rewind(x)
	}
}

// prepare makes the request what an instance is to be sent. False means that no
// instance is.
func (x *Exchange) prepare() bool {
	if x.Route.Pool == nil {
		x.Answer(ServiceUnknown, "the route has no service", nil)
		return false
	}
	x.Strip()
	x.editRequest()
	if x.Route.affine {
		x.attempt.Key = affinity(x.Client)
	}
	return true
}

// affinity is the key by which the hash balancer keeps a client at an instance:
// FNV-1a over its address, the same on every gateway.
func affinity(a netip.Addr) uint64 {
	h := uint64(14695981039346656037)
	for _, b := range a.As16() {
		h = (h ^ uint64(b)) * 1099511628211
	}
	return h
}

// answerNone answers when no endpoint can be had. After a failed attempt the
// failure is the better answer.
func (x *Exchange) answerNone(why upstream.Reason) {
	if fe, ok := errors.AsType[*ForwardError](x.Err); ok {
		x.answerFailed(fe)
		return
	}
	switch why {
	case upstream.NotRegistered, upstream.Unknown:
		x.Answer(ServiceUnknown, "", nil)
	case upstream.AtCapacity:
		x.Answer(Overloaded, "every instance is at its limit", nil)
	default:
		x.Answer(NoHealthyInstance, "", nil)
	}
}

// answerFailed turns a failed attempt into an answer.
func (x *Exchange) answerFailed(fe *ForwardError) {
	if fe.Answer != nil {
		x.Answer(fe.Answer, "", fe)
		return
	}
	switch fe.Cause {
	case Refused:
		x.Answer(InstanceRefused, "", fe)
	case TimedOut:
		x.Answer(InstanceTimeout, "", fe)
	case ClientBad:
		if errors.Is(fe, errBodyTooLarge) {
			x.Answer(BodyTooLarge, "", fe)
			return
		}
		x.Answer(Malformed, "the request's body is broken", fe)
	case ClientSlow:
		x.Answer(RequestTimeout, "", fe)
	case ClientGone:
		x.Gone(fe)
	default:
		x.Answer(InstanceBroke, "", fe)
	}
}

// statusClientGone is what log and metrics show when the client went away
// before there was an answer. It is never sent.
const statusClientGone = 499

// Gone ends an exchange whose client went away before there was an answer.
func (x *Exchange) Gone(err error) {
	x.Err = err
	x.Response.Status = statusClientGone
	x.W.Abort()
}

// report tells the pool how the attempt went, so that a broken instance gets
// no further requests.
func (x *Exchange) report(o upstream.Outcome, mono time.Duration) {
	x.attempt.Report(o, x.p.clock.Time(mono))
}

// outcome says what a failure means for the instance.
func outcome(fe *ForwardError) upstream.Outcome {
	if fe.Answer != nil {
		return upstream.Canceled // the instance had no part in it
	}
	switch fe.Cause {
	case Refused:
		return upstream.Refused
	case Broke:
		return upstream.Broke
	case TimedOut:
		return upstream.TimedOut
	default:
		return upstream.Canceled // the client's doing
	}
}

// mayRetry decides whether another endpoint may be asked. Nothing that was sent
// is sent twice, unless the method says that it may be (RFC 9110 section 9.2.2)
// and the whole request can be sent again.
func (x *Exchange) mayRetry(fe *ForwardError) bool {
	switch fe.Cause {
	case ClientGone, ClientBad, ClientSlow, TimedOut:
		return false
	}
	if fe.Received || fe.Answer != nil {
		return false
	}
	if left, bounded := x.Remaining(); bounded && left <= 0 {
		return false
	}
	if !x.kept.whole() {
		return false
	}
	if !fe.Sent {
		return true
	}
	return x.Request.Verb.Idempotent() && !x.Request.WebSocket && x.Route.Pool.Retry(x.p.clock.Time(x.UpstreamEnd))
}

func asForwardError(err error) *ForwardError {
	if fe, ok := errors.AsType[*ForwardError](err); ok {
		return fe
	}
	return &ForwardError{Cause: Broke, Sent: true, Err: err}
}
