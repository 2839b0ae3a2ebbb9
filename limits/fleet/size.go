package fleet

import (
	"slices"
	"time"
)

// Hold is how long a gateway that is not listed any more is counted all the same.
// It is longer than a gateway takes that restarts, and than a check takes that is
// late because an agent was away.
const Hold = 10 * time.Second

// View is what the list of the fleet's passing gateways says to one of them.
type View struct {
	// Passing is how many are listed, whoever looks included if it is.
	Passing int
	// Rank is how many of them come before the one that looks, in an order that
	// is the same to all.
	Rank int
	// Listed says that the one that looks is among them.
	Listed bool
}

// Size is how large a gateway takes its fleet to be. It believes at once that
// there are more gateways, which makes shares smaller, and only after Hold that
// there are fewer. Who is not listed itself, because it has just started, is
// draining, or is cut off from the others, counts itself, and never believes that
// there are fewer: it may be the one that is mistaken.
//
// The zero value knows nothing, and takes the gateway to be alone. It belongs to
// one goroutine.
type Size struct {
	seen   bool
	rank   int
	listed int
	// recent are the larger numbers of late, each with the moment until which it
	// counts: the numbers fall, the moments rise.
	recent []counted
}

type counted struct {
	gateways int
	until    time.Duration
}

// See takes in a new list, at a moment of a monotonic clock.
func (s *Size) See(v View, at time.Duration) {
	n := max(1, v.Passing)
	if !v.Listed {
		n = v.Passing + 1
		if s.seen {
			n = max(n, s.Share(at).Gateways)
		}
	}
	if s.seen {
		s.recent = append(s.recent, counted{s.listed, at + Hold})
	}
	s.seen, s.listed, s.rank = true, n, v.Rank
	s.settle(at)
	// What is not more than a later one never counts again.
	least := n
	for i, c := range slices.Backward(s.recent) {
		if c.gateways <= least {
			s.recent = slices.Delete(s.recent, i, i+1)
			continue
		}
		least = c.gateways
	}
}

// settle forgets what does not count any more.
func (s *Size) settle(at time.Duration) {
	s.recent = slices.DeleteFunc(s.recent, func(c counted) bool { return c.until <= at })
}

// Known reports whether any list has been seen.
func (s *Size) Known() bool { return s.seen }

// Share is the gateway's share at a moment that is not earlier than any before.
func (s *Size) Share(at time.Duration) Share {
	s.settle(at)
	n := max(1, s.listed)
	if len(s.recent) > 0 {
		n = max(n, s.recent[0].gateways)
	}
	return Share{Gateways: n, Rank: min(s.rank, n-1)}
}

// Next is the moment at which the share will change if no other list is seen;
// false if it won't.
func (s *Size) Next() (time.Duration, bool) {
	if len(s.recent) == 0 {
		return 0, false
	}
	return s.recent[0].until, true
}
