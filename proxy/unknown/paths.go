package unknown

import (
	"cmp"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Paths counts requests by host and by the shape of their path. Its methods may be
// called at any time from anywhere.
type Paths struct {
	most   int
	missed atomic.Uint64

	mu       sync.Mutex
	requests uint64
	index    map[string]*entry
	heap     []*entry // by count, the least first
	key      []byte   // space of Note
}

// entry is one path. It is in the heap at its place.
type entry struct {
	key         string // host, 0, path
	hostLen     int
	place       int
	count       uint64
	over        uint64 // count may be too high by this
	first, last time.Duration
	methods     []string
	example     string
	callers     callers
}

// New returns one that keeps so many paths, at least one.
func New(most int) *Paths {
	most = max(1, most)
	return &Paths{most: most, index: make(map[string]*entry)}
}

// Note counts a request at a wall time since the Unix epoch. The host is in lower
// case and without its port, the path in normal form, method one of a bounded set,
// and caller a digest of who asks. Note does not wait: of requests that come at the
// very same moment one counts, and the others are Missed.
func (p *Paths) Note(now time.Duration, host, path []byte, method string, caller uint64) {
	if !p.mu.TryLock() {
		p.missed.Add(1)
		return
	}
	defer p.mu.Unlock()
	p.requests++
	host = host[:min(len(host), maxHost)]
	b := append(p.key[:0], host...)
	b = append(b, 0)
	b = appendShape(b, path)
	p.key = b
	e := p.index[string(b)]
	if e == nil {
		e = p.takeLocked(b, len(host))
		e.first = now
		e.example = string(path[:min(len(path), 2*maxPath)])
	}
	e.count++
	e.last = now
	if !slices.Contains(e.methods, method) {
		e.methods = append(e.methods, method)
	}
	e.callers.note(caller)
	p.downLocked(e.place)
}

// takeLocked returns an entry for a new key: a fresh one, or the one of the path
// that was asked for least, whose count goes on (that is Space-Saving).
func (p *Paths) takeLocked(key []byte, hostLen int) *entry {
	var e *entry
	if len(p.heap) < p.most {
		e = &entry{place: len(p.heap)}
		p.heap = append(p.heap, e)
		p.upLocked(e.place) // its count is 0
	} else {
		e = p.heap[0]
		delete(p.index, e.key)
		*e = entry{place: 0, count: e.count, over: e.count, methods: e.methods[:0]}
	}
	e.key, e.hostLen = string(key), hostLen
	p.index[e.key] = e
	return e
}

func (p *Paths) upLocked(i int) {
	for i > 0 {
		parent := (i - 1) / 2
		if p.heap[parent].count <= p.heap[i].count {
			return
		}
		p.swapLocked(i, parent)
		i = parent
	}
}

func (p *Paths) downLocked(i int) {
	for {
		least := i
		for _, child := range [...]int{2*i + 1, 2*i + 2} {
			if child < len(p.heap) && p.heap[child].count < p.heap[least].count {
				least = child
			}
		}
		if least == i {
			return
		}
		p.swapLocked(i, least)
		i = least
	}
}

func (p *Paths) swapLocked(i, j int) {
	h := p.heap
	h[i], h[j] = h[j], h[i]
	h[i].place, h[j].place = i, j
}

// Path is one path that no route takes.
type Path struct {
	// Host is empty for requests without one.
	Host string
	// Shape is the path with {n} and {id} in place of what looks like a number
	// or an id.
	Shape string
	// Methods are those that were seen, in that order.
	Methods []string
	// Requests is how many there were, too high by at most Over.
	Requests, Over uint64
	// Callers estimates how many asked. Top are those who ask most, with counts
	// that may be too high.
	Callers int
	Top     []Caller
	// First and Last are wall times since the Unix epoch.
	First, Last time.Duration
	// Example is the path of the first request. It is not to be shown: it may hold
	// what Shape hides.
	Example string
}

// Caller is one who asks, by digest.
type Caller struct {
	Digest   uint64
	Requests uint64
}

// Totals tells how many requests were counted, how many were not because others
// came at that moment, and how many paths are told apart.
func (p *Paths) Totals() (requests, missed uint64, paths int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.requests, p.missed.Load(), len(p.heap)
}

// Top returns the n paths that are asked for most, the most first.
func (p *Paths) Top(n int) []Path {
	p.mu.Lock()
	defer p.mu.Unlock()
	sorted := slices.Clone(p.heap)
	slices.SortFunc(sorted, func(a, b *entry) int {
		// What is certain comes first: a count that is all doubt means little.
		return cmp.Or(cmp.Compare(b.count-b.over, a.count-a.over), cmp.Compare(b.count, a.count), cmp.Compare(a.key, b.key))
	})
	list := make([]Path, 0, min(n, len(sorted)))
	for _, e := range sorted[:min(n, len(sorted))] {
		list = append(list, Path{
			Host: e.key[:e.hostLen], Shape: e.key[e.hostLen+1:], Methods: slices.Clone(e.methods),
			Requests: e.count, Over: e.over, Callers: e.callers.estimate(), Top: e.callers.top(),
			First: e.first, Last: e.last, Example: e.example,
		})
	}
	return list
}
