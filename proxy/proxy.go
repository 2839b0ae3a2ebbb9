package proxy

import (
	"hash/maphash"
	"sync/atomic"

	"github.com/lictor/lictor/limits"
	"github.com/lictor/lictor/proxy/router"
	"github.com/lictor/lictor/proxy/unknown"
)

// Proxy is the pipeline: it serves exchanges by the current table. It implements
// Handler.
type Proxy struct {
	clock     *limits.Clock
	forwarder Forwarder
	table     atomic.Pointer[Table]
	logs      atomic.Pointer[logSet]
	tracing   atomic.Pointer[Tracing]
	inFlight  atomic.Int64
	tunnels   tunnels
	pages     atomic.Pointer[map[int]ErrorPage]
	// Unmatched counts the requests that no route took.
	Unmatched *RouteMetrics
	// UnmatchedPassages counts the passages likewise.
	UnmatchedPassages *PassageMetrics
	// Answers counts the gateway's own answers by kind.
	answers [problems]atomic.Uint64
	// Unknown are the paths that no route takes and that are asked for most.
	Unknown *unknown.Paths
	recent  recentAnswers
}

// New returns a pipeline that has an empty table: it answers 404.
func New(clock *limits.Clock, f Forwarder) *Proxy {
	p := &Proxy{clock: clock, forwarder: f, Unmatched: NewRouteMetrics("-"), UnmatchedPassages: NewPassageMetrics("-"), Unknown: unknown.New(unknownPaths)}
	p.recent.seed = maphash.MakeSeed()
	t, err := NewTable(0, nil, nil)
	if err != nil {
		panic("proxy: an empty table does not compile: " + err.Error())
	}
	p.table.Store(t)
	return p
}

// Swap makes t the table of all requests that begin from now on.
func (p *Proxy) Swap(t *Table) { p.table.Store(t) }

// Table returns the current table.
func (p *Proxy) Table() *Table { return p.table.Load() }

// InFlight counts the exchanges and tunnels that are being served.
func (p *Proxy) InFlight() int64 { return p.inFlight.Load() }

// Serve is the story of one request.
func (p *Proxy) Serve(x *Exchange) {
	p.inFlight.Add(1)
	x.begin(p)
	defer p.finish(x)

	if x.admit(p.table.Load(), run) {
		x.forward()
	}
}

// admit takes the exchange through a table, up to where an instance is needed. judge
// has a list of steps judge it, in their order, until one answers. False means that
// the exchange has been answered.
func (x *Exchange) admit(t *Table, judge func(steps []Step, x *Exchange) bool) bool {
	x.identify()
	if !x.permitted() {
		return false
	}
	if x.answerHealth() || x.answerChallenge() {
		return false
	}
	if !judge(t.Gateway, x) {
		return false
	}
	if !x.normalize() {
		return false
	}
	m := t.match(x)
	switch m.Rule {
	case router.NoRoute:
		x.Answer(NoRoute, "", nil)
		return false
	case router.MethodNotAllowed:
		x.answerMethodNotAllowed(t, m)
		return false
	}
	if x.redirectToHTTPS() {
		return false
	}
	return x.enter(t.Routes[m.Rule]) && judge(x.Route.Steps, x)
}

// Refuse answers a request that an engine can't make sense of, or will not
// serve, such as one whose head is malformed. It has a request id, a log line and
// a place in the counters like any other. The Exchange needs W and Conn; what is
// not known of the Request must be zero, and its Fields be reset. The err goes to
// the log; the client sees the kind and the detail.
func (p *Proxy) Refuse(x *Exchange, why *Problem, detail string, err error) {
	p.inFlight.Add(1)
	x.begin(p)
	defer p.finish(x)
	x.identify()
	x.Answer(why, detail, err)
}

func run(steps []Step, x *Exchange) bool {
	for _, s := range steps {
		if !s.Request(x) {
			return false
		}
	}
	return true
}

// normalize gives the path the one form in which it is matched and forwarded.
func (x *Exchange) normalize() bool {
	if x.Request.Verb == MethodConnect {
		x.Answer(MethodNotSupported, "CONNECT is for forward proxies", nil)
		return false
	}
	path, err := router.Normalize(x.pathText[:0], x.Request.Path, x.Conn.Listener.Path)
	if err != nil {
		x.Answer(Malformed, err.Error(), err)
		return false
	}
	if &path[0] != &x.Request.Path[0] {
		x.pathText = path // rewritten: keep what may have grown
	}
	if x.matched == nil { // a second time is for what a step has changed
		x.received = x.Request.Path
	}
	x.matched, x.Request.Path = path, path
	return true
}

// enter makes r the exchange's route.
func (x *Exchange) enter(r *Route) bool {
	x.Route = r
	if len(r.answers) > 0 {
		x.noteOrigin()
	}
	if r.Timeout > 0 {
		x.Deadline = x.Start.Mono + r.Timeout
	}
	if r.MaxBody > 0 && x.Request.Length > r.MaxBody {
		x.Answer(BodyTooLarge, "", nil)
		return false
	}
	return true
}

func (x *Exchange) answerMethodNotAllowed(t *Table, m router.Match) {
	x.ResetResponse()
	f := &x.Response.Fields
	f.Close(t.router.AppendAllow(f.Open(Allow), m))
	x.AnswerWith(MethodNotAllowed, "", nil)
}

// finish ends every exchange, exactly once.
func (p *Proxy) finish(x *Exchange) {
	x.done(false) // this and what follows also after a panic
	x.attempt.Release()
	x.Unhold(0)
	now := p.clock.Now()
	m := p.Unmatched
	if x.Route != nil {
		m = x.Route.Metrics
	}
	m.observe(x, now.Mono-x.Start.Mono)
	if x.Problem != nil {
		p.answers[x.Problem.index].Add(1)
		p.recent.note(x)
		if x.Problem == NoRoute {
			p.noteUnknown(x)
		}
	}
	if x.logs != nil {
		for _, l := range x.logs.logs {
			l.line(x, now, p.table.Load().SecretParameters)
		}
	}
	if x.trace.Sampled {
		x.trace.by.tracer.Record(x, now)
	}
	x.forget()
	p.inFlight.Add(-1)
}

// forget drops what would keep other things alive while the engine keeps the
// Exchange for its next request.
func (x *Exchange) forget() {
	x.Route, x.Endpoint, x.Identity = nil, nil, nil
	x.User = User{}
	x.Request.Body, x.Response.Body, x.Response.Tunnel = nil, nil, nil
	x.Err = nil
	clear(x.Verdicts)
	x.Verdicts = x.verdicts0[:0]
	clear(x.trace.Attempts)
	x.kept.release()
}
