package main

import (
	"slices"
	"time"

	"github.com/lictor/lictor/limits"
)

// A story is what became of all requests.
type story struct {
	subject  *subject
	requests []request
	// remaining is what a client is told that remains, at each moment at which
	// that changes.
	remaining []level
	// trailing counts the requests that went on in the window before the moment,
	// that is those at t or before, but after t - window.
	trailing []level
}

// A request is one arrival with its answer.
type request struct {
	at       time.Duration
	decision limits.Decision
}

// A level is a number from a moment on until the next level.
type level struct {
	at    time.Duration
	count int
}

// play asks a new limiter about every arrival.
func play(s subject) (*story, error) {
	spec, err := s.block.Spec()
	if err != nil {
		return nil, err
	}
	limiter := spec.New(limits.Options{MaxKeys: 1})
	st := &story{subject: &s}
	key := []byte("client")
	all := arrivals()
	st.follow(limiter.Peek(key, 0, moment(0)), 0, all[0], limiter)
	for i, at := range all {
		until := span
		if i+1 < len(all) {
			until = all[i+1]
		}
		d := limiter.Take(key, 1, moment(at))
		st.requests = append(st.requests, request{at: at, decision: d})
		st.follow(d, at, until, limiter)
	}
	st.count()
	return st, nil
}

// moment is when both clocks read the same: the picture begins at an edge of the
// windows.
func moment(t time.Duration) limits.Time { return limits.Time{Mono: t, Wall: t} }

// follow records what remains from an answer on, until the moment of the next
// request: an answer says when there will be more.
func (st *story) follow(d limits.Decision, at, until time.Duration, l limits.Limiter) {
	for {
		st.remaining = append(st.remaining, level{at, int(d.Remaining)})
		if d.NextAfter == 0 || at+d.NextAfter >= until {
			return
		}
		at += d.NextAfter
		d = l.Peek([]byte("client"), 0, moment(at))
	}
}

// count fills in trailing.
func (st *story) count() {
	steps := map[time.Duration]int{0: 0}
	for _, r := range st.requests {
		if r.decision.Allowed {
			steps[r.at+r.decision.Delay]++
			steps[r.at+r.decision.Delay+window]--
		}
	}
	moments := make([]time.Duration, 0, len(steps))
	for at := range steps {
		moments = append(moments, at)
	}
	slices.Sort(moments)
	n := 0
	for _, at := range moments {
		n += steps[at]
		if at < span {
			st.trailing = append(st.trailing, level{at, n})
		}
	}
}

func (st *story) passed() int {
	n := 0
	for _, r := range st.requests {
		if r.decision.Allowed {
			n++
		}
	}
	return n
}

func (st *story) refused() int { return len(st.requests) - st.passed() }

// most is the largest count of a trailing window.
func (st *story) most() int {
	n := 0
	for _, l := range st.trailing {
		n = max(n, l.count)
	}
	return n
}

// longestWait is the longest time for which a request was held.
func (st *story) longestWait() time.Duration {
	var d time.Duration
	for _, r := range st.requests {
		d = max(d, r.decision.Delay)
	}
	return d
}
