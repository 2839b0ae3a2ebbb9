package router

import (
	"encoding/binary"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
)

// Bounds of what language questions may cost. Past them the answer is "not
// known", which is taken for no.
const (
	maxStates = 1000  // of one automaton
	maxTuples = 20000 // of states visited together
)

// normalPaths describes the octets of paths that Normalize returns: what stands
// bare, and the escapes of what does not.
const normalPaths = `/(?:[A-Za-z0-9\-._~!$&'()*+,;=:@/]|%(?:0[1-9A-F]|[189A-F][0-9A-F]|2[0-9A-CF]|3[A-F]|[46]0|5[BDE]|7[B-DF]))*`

// An automaton is a deterministic automaton over ASCII, built from a regular
// expression as far as it is walked.
type automaton struct {
	prog   *syntax.Prog
	states []state
	known  map[string]int
	full   bool // a bound was met, or the expression looks at word boundaries
}

type state struct {
	set  []int    // instructions to go on from, sorted
	next [128]int // by octet: 0 not computed, else the state plus one
}

// dead is the state without instructions, from which nothing is accepted.
const dead = 0

// newAutomaton builds the automaton of all of an expression that compiles.
func newAutomaton(expression string) *automaton {
	a := &automaton{known: map[string]int{}}
	tree, err := syntax.Parse(expression, syntax.Perl)
	if err == nil {
		a.prog, err = syntax.Compile(tree.Simplify())
	}
	if err != nil {
		a.full = true
		return a
	}
	a.state(nil)
	return a
}

// start is the state before the first octet.
func (a *automaton) start() int {
	if a.full {
		return dead
	}
	return a.state([]int{a.prog.Start})
}

func (a *automaton) state(set []int) int {
	var key []byte
	for _, pc := range set {
		key = binary.AppendVarint(key, int64(pc))
	}
	if i, ok := a.known[string(key)]; ok {
		return i
	}
	if len(a.states) == maxStates {
		a.full = true
		return dead
	}
	i := len(a.states)
	a.known[string(key)] = i
	a.states = append(a.states, state{set: set})
	return i
}

// step is the state after one more octet. First says that it is the first.
func (a *automaton) step(from int, c byte, first bool) int {
	if to := a.states[from].next[c]; to > 0 && !first {
		return to - 1
	}
	var set []int
	for pc := range a.closure(from, first, false) {
		if in := &a.prog.Inst[pc]; in.Op != syntax.InstMatch && in.MatchRune(rune(c)) {
			set = append(set, int(in.Out))
		}
	}
	slices.Sort(set)
	to := a.state(slices.Compact(set))
	if !first {
		a.states[from].next[c] = to + 1
	}
	return to
}

// accepts reports whether the text may end in a state, after its first octet.
func (a *automaton) accepts(at int) bool {
	for pc := range a.closure(at, false, true) {
		if a.prog.Inst[pc].Op == syntax.InstMatch {
			return true
		}
	}
	return false
}

// closure is the set of instructions that read an octet or match, reachable
// from a state at the given ends of the text. Lines have no part in it: paths
// hold no line feed.
func (a *automaton) closure(at int, first, last bool) map[int]bool {
	out, seen := map[int]bool{}, map[int]bool{}
	todo := slices.Clone(a.states[at].set)
	for len(todo) > 0 {
		pc := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if seen[pc] {
			continue
		}
		seen[pc] = true
		switch in := &a.prog.Inst[pc]; in.Op {
		case syntax.InstAlt, syntax.InstAltMatch:
			todo = append(todo, int(in.Out), int(in.Arg))
		case syntax.InstCapture, syntax.InstNop:
			todo = append(todo, int(in.Out))
		case syntax.InstEmptyWidth:
			op := syntax.EmptyOp(in.Arg & 0xFF)
			if op&(syntax.EmptyWordBoundary|syntax.EmptyNoWordBoundary) != 0 {
				a.full = true
				continue
			}
			if op&(syntax.EmptyBeginText|syntax.EmptyBeginLine) != 0 && !first ||
				op&(syntax.EmptyEndText|syntax.EmptyEndLine) != 0 && !last {
				continue
			}
			todo = append(todo, int(in.Out))
		case syntax.InstFail:
		default:
			out[pc] = true
		}
	}
	return out
}

// member returns a shortest text that all the automata of one and none of the
// automata of other accept, among texts that begin with a slash. It reports
// whether the answer is sure; a sure "" is that there is no such text.
func member(one, other []*automaton) (text string, sure bool) {
	all := slices.Concat(one, other)
	type tuple [3]int // a state of each automaton
	type step struct {
		at   tuple
		from int
		c    byte
	}
	var queue []step
	seen := map[tuple]bool{}
	walk := func(from int, c byte) {
		var to tuple
		for k, a := range all {
			if from < 0 {
				to[k] = a.step(a.start(), c, true)
			} else {
				to[k] = a.step(queue[from].at[k], c, false)
			}
			if k < len(one) && to[k] == dead {
				return
			}
		}
		if !seen[to] {
			seen[to] = true
			queue = append(queue, step{to, from, c})
		}
	}
	bounded := func() bool {
		return len(queue) > maxTuples || slices.ContainsFunc(all, func(a *automaton) bool { return a.full })
	}
	if bounded() {
		return "", false
	}
	walk(-1, '/')
	for i := 0; i < len(queue); i++ {
		ok := true
		for k, a := range all {
			ok = ok && a.accepts(queue[i].at[k]) == (k < len(one))
		}
		if bounded() {
			return "", false
		}
		if ok {
			var back []byte
			for j := i; j >= 0; j = queue[j].from {
				back = append(back, queue[j].c)
			}
			slices.Reverse(back)
			return string(back), true
		}
		for c := byte('!'); c <= '~'; c++ {
			walk(i, c)
		}
	}
	return "", !bounded()
}

// expression is a regular expression for just the paths that a rule covers.
func (m *matcher) expression() string {
	switch m.kind {
	case exact:
		return regexp.QuoteMeta(m.path)
	case pattern:
		var b strings.Builder
		for _, part := range m.parts {
			b.WriteByte('/')
			if part.variable {
				b.WriteString("[^/]+")
			} else {
				b.WriteString(regexp.QuoteMeta(part.literal))
			}
		}
		return b.String()
	case regex:
		return m.path
	}
	if m.path == "" {
		return "/.*"
	}
	return regexp.QuoteMeta(m.path) + "(?:/.*)?"
}
