package agent

import (
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/lictor/lictor/proxy"
	"github.com/lictor/lictor/proxy/unknown"
)

// The types of this file are the answer of GET /v1/unknown.

// UnknownReport tells of interfaces that are asked for and that no route offers.
type UnknownReport struct {
	// Since is when the gateway started: figures go back to then.
	Since    time.Time `json:"since"`
	Requests uint64    `json:"requests"` // that no route took
	// Missed are requests that came at the very moment of another, and are not
	// among those that are counted by path.
	Missed uint64        `json:"missed"`
	Paths  []UnknownPath `json:"paths"` // the most asked for first
}

// UnknownPath is one element of an UnknownReport.
type UnknownPath struct {
	Host string `json:"host"`
	// Path has {n} and {id} in place of what looks like a number or an id.
	Path    string   `json:"path"`
	Methods []string `json:"methods"`
	// Requests may be too high by Over.
	Requests uint64 `json:"requests"`
	Over     uint64 `json:"over"`
	// Callers is an estimate, Top who of them asks most, by digests that give
	// nobody away.
	Callers int             `json:"callers"`
	Top     []UnknownCaller `json:"top_callers"`
	First   time.Time       `json:"first"`
	Last    time.Time       `json:"last"`
	// Nearest is the route that may have been meant, nil for none.
	Nearest *NearestRoute `json:"nearest,omitempty"`
}

// UnknownCaller is one who asks.
type UnknownCaller struct {
	Caller   string `json:"caller"`
	Requests uint64 `json:"requests"`
}

// NearestRoute is a route that does not take a path, but looks like it.
type NearestRoute struct {
	Route string `json:"route"`
	Lost  string `json:"lost"` // by host, path, headers, query or method; empty when it takes the path by now
	Why   string `json:"why"`
	At    string `json:"at"`
}

// nearestRoutes remembers which routes are the nearest, as long as the policies are
// the same: to find one out takes a look at every route.
type nearestRoutes struct {
	mu         sync.Mutex
	generation uint64
	found      map[string]*NearestRoute
}

// of returns the route that is nearest to a path, nil for none.
func (n *nearestRoutes) of(g *generation, p *unknown.Path) *NearestRoute {
	n.mu.Lock()
	defer n.mu.Unlock()
	key := p.Methods[0] + " " + p.Host + p.Example
	if n.generation != g.number || len(n.found) >= 4*unknownListed {
		n.generation, n.found = g.number, map[string]*NearestRoute{}
	}
	v, known := n.found[key]
	if known {
		return v
	}
	if near := g.table.Nearest(p.Methods[0], p.Host, p.Example); near != nil {
		name := near.Route.Name()
		v = &NearestRoute{Route: name, Lost: string(near.Lost), Why: near.Why, At: g.at(name)}
		if near.Lost == "" {
			v.Why = "takes it by now"
		}
	}
	n.found[key] = v
	return v
}

// Bounds of reports.
const (
	unknownListed = 100
	unknownShown  = 30 // on the dashboard, again and again
)

func (ad *admin) listUnknown(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, ad.agent.unknownPaths(unknownListed))
}

func (a *Agent) unknownPaths(n int) *UnknownReport {
	g := a.current.Load()
	report := &UnknownReport{Since: a.started.UTC(), Paths: []UnknownPath{}}
	counted, missed, _ := a.proxy.Unknown.Totals()
	report.Requests, report.Missed = counted+missed, missed
	for _, p := range a.proxy.Unknown.Top(n) {
		v := UnknownPath{
			Host: legible(p.Host), Path: legible(p.Shape), Methods: p.Methods, Requests: p.Requests, Over: p.Over,
			Callers: p.Callers, Top: []UnknownCaller{}, First: time.Unix(0, int64(p.First)).UTC(), Last: time.Unix(0, int64(p.Last)).UTC(),
		}
		for _, c := range p.Top {
			v.Top = append(v.Top, UnknownCaller{proxy.Caller(c.Digest), c.Requests})
		}
		v.Nearest = a.nearest.of(g, &p)
		report.Paths = append(report.Paths, v)
	}
	return report
}

// legible makes what a client has sent fit for JSON.
func legible(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }
