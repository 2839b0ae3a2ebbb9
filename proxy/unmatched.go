package proxy

import (
	"cmp"
	"strings"

	"github.com/lictor/lictor/proxy/router"
)

// unknownPaths is how many paths that no route takes are told apart.
const unknownPaths = 256

// noteUnknown counts a request that no route took.
func (p *Proxy) noteUnknown(x *Exchange) {
	p.Unknown.Note(x.Start.Wall, router.AppendHost(x.Space(), x.Request.Host), x.matched, x.Request.Verb.String(), p.recent.caller(x.Client))
}

// Near is the route that somebody may have meant.
type Near struct {
	Route *Route
	// Lost is by what it does not take the request, empty when it does: it has not
	// always been there. Why says so in words.
	Lost router.Condition
	Why  string
}

// Nearest returns the route that comes closest to a request that no route takes;
// nil when none looks like it. It looks at every route of the table: it is for
// people.
func (t *Table) Nearest(method, host, path string) *Near {
	var none Fields
	none.Reset(nil)
	list := t.router.Explain(&router.Request{Host: []byte(host), Path: []byte(path), Method: []byte(method), Headers: &none})
	best, least := -1, 0
	for i, c := range list {
		far, ok := distance(&t.Routes[c.Rule].Rule, c.Lost, path)
		if ok && (best < 0 || far < least) {
			best, least = i, far
		}
	}
	if best < 0 {
		return nil
	}
	c := list[best]
	return &Near{t.Routes[c.Rule], c.Lost, c.Why}
}

// distance says how far a rule is from a path that it does not take: nothing where
// only a condition besides host and path failed, then one whose first segment is
// the same or a slip of the pen away, then one that takes it for another host.
func distance(r *router.Rule, lost router.Condition, path string) (far int, ok bool) {
	own, literal := cmp.Or(r.Path, r.PathPrefix, r.PathPattern), r.PathRegex == ""
	switch lost {
	case "":
		return -1, true
	case router.ByMethod, router.ByHeaders, router.ByQuery:
		return 0, true
	case router.ByPath:
		a, b := firstSegment(own), firstSegment(path)
		slips := edits(a, b)
		return 1 + slips, literal && len(a) > 0 && len(b) > 0 && slips <= min(2, len(a)/3)
	case router.ByHost:
		return 10, literal && strings.Trim(own, "/") != "" && firstSegment(own) == firstSegment(path)
	}
	return 0, false
}

func firstSegment(path string) string {
	s, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	return s[:min(len(s), 64)]
}

// edits is the Levenshtein distance of two short texts.
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			above := row[j+1]
			replace := diagonal
			if a[i] != b[j] {
				replace++
			}
			row[j+1] = min(replace, above+1, row[j]+1)
			diagonal = above
		}
	}
	return row[len(b)]
}
