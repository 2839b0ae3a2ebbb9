package router

import "strings"

// A node of a radix tree over the octets of exact paths and prefixes. The
// labels on the way from the root spell the path.
type node struct {
	label  string
	first  string // first octets of the children's labels, in their order
	below  []node
	exact  *leaf
	prefix *leaf
}

// at returns the node of a path, growing the tree as needed. The pointer is
// good until the next call.
func (n *node) at(path string) *node {
	for path != "" {
		i := strings.IndexByte(n.first, path[0])
		if i < 0 {
			n.first += path[:1]
			n.below = append(n.below, node{label: path})
			return &n.below[len(n.below)-1]
		}
		child := &n.below[i]
		same := 0
		for same < len(child.label) && same < len(path) && child.label[same] == path[same] {
			same++
		}
		if same < len(child.label) {
			rest := *child
			rest.label = rest.label[same:]
			*child = node{label: path[:same], first: rest.label[:1], below: []node{rest}}
		}
		n, path = child, path[same:]
	}
	return n
}

// chain makes every prefix know the next shorter one, up being that of n. A
// prefix is shorter by whole segments: that of /ab is not /a.
func (n *node) chain(up *leaf) {
	under := up
	if n.prefix != nil {
		n.prefix.up = up
		under = n.prefix
	}
	for i := range n.below {
		if child := &n.below[i]; child.label[0] == '/' {
			child.chain(under)
		} else {
			child.chain(up)
		}
	}
}

// find returns the leaf of the exact path and that of the longest prefix that
// covers it, nil where there is none.
func (n *node) find(path []byte) (exact, longest *leaf) {
	i := 0
	for {
		if n.prefix != nil && (i == len(path) || path[i] == '/') {
			longest = n.prefix
		}
		if i == len(path) {
			return n.exact, longest
		}
		k := strings.IndexByte(n.first, path[i])
		if k < 0 {
			return nil, longest
		}
		n = &n.below[k]
		end := i + len(n.label)
		if end > len(path) || string(path[i:end]) != n.label {
			return nil, longest
		}
		i = end
	}
}

// each calls f for every leaf below and at n.
func (n *node) each(f func(*leaf)) {
	f(n.exact)
	f(n.prefix)
	for i := range n.below {
		n.below[i].each(f)
	}
}
