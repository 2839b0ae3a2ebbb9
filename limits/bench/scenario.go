package main

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"time"
)

// A scenario measures a contender and fills in some columns of the table.
type scenario struct {
	columns []column
	run     func(c contender, s scale) ([]float64, error)
}

// A column is a head and the format of its numbers.
type column struct{ head, format string }

// scale is how much is measured.
type scale struct {
	keys *keys
	turn time.Duration // for which one thing is timed
}

func scenarios() []scenario {
	return []scenario{
		{[]column{{"passes", "%.0f ns"}, {"allocates", "%.0f"}}, oneKeyPasses},
		{[]column{{"refused", "%.0f ns"}}, oneKeyRefused},
		{[]column{{"two at once", "%.0f ns"}}, twoOneKey},
		{[]column{{"many keys", "%.0f ns"}, {"memory a key", "%.0f B"}, {"a collection", "%.1f ms"}}, manyKeys},
		{[]column{{"10 in a flood", "%.0f"}}, flood},
	}
}

// unending is a quota that nobody can use up: a decision takes longer than a unit
// takes to come back.
func unending() quota { return quota{limit: 2e8, window: time.Second, most: 1000} }

func oneKeyPasses(c contender, s scale) ([]float64, error) {
	ask := c.make(unending(), s.keys)
	refused := 0
	one := func() {
		if !ask(0) {
			refused++
		}
	}
	ns := timeOf(s.turn, one)
	var before, after runtime.MemStats
	const asked = 10_000
	runtime.ReadMemStats(&before)
	for range asked {
		one()
	}
	runtime.ReadMemStats(&after)
	if refused > 0 {
		return nil, fmt.Errorf("%d refused", refused)
	}
	return []float64{ns, float64((after.Mallocs - before.Mallocs) / asked)}, nil
}

func oneKeyRefused(c contender, s scale) ([]float64, error) {
	ask := c.make(quota{limit: 1, window: time.Hour, most: 1000}, s.keys)
	if !ask(0) {
		return nil, fmt.Errorf("the first is refused")
	}
	passed := 0
	ns := timeOf(s.turn, func() {
		if ask(0) {
			passed++
		}
	})
	if passed > 0 {
		return nil, fmt.Errorf("%d passed", passed)
	}
	return []float64{ns}, nil
}

func twoOneKey(c contender, s scale) ([]float64, error) {
	ask := c.make(unending(), s.keys)
	ns := timeOfTwo(s.turn, func() { ask(0) })
	return []float64{ns}, nil
}

// manyKeys meets every key once, counts what that takes of memory, and then asks
// for random ones.
func manyKeys(c contender, s scale) ([]float64, error) {
	k := *s.keys
	k.fresh = true
	before := heap()
	ask := c.make(quota{limit: 60, window: time.Hour, most: k.count()}, &k)
	for i := range k.count() {
		if !ask(i) {
			return nil, fmt.Errorf("key %d is refused", i)
		}
	}
	size := (heap() - before) / float64(k.count())
	// On one CPU nobody looks around for work that another may have left.
	all := runtime.GOMAXPROCS(1)
	collected := spent()
	runtime.GC()
	collected = spent() - collected
	runtime.GOMAXPROCS(all)

	k.fresh = false
	r := rand.New(rand.NewPCG(1, 1)) //nolint:gosec // nobody gains by guessing them
	ns := timeOf(s.turn, func() { ask(r.IntN(k.count())) })
	runtime.KeepAlive(ask)
	return []float64{ns, size, collected.Seconds() * 1e3}, nil
}

// flood exhausts a client's budget of ten an hour and then meets twice as many
// fresh clients as are to be remembered; five times. It returns how many the one
// client got.
func flood(c contender, s scale) ([]float64, error) {
	const waves = 5
	wave := (min(s.keys.count(), 200_000) - 1) / waves
	ask := c.make(quota{limit: 10, window: time.Hour, most: wave / 2}, s.keys)
	granted, refused := 0, 0
	for w := range waves {
		for range 20 {
			if ask(0) {
				granted++
			}
		}
		for i := range wave {
			if !ask(1 + w*wave + i) {
				refused++
			}
		}
	}
	if refused > 0 {
		return nil, fmt.Errorf("%d fresh clients are refused", refused)
	}
	return []float64{float64(granted)}, nil
}

// heap is what is reachable, in bytes.
func heap() float64 {
	runtime.GC()
	runtime.GC() // what a finalizer let go in the first
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}
