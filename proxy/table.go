package proxy

import (
	"time"

	"github.com/lictor/lictor/catalog"
	"github.com/lictor/lictor/proxy/router"
	"github.com/lictor/lictor/proxy/upstream"
)

// Step is one stage of a route's pipeline. A step keeps nothing of the Exchange.
type Step interface {
	// Request runs on the way in, in the order of the route's steps. False
	// means that the step has answered, and the request goes no further.
	Request(x *Exchange) bool
}

// ResponseStep is a Step that also sees the head on its way out, in reverse
// order. Only heads that an instance sent pass through it.
type ResponseStep interface {
	Step
	Response(x *Exchange)
}

// AnswerStep is a Step that also sees the heads of the answers that the gateway makes
// itself on the route, in reverse order, whether the request got as far as the step
// or not. Only those that Response does not see pass through it.
type AnswerStep interface {
	Step
	Answer(x *Exchange)
}

// PreflightStep is a Step that answers the preflights of browsers (Fetch Standard,
// section 3.3.6). Its route is found for them by the method that they ask about.
type PreflightStep interface {
	Step
	AnswersPreflights()
}

// Route is one compiled route of a policy. It is immutable once it is in a
// Table.
type Route struct {
	Rule router.Rule
	// Service is empty and Pool nil for a route whose steps answer by themselves.
	Service string
	Pool    *upstream.Pool
	Steps   []Step

	// StripPrefix is taken off the path before it is forwarded; whole segments.
	StripPrefix string
	// HostHeader replaces the client's Host when not empty.
	HostHeader string

	// Timeout bounds queueing, retries and waiting until the response's head,
	// but not the sending of a body: after one that takes a while, it begins
	// anew. ConnectTimeout bounds one connection attempt; IdleTimeout the time
	// between two pieces of a body, either way, and is the only bound on a
	// tunnel. 0 means no bound.
	Timeout, ConnectTimeout, IdleTimeout time.Duration

	// MaxBody bounds the request's body in bytes; 0 means no bound.
	MaxBody int64

	// Protocol is which HTTP its instances are spoken to by; the zero value
	// leaves that to what is known of each.
	Protocol catalog.Protocol

	// UpstreamTLS is how its instances are spoken to; nil means in clear. It is
	// not looked at where there are Ways.
	UpstreamTLS UpstreamTLS
	// Ways are how the requests of a route that splits them go to each of its
	// services; none for any other. Service is then that of its first share, and
	// Shares are those of all, by their index in the pool.
	Ways   []Way
	Shares []string

	// Metrics outlives the route: the same object serves the route of that
	// name through every reload.
	Metrics *RouteMetrics
	// Passages are the figures of a route for passages instead; they outlive it
	// likewise. Nil for one for requests.
	Passages *PassageMetrics

	responses  []ResponseStep
	answers    []AnswerStep
	preflights bool // a step answers those
	affine     bool // the balancer wants to know the client
}

// Name returns the route's name.
func (r *Route) Name() string { return r.Rule.Name }

// Table is the compiled set of routes. A reload swaps it whole.
type Table struct {
	// Generation counts the tables of this process, from 1.
	Generation uint64
	Routes     []*Route
	// Gateway runs before matching, on every request.
	Gateway []Step
	// SecretParameters are the query parameters, in lower case, that carry
	// tokens here. The access log never shows their values, nor those of the
	// usual names.
	SecretParameters []string
	router           *router.Router
	preflights       bool // some route answers those
}

// NewTable compiles routes. Its error is router.New's.
func NewTable(generation uint64, gateway []Step, routes []*Route) (*Table, error) {
	rules := make([]router.Rule, len(routes))
	preflights := false
	for i, r := range routes {
		rules[i] = r.Rule
		r.responses, r.answers, r.preflights = nil, nil, false
		r.affine = r.Pool != nil && r.Pool.Spec().Balance == "hash"
		for _, s := range r.Steps {
			if rs, ok := s.(ResponseStep); ok {
				r.responses = append(r.responses, rs)
			}
			if as, ok := s.(AnswerStep); ok {
				r.answers = append(r.answers, as)
			}
			if _, ok := s.(PreflightStep); ok {
				r.preflights, preflights = true, true
			}
		}
		if r.Metrics == nil {
			r.Metrics = NewRouteMetrics(r.Rule.Name)
		}
	}
	rt, err := router.New(rules)
	if err != nil {
		return nil, err
	}
	return &Table{Generation: generation, Routes: routes, Gateway: gateway, router: rt, preflights: preflights}, nil
}

// match finds the route of an exchange whose path has been normalised.
func (t *Table) match(x *Exchange) router.Match {
	m, _ := t.matchBy(x)
	return m
}

// matchBy is match, and tells by which method.
func (t *Table) matchBy(x *Exchange) (m router.Match, method []byte) {
	if t.preflights {
		if asked := x.Request.PreflightFor(); asked != nil {
			if m = t.matchMethod(x, asked); m.Rule >= 0 && t.Routes[m.Rule].preflights {
				return m, asked
			}
		}
	}
	return t.matchMethod(x, x.Request.Method), x.Request.Method
}

func (t *Table) matchMethod(x *Exchange, method []byte) router.Match {
	q := router.Request{
		Host: x.Request.Host, Path: x.Request.Path, Method: method, Query: x.Request.Query,
		Headers: &x.Request.Fields,
	}
	return t.router.Match(&q)
}
