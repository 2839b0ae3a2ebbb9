package proxy

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/netip"
	"slices"
	"strings"

	"github.com/lictor/lictor/proxy/router"
	"github.com/lictor/lictor/proxy/upstream"
)

// Explained is what would become of a request, and why.
type Explained struct {
	// Client is who asks, behind trusted proxies.
	Client netip.Addr
	// Path is the path in normal form, by which routes are found; empty when it was
	// not looked at, or refused.
	Path string
	// Gateway are the steps before matching, Steps those of the route.
	Gateway, Steps []Explanation
	// Considered tells of every route of the table, in the order of router.Explain;
	// nil when it did not come to that. Its Rule is an index of Table.Routes.
	Considered []router.Considered
	// Route is the one that has the request, nil for none.
	Route *Route
	// Sent is what the instance would be sent, nil when none would be.
	Sent *Sent
	// Pick is the endpoint that would be asked at this moment. Its Reason is of no
	// meaning while Sent is nil.
	Pick upstream.Look
	// Answer is the gateway's own answer, nil when the request would be forwarded.
	Answer *Answered
	// Known says that no verdict on the way had to be guessed.
	Known bool
}

// Sent is a request as an instance is sent it.
type Sent struct {
	Method, Path, Query, Host string
	HasQuery                  bool
	// Fields are those that go along, without the Host.
	Fields []Line
	// Added are the names in it that the client did not send with that value,
	// Removed those that the client sent and that do not go along.
	Added, Removed []string
}

// Line is one field line.
type Line struct{ Name, Value string }

// Answered is an answer of the gateway's own.
type Answered struct {
	Status int
	// Problem is nil for an answer that is none.
	Problem *Problem
	Detail  string
	// Cause is what the log would say, empty for nothing.
	Cause  string
	Fields []Line
}

// Foreteller is a Forwarder that can tell beforehand when it would send nothing.
type Foreteller interface {
	// Foretell returns the failure that Forward to x.Endpoint would return without
	// having made a connection, nil for none.
	Foretell(x *Exchange) error
}

// URI returns the problem's type (RFC 9457 section 3.1.1).
func (p *Problem) URI() string {
	if p.Type != "" {
		return p.Type
	}
	return "urn:lictor:problem:" + p.Name
}

// Explain tells what would become of a request, by the same code that serves one. It
// needs what Serve needs of x but W. Nothing that outlives x is changed: nothing is
// charged, counted, logged or held, and nobody is asked. With reveal it shows what
// says who the client is; see Explanation. The permit judges where the listener has
// permits of its own; nil is of a client that nobody knows.
func (p *Proxy) Explain(t *Table, x *Exchange, reveal bool, permit ExplainPermit) *Explained {
	w := &witness{x: x}
	x.W = w
	x.begin(p)
	defer x.forget()
	x.explained = true
	e := &Explained{Known: true}
	permission := Explanation{Step: "permissions", Verdict: NotReached, Reveal: reveal}
	if permit == nil {
		permit = byWhoAsks
	}
	x.foretell = permission.by(permit)
	before := linesOf(&x.Request.Fields)
	lists, at := [...]*[]Explanation{&e.Gateway, &e.Steps}, 0
	admitted := x.admit(t, func(steps []Step, x *Exchange) (ok bool) {
		into := lists[at]
		*into, ok = explainAll(steps, x, reveal)
		if at++; ok && at == 1 {
			e.match(t, x)
		}
		return ok
	})
	if x.Conn.Listener.Permits != nil {
		if permission.Verdict == Refuses || permission.Verdict == NotReached {
			e.Gateway = notReached(t.Gateway)
		}
		e.Gateway = append([]Explanation{permission}, e.Gateway...)
	}
	e.Client, e.Route = x.Client, x.Route
	if e.Route != nil && e.Steps == nil { // refused before
		e.Steps = notReached(e.Route.Steps)
	}
	if admitted && x.prepare() {
		e.forward(x, before)
	}
	e.Known = !slices.ContainsFunc(slices.Concat(e.Gateway, e.Steps), uncertain)
	e.Answer = w.answer
	return e
}

// byWhoAsks stands for the permit of a client that nobody knows.
func byWhoAsks(_ *Exchange, v *Explanation) error {
	v.Verdict, v.Why = NotKnown, "it depends on who asks"
	return nil
}

// by returns what asks the permit, and has v take note.
func (v *Explanation) by(permit ExplainPermit) func(x *Exchange) error {
	return func(x *Exchange) error {
		v.Verdict = ""
		err := permit(x, v)
		switch {
		case v.Verdict != "":
		case err != nil:
			v.Verdict = Refuses
		default:
			v.Verdict = Passes
		}
		return err
	}
}

func notReached(steps []Step) (list []Explanation) {
	for _, s := range steps {
		list = append(list, Explanation{Step: stepName(s), Verdict: NotReached})
	}
	return list
}

func uncertain(v Explanation) bool { return v.Verdict == NotKnown || v.Verdict == NotExplained }

// match tells of the routes, of a request that the gateway's steps let pass.
func (e *Explained) match(t *Table, x *Exchange) {
	if x.Request.Verb == MethodConnect {
		return
	}
	path, err := router.Normalize(nil, x.Request.Path, x.Conn.Listener.Path)
	if err != nil {
		return
	}
	e.Path = string(path)
	given := x.Request.Path
	x.Request.Path = path
	_, method := t.matchBy(x)
	x.Request.Path = given // normalize is still to come
	e.Considered = t.router.Explain(&router.Request{
		Host: x.Request.Host, Path: path, Method: method, Query: x.Request.Query, Headers: &x.Request.Fields,
	})
}

// forward tells what is sent, and to whom.
func (e *Explained) forward(x *Exchange, before []Line) {
	q := &x.Request
	s := &Sent{Method: string(q.Method), Path: string(q.Path), Query: string(q.Query), HasQuery: q.HasQuery, Host: string(q.Host)}
	if h := x.Route.HostHeader; h != "" {
		s.Host = h
	}
	s.Fields = slices.DeleteFunc(linesOf(&q.Fields), func(l Line) bool { return strings.EqualFold(l.Name, "host") })
	for _, l := range s.Fields {
		if !slices.Contains(before, l) && !slices.Contains(s.Added, l.Name) {
			s.Added = append(s.Added, l.Name)
		}
	}
	for _, l := range before {
		gone := func(o Line) bool { return strings.EqualFold(o.Name, l.Name) }
		if !strings.EqualFold(l.Name, "host") && !slices.ContainsFunc(s.Fields, gone) && !slices.Contains(s.Removed, l.Name) {
			s.Removed = append(s.Removed, l.Name)
		}
	}
	e.Sent = s
	e.Pick = x.Route.Pool.Look(x.attempt.Key, x.p.clock.Time(x.p.clock.Now().Mono))
	if e.Pick.Reason != upstream.Acquired {
		x.answerNone(e.Pick.Reason)
		return
	}
	x.Endpoint = e.Pick.Endpoint
	f, ok := x.p.forwarder.(Foreteller)
	if !ok {
		return
	}
	if err := f.Foretell(x); err != nil {
		fe := asForwardError(err)
		x.Err = fe
		x.answerFailed(fe)
	}
}

// linesOf are the lines that are forwarded.
func linesOf(f *Fields) (list []Line) {
	for text := range strings.SplitSeq(string(f.AppendLines(nil)), "\r\n") {
		if name, value, ok := strings.Cut(text, ":"); ok {
			list = append(list, Line{name, strings.TrimSpace(value)})
		}
	}
	return list
}

// witness takes note of an answer. It implements Responder.
type witness struct {
	x      *Exchange
	answer *Answered
}

func (w *witness) Interim(int, *Fields) error { return nil }

func (w *witness) Head(r *Response) error {
	w.answer = &Answered{Status: r.Status, Problem: w.x.Problem, Fields: linesOf(&r.Fields)}
	if w.x.Err != nil {
		w.answer.Cause = w.x.Err.Error()
	}
	return nil
}

// Body reads the detail of a problem document.
func (w *witness) Body(p []byte) error {
	var document struct{ Detail string }
	if w.answer.Problem != nil && json.Unmarshal(p, &document) == nil {
		w.answer.Detail = document.Detail
	}
	return nil
}

func (w *witness) Flush() error                        { return nil }
func (w *witness) End(*Fields) error                   { return nil }
func (w *witness) Abort()                              {}
func (w *witness) Tunnel() (io.ReadWriteCloser, error) { return nil, errors.ErrUnsupported }
func (w *witness) Context() context.Context            { return context.Background() }
