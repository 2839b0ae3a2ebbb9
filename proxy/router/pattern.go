package router

import "bytes"

// A branch of the tree of patterns, one level a segment.
type branch struct {
	literals map[string]*branch
	variable *branch
	end      *leaf
}

// at returns the branch of a pattern, growing the tree as needed.
func (b *branch) at(parts []segment) *branch {
	for _, part := range parts {
		next := b.variable
		if !part.variable {
			next = b.literals[part.literal]
		}
		if next == nil {
			next = &branch{}
			switch {
			case part.variable:
				b.variable = next
			case b.literals == nil:
				b.literals = map[string]*branch{part.literal: next}
			default:
				b.literals[part.literal] = next
			}
		}
		b = next
	}
	return b
}

// find tries the patterns that cover path in their order, literals before
// variables from left to right, until one of them yields a rule. A path is
// what is left of it, from a slash on.
func (b *branch) find(s *search, path []byte) int {
	for len(path) > 0 {
		end := bytes.IndexByte(path[1:], '/') + 1
		if end == 0 {
			end = len(path)
		}
		next, variable := b.literals[string(path[1:end])], b.variable
		if end == 1 {
			variable = nil // which is never empty
		}
		path = path[end:]
		switch {
		case next == nil:
			next = variable
		case variable != nil:
			if i := next.find(s, path); i >= 0 {
				return i
			}
			next = variable
		}
		if next == nil {
			return NoRoute
		}
		b = next
	}
	return s.try(b.end)
}

// each calls f for every leaf below and at b, which may be nil.
func (b *branch) each(f func(*leaf)) {
	if b == nil {
		return
	}
	f(b.end)
	b.variable.each(f)
	for _, next := range b.literals {
		next.each(f)
	}
}
