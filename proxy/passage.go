package proxy

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"

	"github.com/lictor/lictor/proxy/upstream"
)

// Passage is a client's connection that is carried to an instance byte by byte, and
// never read as requests. An engine implements it; Pass tells its story.
type Passage interface {
	// Context ends when the passage is closed.
	Context() context.Context
	// Taken is called once the passage counts as in flight.
	Taken()
	// Dial makes a connection to the endpoint, within the route's time for one. Its
	// error is a *ForwardError.
	Dial(x *Exchange, ep *upstream.Endpoint) error
	// Join carries bytes both ways until both have ended, one was broken off, or
	// nothing has passed for the route's idle timeout. It counts them in x and, as
	// they pass, in the route's figures. The error says what broke it off, nil for
	// an end that both wanted. A *ForwardError is the instance's doing; with an Answer
	// it was never let through to it.
	Join(x *Exchange) error
	// Close closes both connections. It may be called at any time, from any
	// goroutine, and more than once.
	Close() error
}

// Pass is the story of one passage: who may not come is refused, an endpoint is
// picked as for a request, one that can't be connected to is benched and another
// one tried, and bytes are carried until the end. It closes w before it returns.
//
// The Exchange needs Conn, and of the Request the Protocol, TCP or TLS, and for Host
// the name that the client asked for by TLS, if it did.
func (p *Proxy) Pass(x *Exchange, r *Route, w Passage) {
	defer p.beginPassage(x, w)()
	x.Route = r
	r.Passages.open.Add(1)
	if !run(r.Steps, x) || !x.connect(w) {
		return
	}
	x.Err = w.Join(x)
	x.complete = x.Err == nil
	if fe, ok := errors.AsType[*ForwardError](x.Err); ok {
		x.report(outcome(fe), p.clock.Now().Mono)
		if fe.Answer != nil { // it was never connected to anybody
			x.headOut = false
			x.answerFailed(fe)
		}
	}
}

// RefusePassage is Pass for one that no route takes, or that breaks off before there
// could be one. It has a log line and a place in the counters like any other.
func (p *Proxy) RefusePassage(x *Exchange, why *Problem, err error, w Passage) {
	defer p.beginPassage(x, w)()
	x.Answer(why, "", err)
}

func (p *Proxy) beginPassage(x *Exchange, w Passage) (end func()) {
	p.inFlight.Add(1)
	w.Taken()
	q := &x.Request
	q.Fields.Reset(nil)
	q.Method, q.Path = connectText, q.Host // for logs that have no other words for it
	x.W = unanswered{unheard{}, w.Context()}
	x.begin(p)
	x.Client = x.Conn.Peer.Addr()
	x.requestID = appendHex(x.idText[:0], rand.Uint64(), rand.Uint64()) //nolint:gosec // an id, not a secret
	untrack := p.tunnels.track(w, w)
	return func() {
		untrack()
		p.passed(x, w)
	}
}

// connect finds an endpoint that takes the passage.
func (x *Exchange) connect(w Passage) bool {
	if x.Route.Pool.Spec().Balance == "hash" {
		x.attempt.Key = affinity(x.Client)
	}
	for {
		now := x.p.clock.Now().Mono
		ep, why := x.Route.Pool.Acquire(&x.attempt, x.p.clock.Time(now))
		if ep == nil {
			x.answerNone(why)
			return false
		}
		x.Endpoint, x.UpstreamStart = ep, now
		x.Retries = x.attempt.Tries() - 1
		err := w.Dial(x, ep)
		x.UpstreamEnd = x.p.clock.Now().Mono
		if err == nil {
			x.report(upstream.Success, x.UpstreamEnd)
			x.headOut = true
			return true
		}
		fe := asForwardError(err)
		x.report(outcome(fe), x.UpstreamEnd)
		x.attempt.Release()
		x.Err = fe
		if fe.Cause != Refused || fe.Answer != nil {
			x.answerFailed(fe)
			return false
		}
	}
}

// passed ends every passage, exactly once.
func (p *Proxy) passed(x *Exchange, w Passage) {
	_ = w.Close() // it may be closed already
	x.attempt.Release()
	x.Unhold(0)
	m := p.UnmatchedPassages
	if x.Route != nil {
		m = x.Route.Passages
		m.open.Add(-1)
	}
	m.results[x.passageResult()].Add(1)
	if x.Problem != nil {
		x.BytesOut = 0 // nobody has heard the answer
		p.answers[x.Problem.index].Add(1)
		p.recent.note(x)
	}
	if x.logs != nil {
		for _, l := range x.logs.logs {
			l.line(x, p.clock.Now(), nil)
		}
	}
	x.forget()
	p.inFlight.Add(-1)
}

// connectText is the method of passages in logs in the common format.
var connectText = []byte("CONNECT")

// unanswered is a client that can't be told anything, and waits for as long as it is
// there. It implements Responder.
type unanswered struct {
	unheard
	ctx context.Context //nolint:containedctx // it is the connection's
}

func (u unanswered) Context() context.Context { return u.ctx }

var _ io.Closer = Passage(nil)
