package fleet

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lictor/lictor/limits"
)

func at(d time.Duration) limits.Time {
	return limits.Time{Mono: d, Wall: d + 20000*24*time.Hour}
}

var key = []byte("k")

func start(whole limits.Spec, cost int64, share Share) *Limiter {
	l, adoption := New(whole, cost, limits.Options{}, share, nil)
	adoption.Commit(at(0))
	return l
}

// spend takes units of one until there are none.
func spend(l limits.Limiter, now limits.Time) int {
	for n := 0; ; n++ {
		if !l.Take(key, 1, now).Allowed {
			return n
		}
	}
}

func TestLimiterGrantsItsShare(t *testing.T) {
	t.Parallel()
	l := start(bucket(6, time.Second, 11), 1, Share{3, 2})
	if n := spend(l, at(0)); n != 3 {
		t.Errorf("%d passed, want 3", n)
	}
	if p := l.Policy(); p.Quota != 3 || p.Interval != 500*time.Millisecond {
		t.Errorf("the policy is %+v", p)
	}
	if d := l.Peek(key, 1, at(0)); d.Allowed || d.RetryAfter != 500*time.Millisecond {
		t.Errorf("%+v", d)
	}
	l.Refund(key, 1, at(0))
	if n := spend(l, at(0)); n != 1 {
		t.Errorf("%d passed after a refund, want 1", n)
	}
	if l.Keys() != 1 || len(l.Top(5, at(0))) != 1 {
		t.Errorf("%d keys, %v", l.Keys(), l.Top(5, at(0)))
	}
}

// What is used stays used when the share changes, and what remains grows by no
// more than the share does.
func TestShareChanges(t *testing.T) {
	t.Parallel()
	for name, whole := range map[string]limits.Spec{
		"token bucket":   bucket(1, time.Hour, 12),
		"fixed window":   limits.FixedWindowSpec{Limit: 12, Window: time.Hour},
		"sliding window": limits.SlidingWindowSpec{Limit: 12, Window: time.Hour, Precision: limits.PrecisionCounter},
		"log":            limits.SlidingWindowSpec{Limit: 12, Window: time.Hour, Precision: limits.PrecisionLog},
		"buckets":        limits.SlidingWindowSpec{Limit: 12, Window: time.Hour, Precision: limits.PrecisionBuckets, Buckets: 10},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var group Limiters
			l := start(whole, 1, group.Share())
			group.Follow([]*Limiter{l}, at(0))
			for range 5 {
				l.Take(key, 1, at(0))
			}
			for _, step := range []struct {
				share Share
				want  int64
			}{{Share{2, 0}, 1}, {Share{3, 0}, 0}, {Share{2, 0}, 2}, {Share{1, 0}, 8}, {Share{2, 1}, 2}} {
				group.Set(step.share, at(0))
				if got := l.Peek(key, 0, at(0)).Remaining; got != step.want || l.Share() != step.share {
					t.Errorf("%v: %d remain, want %d", step.share, got, step.want)
				}
			}
		})
	}
}

// A reload of the same numbers goes on with the budgets, whatever the share has
// become meanwhile; so does whoever still asks the limiter of before.
func TestReloadBesideAChange(t *testing.T) {
	t.Parallel()
	whole := bucket(1, time.Hour, 12)
	var group Limiters
	old := start(whole, 1, Share{})
	group.Follow([]*Limiter{old}, at(0))
	for range 5 {
		old.Take(key, 1, at(0))
	}
	next, adoption := New(whole, 1, limits.Options{}, group.Share(), old)
	group.Set(Share{2, 0}, at(0)) // of the old one, between the reload's two steps
	adoption.Commit(at(0))
	group.Follow([]*Limiter{next}, at(0))
	if d := next.Take(key, 1, at(0)); !d.Allowed || d.Remaining != 0 || next.Share() != (Share{2, 0}) {
		t.Errorf("%+v", d)
	}
	if d := old.Take(key, 1, at(0)); d.Allowed {
		t.Errorf("the limiter of before the reload: %+v", d)
	}
}

// A fleet whose gateways come and go grants what the limit does, and for each
// change at most one share of the burst more. Each gateway sees the same lists,
// some later than others.
func TestFleetGrantsTheLimit(t *testing.T) {
	t.Parallel()
	const (
		rate, burst = 100, 60
		most        = 5
		length      = 2 * time.Minute
		tick        = 4 * time.Millisecond
	)
	type gateway struct {
		size    Size
		group   Limiters
		limiter *Limiter
		up      bool
	}
	type news struct {
		at   time.Duration
		who  int
		view View
	}
	for seed := range uint64(3) {
		random := rand.New(rand.NewPCG(seed, 1))
		fleet := make([]gateway, most)
		var pending []news
		changes := 0
		announce := func(now time.Duration) {
			rank := 0
			passing := 0
			for i := range fleet {
				if fleet[i].up {
					passing++
				}
			}
			for i := range fleet {
				if !fleet[i].up {
					continue
				}
				late := time.Duration(random.Int64N(int64(200 * time.Millisecond)))
				pending = append(pending, news{now + late, i, View{passing, rank, true}})
				rank++
			}
		}
		launch := func(i int, now time.Duration) {
			others, before := 0, 0
			for j := range fleet {
				if fleet[j].up {
					others++
					if j < i {
						before++
					}
				}
			}
			fleet[i] = gateway{up: true}
			g := &fleet[i]
			g.size.See(View{others, before, false}, now)
			g.group.Set(g.size.Share(now), at(now))
			g.limiter = start(bucket(rate, time.Second, burst), 1, g.group.Share())
			g.group.Follow([]*Limiter{g.limiter}, at(now))
			announce(now)
		}
		for i := range 3 {
			launch(i, 0)
		}
		granted := 0
		for now := time.Duration(0); now < length; now += tick {
			if random.IntN(2500) == 0 { // about every 10 s
				i := random.IntN(most)
				if fleet[i].up && i > 0 {
					fleet[i].up = false
					announce(now)
				} else if !fleet[i].up {
					launch(i, now)
				}
				changes++
			}
			var later []news
			for _, p := range pending {
				if p.at > now {
					later = append(later, p)
				} else if fleet[p.who].up {
					fleet[p.who].size.See(p.view, now)
				}
			}
			pending = later
			for i := range fleet {
				g := &fleet[i]
				if !g.up {
					continue
				}
				g.group.Set(g.size.Share(now), at(now))
				for range 1 + random.IntN(2) { // all of them together ask for far more than there is
					if g.limiter.Take(key, 1, at(now)).Allowed {
						granted++
					}
				}
			}
		}
		// A share is at most half as long as there are others.
		bound := burst + int(length.Seconds())*rate + (changes+3)*burst/2 + changes*rate/5
		if least := int(length.Seconds()) * rate / 2; granted > bound || granted < least || changes < 5 {
			t.Errorf("seed %d: %d were granted over %d changes, want from %d to %d", seed, granted, changes, least, bound)
		}
	}
}

// Requests that are decided while shares change are decided once.
func TestChangesBesideRequests(t *testing.T) {
	t.Parallel()
	const burst = 50_000
	var group Limiters
	l := start(bucket(1, 1000*time.Hour, burst), 1, Share{})
	group.Follow([]*Limiter{l}, at(0))
	group.Set(Share{2, 0}, at(0))
	var granted atomic.Int64
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range burst / 2 {
				if l.Take(key, 1, at(0)).Allowed {
					granted.Add(1)
				}
			}
		})
	}
	wg.Go(func() {
		for i := range 200 { // never more than half, and never less than was used before it clamps
			group.Set(Share{2, i % 2}, at(0))
			for k := range 10 {
				l.Take(fmt.Append(nil, "other", k), 1, at(0))
			}
		}
	})
	wg.Wait()
	if n := granted.Load(); n != burst/2 {
		t.Errorf("%d were granted, want %d", n, burst/2)
	}
}
