package main

import "time"

// A contender is one way of limiting.
type contender struct {
	name string
	make func(q quota, k *keys) asker
}

// An asker asks whether client i may proceed now, and says whether it may.
type asker func(i int) bool

// A quota is how many may proceed in a window, all of them at once if need be.
type quota struct {
	limit  int64
	window time.Duration
	// most is how many clients are to be remembered, for those that bound it.
	most int
}

func (q quota) perSecond() float64 { return float64(q.limit) / q.window.Seconds() }

func contenders() []contender { return append(ours(), others()...) }

// must returns v; no contender is told anything that it might refuse.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
