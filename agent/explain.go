package agent

import (
	"errors"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/lictor/lictor/agent/config"
	"github.com/lictor/lictor/catalog"
	"github.com/lictor/lictor/catalog/connect"
	"github.com/lictor/lictor/proxy"
	"github.com/lictor/lictor/proxy/router"
	"github.com/lictor/lictor/proxy/upstream"
)

// ExplainAnswer is the answer to POST /v1/explain.
type ExplainAnswer struct {
	Generation uint64           `json:"generation"`
	Request    ExplainedRequest `json:"request"`
	Outcome    ExplainOutcome   `json:"outcome"`
	// GatewaySteps are asked before there is a route.
	GatewaySteps []proxy.Explanation `json:"gateway_steps"`
	// Routes are those that were considered, in the order in which they are tried,
	// the closest ones of the others after them. RoutesLeftOut counts the rest.
	Routes        []ConsideredRoute   `json:"routes"`
	RoutesLeftOut int                 `json:"routes_left_out"`
	Route         string              `json:"route,omitempty"`
	Steps         []proxy.Explanation `json:"steps"`
	Sent          *ExplainSent        `json:"sent,omitempty"`
	// Upstream is where the route's requests go, nil without a route or a service.
	Upstream *ExplainUpstream `json:"upstream,omitempty"`
	// Warnings are what sources of the catalog want people to know, such as a
	// missing ACL rule.
	Warnings []string `json:"warnings"`
}

// ExplainedRequest is the request as the gateway takes it.
type ExplainedRequest struct {
	Method   string `json:"method"`
	Scheme   string `json:"scheme"`
	Host     string `json:"host"`
	Path     string `json:"path"`            // as given
	Normal   string `json:"normal_path"`     // by which routes are found; empty when the path is refused
	Query    string `json:"query,omitempty"` // secrets redacted
	Listener string `json:"listener"`
	Peer     string `json:"peer"`   // who is connected
	Client   string `json:"client"` // who asks, behind trusted proxies
}

// ExplainOutcome is what becomes of the request.
type ExplainOutcome struct {
	// Reaches says that the request reaches an instance. Certain says that no step
	// on the way had to be passed over.
	Reaches bool `json:"reaches"`
	Certain bool `json:"certain"`
	// What follows is the gateway's own answer, zero when there is none.
	Status  int    `json:"status,omitempty"`
	Problem string `json:"problem,omitempty"` // the type
	Title   string `json:"title,omitempty"`
	Detail  string `json:"detail,omitempty"`
	Cause   string `json:"cause,omitempty"` // which clients are not told
	// Fields are those of the answer, without the random ones.
	Fields []ExplainField `json:"fields,omitempty"`
}

// ExplainField is a line of a head.
type ExplainField struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// ConsideredRoute is what came of one route.
type ConsideredRoute struct {
	Name string `json:"name"`
	At   string `json:"at"`             // file and line
	Won  bool   `json:"won,omitempty"`  // it has the request
	Lost string `json:"lost,omitempty"` // by host, path, headers, query, method or precedence
	Why  string `json:"why,omitempty"`
	// Closest marks the one that comes closest, when none has the request.
	Closest bool `json:"closest,omitempty"`
}

// ExplainSent is what the instance would be sent.
type ExplainSent struct {
	Method string `json:"method"`
	Path   string `json:"path"`
	Query  string `json:"query,omitempty"` // secrets redacted
	Host   string `json:"host"`
	// Added are the fields that the gateway adds or replaces. Kept and Removed are
	// the names of those of the client's that go along, and don't.
	Added   []ExplainField `json:"added"`
	Kept    []string       `json:"kept"`
	Removed []string       `json:"removed"`
}

// ExplainUpstream is where a route's requests go.
type ExplainUpstream struct {
	// Spoken is "clear", "tls" or "mesh".
	Spoken  string `json:"spoken"`
	Balance string `json:"balance"`
	// Pick is the instance that would be asked at this moment, empty for none, with
	// Reason why none. Probe says that it failed lately and would be tried again.
	Pick   string `json:"pick,omitempty"`
	Probe  bool   `json:"probe,omitempty"`
	Reason string `json:"reason,omitempty"`
	// Services are asked in this order: more than one with other datacenters, or with a
	// split, whose shares are all here, in the order in which they are written.
	Services []ExplainService `json:"services"`
}

// ExplainService is one service that a route's requests go to.
type ExplainService struct {
	ServiceInfo
	// Share is the one of the route's shares that it is in, nil without a split. It may
	// be spoken to in another way than the others then.
	Share  *ShareInfo `json:"share,omitempty"`
	Spoken string     `json:"spoken,omitempty"`
	// Next says that the request would go there at this moment.
	Next bool `json:"next,omitempty"`
}

// shownRoutes bounds the list of an ExplainAnswer.
const shownRoutes = 50

func (ad *admin) explain(w http.ResponseWriter, r *http.Request) {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		writeProblem(w, http.StatusUnsupportedMediaType, "unsupported-media-type", "The body must be application/json")
		return
	}
	q, err := readExplain(w, r)
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		writeProblem(w, http.StatusRequestEntityTooLarge, "body-too-large", "The body is too large")
		return
	}
	if err == nil {
		var answer *ExplainAnswer
		if answer, err = ad.agent.Explain(q); err == nil {
			writeJSON(w, http.StatusOK, answer)
			return
		}
	}
	writeProblem(w, http.StatusBadRequest, "malformed", sentence(err))
}

// Explain tells what would become of a request, by the current generation and by
// what is known of the catalog now. It changes nothing. Its error says what is wrong
// with the question.
func (a *Agent) Explain(q *ExplainRequest) (*ExplainAnswer, error) {
	g := a.current.Load()
	x, s, err := q.exchange(a.servers)
	if err != nil {
		return nil, err
	}
	permit, err := q.permit(s)
	if err != nil {
		return nil, err
	}
	path, peer := string(x.Request.Path), x.Conn.Peer.Addr().String()
	out := &ExplainAnswer{Generation: g.number, Warnings: []string{}}
	out.Request = ExplainedRequest{
		Method: string(x.Request.Method), Scheme: "http", Host: string(x.Request.Host), Path: path,
		Query: proxy.RedactQuery(string(x.Request.Query), g.table.SecretParameters), Listener: s.listener.Name, Peer: peer,
	}
	e := a.proxy.Explain(g.table, x, q.Reveal, permit)
	if s.secure() {
		out.Request.Scheme = "https"
	}
	out.Request.Client, out.Request.Normal = e.Client.String(), e.Path
	out.GatewaySteps, out.Steps = orEmpty(e.Gateway), orEmpty(e.Steps)
	out.considered(g, e.Considered)
	out.Outcome = outcomeOf(g, e)
	if e.Route != nil {
		out.Route = e.Route.Name()
		out.Upstream = a.upstreamOf(g, e)
	}
	if e.Sent != nil {
		out.Sent = sentOf(g, e.Sent, q.Reveal)
	}
	for _, src := range a.sources {
		out.Warnings = append(out.Warnings, src.Status().Warnings...)
	}
	return out, nil
}

func (out *ExplainAnswer) considered(g *generation, list []router.Considered) {
	out.Routes = make([]ConsideredRoute, 0, min(len(list), shownRoutes))
	out.RoutesLeftOut = max(0, len(list)-shownRoutes)
	won := slices.ContainsFunc(list, func(c router.Considered) bool { return c.Lost == "" })
	closest := -1
	if !won {
		closest = router.Closest(list)
	}
	for i, c := range list[:min(len(list), shownRoutes)] {
		r := g.table.Routes[c.Rule]
		out.Routes = append(out.Routes, ConsideredRoute{
			Name: r.Name(), At: g.at(r.Name()), Won: c.Lost == "", Lost: string(c.Lost), Why: c.Why, Closest: i == closest,
		})
	}
}

// at returns where a route is written, empty when it is not written anywhere.
func (g *generation) at(route string) string {
	if r := g.written(route); r != nil {
		return r.Range.String()
	}
	return ""
}

// written returns a route as the policy has it, nil when it is not there.
func (g *generation) written(route string) *config.Route {
	for i := range g.config.Policy.Routes {
		if r := &g.config.Policy.Routes[i]; r.Name == route {
			return r
		}
	}
	return nil
}

// random are the fields whose values are made up anew for every request.
func random(name string) bool {
	return strings.EqualFold(name, "X-Request-Id") || strings.EqualFold(name, "Traceparent")
}

func outcomeOf(g *generation, e *proxy.Explained) ExplainOutcome {
	o := ExplainOutcome{Reaches: e.Answer == nil && e.Sent != nil, Certain: e.Known}
	a := e.Answer
	if a == nil {
		return o
	}
	o.Status, o.Detail, o.Cause = a.Status, a.Detail, a.Cause
	if a.Problem != nil {
		o.Problem, o.Title = a.Problem.URI(), a.Problem.Title
	}
	for _, l := range a.Fields {
		switch {
		case random(l.Name):
			continue
		case strings.EqualFold(l.Name, "Location"):
			if to, query, ok := strings.Cut(l.Value, "?"); ok {
				l.Value = to + "?" + proxy.RedactQuery(query, g.table.SecretParameters)
			}
		case strings.EqualFold(l.Name, "Set-Cookie"):
			l.Value = concealed
		}
		o.Fields = append(o.Fields, ExplainField(l))
	}
	return o
}

// What is shown in place of values.
const (
	concealed = "(hidden)"
	madeNew   = "(made for each request)"
)

func sentOf(g *generation, s *proxy.Sent, reveal bool) *ExplainSent {
	out := &ExplainSent{
		Method: s.Method, Path: s.Path, Query: proxy.RedactQuery(s.Query, g.table.SecretParameters), Host: s.Host,
		Added: []ExplainField{}, Kept: []string{}, Removed: orEmpty(s.Removed),
	}
	for _, l := range s.Fields {
		if !slices.Contains(s.Added, l.Name) {
			if !slices.Contains(out.Kept, l.Name) {
				out.Kept = append(out.Kept, l.Name)
			}
			continue
		}
		switch id := proxy.Classify([]byte(l.Name)); {
		case random(l.Name):
			l.Value = madeNew
		case id == proxy.Authorization, id == proxy.Cookie, id == proxy.Other && !reveal:
			l.Value = concealed // a password that the gateway adds, or who the client is
		}
		out.Added = append(out.Added, ExplainField(l))
	}
	return out
}

// upstreamOf tells of the instances of the route's service.
func (a *Agent) upstreamOf(g *generation, e *proxy.Explained) *ExplainUpstream {
	p := e.Route.Pool
	if p == nil {
		return nil
	}
	u := &ExplainUpstream{Spoken: spokenBy(e.Route.TLSTo(e.Pick.Endpoint)), Balance: p.Spec().Balance, Services: []ExplainService{}}
	if e.Sent != nil {
		u.Pick, u.Probe = e.Pick.Instance, e.Pick.Probe
		if e.Pick.Reason != upstream.Acquired {
			u.Reason = e.Pick.Reason.String()
		}
	}
	if stats := p.Shares(); stats != nil {
		a.explainShares(u, g, e, stats)
		return u
	}
	for _, tier := range p.Tiers() {
		u.Services = append(u.Services, ExplainService{ServiceInfo: a.explainTier(tier)})
	}
	return u
}

// explainShares tells of every share of a split, and which one would be next.
func (a *Agent) explainShares(u *ExplainUpstream, g *generation, e *proxy.Explained, stats []upstream.ShareStats) {
	shares := sharesOf(e.Route, g.written(e.Route.Name()))
	for i := range stats {
		for _, tier := range stats[i].Tiers {
			v := ExplainService{ServiceInfo: a.explainTier(tier), Share: &shares[i]}
			v.Spoken = spokenBy(e.Route.TLSFor(tier.Service()))
			v.Next = u.Pick != "" && e.Pick.Share == i && e.Pick.Service == tier.Service()
			u.Services = append(u.Services, v)
		}
	}
}

// explainTier tells of the instances of a pool.
func (a *Agent) explainTier(tier *upstream.Pool) ServiceInfo {
	now := time.Now()
	st, ok := a.set.DescribeService(tier.Service(), now)
	if !ok {
		st.Name = tier.Service()
	}
	st.Endpoints = tier.Describe(now)
	return serviceInfo(&st, a.statusOf(&st))
}

// spokenBy names a way in which instances are spoken to.
func spokenBy(t proxy.UpstreamTLS) string {
	switch t.(type) {
	case nil:
		return "clear"
	case *connect.Destination:
		return "mesh"
	}
	return "tls"
}

// statusOf returns how current the knowledge of a service is.
func (a *Agent) statusOf(st *upstream.ServiceStats) catalog.ServiceStatus {
	source := st.Source
	if !st.Known {
		source = "consul" // may say why not
	}
	for _, s := range a.sources {
		if s.Name() == source {
			return s.Status().Services[st.Name]
		}
	}
	return catalog.ServiceStatus{}
}
