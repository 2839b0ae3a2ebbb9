package template

import (
	"bytes"
	"fmt"
	"regexp"
	"regexp/syntax"
	"slices"
	"strconv"
	"strings"

	"github.com/lictor/lictor/proxy/router"
)

// Route is what templates may ask of the route that they stand in: what its paths
// begin with, and what parts of them have names. The zero value has neither.
type Route struct {
	prefix   []byte
	segments []string       // names of the variables of path_pattern, "" for a literal
	regex    *regexp.Regexp // of path_regex, anchored at both ends
}

// Paths are the settings of a route that say which paths are its own.
type Paths struct {
	StripPrefix, Prefix, Pattern, Regex string
}

// NewRoute prepares the route of these paths. What is wrong with them is for the
// router to say: here it has no names then.
func NewRoute(p Paths) *Route {
	r := &Route{}
	prefix := p.StripPrefix
	if prefix == "" {
		prefix = p.Prefix
	}
	var text []byte
	for i := range len(prefix) { // as the router reads what a person writes
		if c := prefix[i]; c == ' ' || c >= 0x80 {
			text = append(text, '%', upperHex[c>>4], upperHex[c&15])
		} else {
			text = append(text, c)
		}
	}
	if n, err := router.Normalize(nil, text, router.PathOptions{MergeSlashes: true}); err == nil {
		r.prefix = bytes.TrimRight(n, "/")
	}
	if p.Pattern != "" {
		for s := range strings.SplitSeq(strings.TrimPrefix(p.Pattern, "/"), "/") {
			name := ""
			if inner, ok := strings.CutPrefix(s, "{"); ok {
				name = strings.TrimSuffix(inner, "}")
			}
			r.segments = append(r.segments, name)
		}
	}
	if p.Regex != "" {
		if tree, err := syntax.Parse(p.Regex, syntax.Perl); err == nil {
			r.regex, _ = regexp.Compile(`\A(?:` + tree.String() + `)\z`)
		}
	}
	return r
}

// param returns the index of a part of the path by its name.
func (r *Route) param(name string) (int, error) {
	var names []string
	if r != nil {
		for i, s := range r.segments {
			if s == name {
				return i, nil
			}
			if s != "" {
				names = append(names, s)
			}
		}
		if r.regex != nil {
			if i := r.regex.SubexpIndex(name); i > 0 {
				return i, nil
			}
			if i, err := strconv.Atoi(name); err == nil && i >= 0 && i <= r.regex.NumSubexp() {
				return i, nil
			}
			names = append(names, slices.DeleteFunc(r.regex.SubexpNames(), func(s string) bool { return s == "" })...)
			for i := range r.regex.NumSubexp() {
				names = append(names, strconv.Itoa(i+1))
			}
		}
	}
	if len(names) == 0 {
		return 0, fmt.Errorf("no part of the route's path is called {path.%s}: variables of path_pattern and groups of path_regex have names", name)
	}
	return 0, fmt.Errorf("no part of the route's path is called {path.%s}; there are {path.%s}", name, strings.Join(names, "}, {path."))
}

// rest returns what follows the prefix: it begins with "/" or is empty.
func (r *Route) rest(path []byte) []byte {
	if tail, ok := bytes.CutPrefix(path, r.prefix); ok && (len(tail) == 0 || tail[0] == '/') {
		return tail
	}
	return path
}

// match remembers where the groups of a regex are, once one was asked for.
type match struct {
	done   bool
	groups []int
}

// find returns the part of the path that param has found the name of, nil when the
// path has no such part.
func (r *Route) find(path []byte, i int, m *match) []byte {
	if r.regex == nil {
		return segment(path, i)
	}
	if !m.done {
		m.groups, m.done = r.regex.FindSubmatchIndex(path), true
	}
	if 2*i+1 >= len(m.groups) || m.groups[2*i] < 0 {
		return nil
	}
	return path[m.groups[2*i]:m.groups[2*i+1]]
}

// segment returns the i-th segment of a path, from 0.
func segment(path []byte, i int) []byte {
	for ; ; i-- {
		if len(path) == 0 {
			return nil
		}
		s := path[1:]
		end := bytes.IndexByte(s, '/')
		if end < 0 {
			end = len(s)
		}
		if i == 0 {
			return s[:end]
		}
		path = s[end:]
	}
}
