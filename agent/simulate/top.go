package simulate

import (
	"cmp"
	"slices"
)

// mostTop is how many keys a top follows at once.
const mostTop = 512

// top finds the keys with the largest counts in constant memory, by the Space-Saving
// algorithm (Metwally et al. 2005): a key that is new when the table is full takes
// the place of the least, and its count, which is then how much it may be counted too
// high. A key that has more than one in mostTop of all counts is in the table.
type top[V any] struct {
	at   map[uint64]int
	heap []counter[V] // the least first
}

type counter[V any] struct {
	hash     uint64
	n, error uint64
	value    V
}

// get returns what is known of a key, the zero value when nothing is.
func (t *top[V]) get(hash uint64) (v V) {
	if i, ok := t.at[hash]; ok {
		return t.heap[i].value
	}
	return v
}

// add begins to follow a key, and returns the value.
func (t *top[V]) add(hash uint64, v V) V {
	if t.at == nil {
		t.at = make(map[uint64]int, mostTop)
	}
	if len(t.heap) < mostTop {
		t.heap = append(t.heap, counter[V]{hash: hash, value: v})
		t.at[hash] = len(t.heap) - 1
		t.up(len(t.heap) - 1)
		return v
	}
	least := &t.heap[0]
	delete(t.at, least.hash)
	*least = counter[V]{hash: hash, n: least.n, error: least.n, value: v}
	t.at[hash] = 0
	return v
}

// count adds one to a key that is followed.
func (t *top[V]) count(hash uint64) {
	i := t.at[hash]
	t.heap[i].n++
	for {
		down := 2*i + 1
		if down >= len(t.heap) {
			return
		}
		if down+1 < len(t.heap) && t.heap[down+1].n < t.heap[down].n {
			down++
		}
		if t.heap[down].n >= t.heap[i].n {
			return
		}
		t.swap(i, down)
		i = down
	}
}

func (t *top[V]) up(i int) {
	for i > 0 && t.heap[i].n < t.heap[(i-1)/2].n {
		t.swap(i, (i-1)/2)
		i = (i - 1) / 2
	}
}

func (t *top[V]) swap(i, j int) {
	h := t.heap
	h[i], h[j] = h[j], h[i]
	t.at[h[i].hash], t.at[h[j].hash] = i, j
}

// list returns the n largest, those of one count in the order of text.
func (t *top[V]) list(n int, text func(V) string) []counter[V] {
	all := slices.Clone(t.heap)
	slices.SortFunc(all, func(a, b counter[V]) int {
		return cmp.Or(cmp.Compare(b.n, a.n), cmp.Compare(text(a.value), text(b.value)))
	})
	return all[:min(n, len(all))]
}
