package router

// A search is one request on its way through the trees.
type search struct {
	q       *Request
	method  methods // one bit
	missed  bool    // a rule did not have the method
	collect bool    // yield no rule, gather allow
	allow   methods // of rules that only lack the method
}

// Match finds the rule for a request. It allocates nothing, unless Lookup does.
func (r *Router) Match(q *Request) Match {
	if len(q.Path) == 0 || q.Path[0] != '/' {
		return Match{Rule: NoRoute}
	}
	s := search{q: q, method: r.verbs.bit(q.Method)}
	if i := r.find(&s); i >= 0 {
		return Match{Rule: i}
	}
	if s.missed {
		s.collect = true
		r.find(&s)
	}
	if s.allow != 0 {
		return Match{Rule: MethodNotAllowed, allow: s.allow}
	}
	if r.after != nil {
		return r.after.Match(q)
	}
	return Match{Rule: NoRoute}
}

// AppendAllow appends the value of the Allow field (RFC 9110, 10.2.1) that goes
// with MethodNotAllowed to dst: the methods of all rules that cover the request
// but for its method. For any other match it appends nothing.
func (r *Router) AppendAllow(dst []byte, m Match) []byte {
	separator := ""
	for i, name := range r.verbs.names {
		if m.allow&(1<<i) != 0 {
			dst = append(dst, separator...)
			dst = append(dst, name...)
			separator = ", "
		}
	}
	return dst
}

// KnownHost reports whether a rule names the host, itself or by a wildcard.
func (r *Router) KnownHost(host []byte) bool {
	known := false
	r.visit(host, func(*tier) bool {
		known = true
		return true
	})
	if !known && r.after != nil {
		return r.after.KnownHost(host)
	}
	return known
}

// find goes through the tiers, most specific host first.
func (r *Router) find(s *search) int {
	if r.any == nil || len(r.hosts) > 1 {
		found := NoRoute
		r.visit(s.q.Host, func(t *tier) bool {
			found = t.find(s)
			return found >= 0
		})
		if found >= 0 {
			return found
		}
	}
	if r.any == nil {
		return NoRoute
	}
	return r.any.find(s)
}

// visit calls f for the tiers of a host but that of any host, most specific
// first, until it returns true.
func (r *Router) visit(host []byte, f func(*tier) bool) {
	// What lies before the last maxHost+1 octets cannot matter: no key is longer.
	var buf [maxHost + 2]byte
	host = bareHost(host)
	whole := len(host) <= maxHost
	if len(host) > len(buf) {
		host = host[len(host)-len(buf):]
	}
	name := buf[:len(host)]
	for i, c := range host {
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		}
		name[i] = c
	}
	if whole && len(name) > 0 && name[0] != '.' {
		if t := r.hosts[string(name)]; t != nil && f(t) {
			return
		}
	}
	if !r.wildcards {
		return
	}
	for i := 1; i < len(name); i++ {
		if name[i] == '.' && len(name)-i < len(r.suffixes) && r.suffixes[len(name)-i] {
			if t := r.hosts[string(name[i:])]; t != nil && f(t) {
				return
			}
		}
	}
}

// find goes through the paths of a tier, most specific first.
func (t *tier) find(s *search) int {
	path := s.q.Path
	exact, longest := t.paths.find(path)
	if i := s.try(exact); i >= 0 {
		return i
	}
	if t.patterns != nil {
		if i := t.patterns.find(s, path); i >= 0 {
			return i
		}
	}
	if i := s.try(t.regexes); i >= 0 {
		return i
	}
	for l := longest; l != nil; l = l.up {
		if i := s.try(l); i >= 0 {
			return i
		}
	}
	return NoRoute
}

// try goes through the rules of one leaf, nil for none.
func (s *search) try(l *leaf) int {
	if l == nil {
		return NoRoute
	}
	if s.collect {
		s.gather(l)
		return NoRoute
	}
	rules := l.rules
	if s.method == head {
		rules = l.head
	}
	for i := range rules {
		c := &rules[i]
		if c.methods&s.method == 0 {
			s.missed = true
			continue
		}
		if c.more == nil || c.more.hold(s.q) {
			return c.rule
		}
	}
	return NoRoute
}

// gather adds the methods of the rules that hold but for their method.
func (s *search) gather(l *leaf) {
	for i := range l.rules {
		c := &l.rules[i]
		if c.methods&s.method == 0 && c.more.hold(s.q) {
			s.allow |= c.methods
		}
	}
}
