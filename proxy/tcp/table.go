package tcp

import (
	"fmt"
	"strings"

	"github.com/lictor/lictor/proxy"
)

// Route is a route for passages and what finds it.
type Route struct {
	*proxy.Route
	// Listener is the name of the one listener that it is for.
	Listener string
	// Names are those that a client asks for by TLS, in lower case: "db.example.com",
	// or "*.example.com" for all below. None stands for every passage that no name
	// of another route fits.
	Names []string
	// Announce is how the instance is told whose passage it is, by the PROXY
	// protocol.
	Announce Announcement
}

// Table is the compiled set of routes. A reload swaps it whole.
type Table struct {
	Routes    []*Route
	listeners map[string]*names
}

// names are the routes of one listener.
type names struct {
	exact, below map[string]*Route
	rest         *Route // nil for none
}

// NewTable compiles routes. The error names two of which nobody could choose one.
func NewTable(routes []*Route) (*Table, error) {
	t := &Table{Routes: routes, listeners: map[string]*names{}}
	for _, r := range routes {
		n := t.listeners[r.Listener]
		if n == nil {
			n = &names{exact: map[string]*Route{}, below: map[string]*Route{}}
			t.listeners[r.Listener] = n
		}
		if len(r.Names) == 0 {
			if n.rest != nil {
				return nil, fmt.Errorf("tcp routes %q and %q both take every passage of listener %q", n.rest.Name(), r.Name(), r.Listener)
			}
			n.rest = r
		}
		for _, name := range r.Names {
			in, key := n.exact, name
			if parent, ok := strings.CutPrefix(name, "*."); ok {
				in, key = n.below, parent
			}
			if was := in[key]; was != nil {
				return nil, fmt.Errorf("tcp routes %q and %q both take %q of listener %q", was.Name(), r.Name(), name, r.Listener)
			}
			in[key] = r
		}
	}
	return t, nil
}

// named reports whether a listener has routes that a name leads to.
func (t *Table) named(listener string) bool {
	n := t.listeners[listener]
	return n != nil && len(n.exact)+len(n.below) > 0
}

// byName returns the route with a name that fits, the longest one, or nil.
func (t *Table) byName(listener, name string) *Route {
	n := t.listeners[listener]
	if n == nil || name == "" {
		return nil
	}
	if r := n.exact[name]; r != nil {
		return r
	}
	for {
		_, parent, ok := strings.Cut(name, ".")
		if !ok {
			return nil
		}
		if r := n.below[parent]; r != nil {
			return r
		}
		name = parent
	}
}

// rest returns the route for every other passage, or nil.
func (t *Table) rest(listener string) *Route {
	if n := t.listeners[listener]; n != nil {
		return n.rest
	}
	return nil
}
