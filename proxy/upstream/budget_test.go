package upstream

import (
	"math/rand/v2"
	"testing"
	"time"
)

func TestBudget(t *testing.T) {
	for _, tc := range []struct {
		name     string
		requests []int // how many in each second from t0 on
		at       int   // the second in which retries are asked for
		want     int   // retries granted there
	}{
		{"nothing yet, the floor alone", nil, 0, 100},
		{"a fifth of the requests besides", []int{1000}, 0, 300},
		{"over all of the window", []int{1000, 1000, 1000}, 2, 700},
		{"a request counts for ten seconds", []int{1000}, 9, 300},
		{"and not for eleven", []int{1000}, 10, 100},
		{"after a long silence", []int{1000}, 1000, 100},
		{"rounded down", []int{4}, 0, 100},
		{"five requests allow one", []int{5}, 0, 101},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var b budget
			for s, n := range tc.requests {
				for range n {
					b.request(t0.Add(time.Duration(s) * time.Second))
				}
			}
			now := t0.Add(time.Duration(tc.at) * time.Second)
			got := 0
			for b.spend(now) {
				got++
			}
			if got != tc.want {
				t.Errorf("%d retries granted, want %d", got, tc.want)
			}
		})
	}
}

// In any ten seconds, retries stay within the budget, whatever the pattern and
// whatever the clock does; and a refusal means that the budget is really spent.
func TestBudgetHoldsInEveryWindow(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	var b budget
	requests, retries := map[int64]int64{}, map[int64]int64{}
	window := func(m map[int64]int64, last int64) (sum int64) {
		for s := last - budgetSeconds + 1; s <= last; s++ {
			sum += m[s]
		}
		return sum
	}
	now, newest := t0, t0.Unix()
	for range 200_000 {
		switch r.IntN(400) {
		case 0:
			now = now.Add(time.Duration(r.IntN(15000)) * time.Millisecond)
		case 1:
			now = now.Add(-time.Duration(r.IntN(3000)) * time.Millisecond) // a clock set back
		}
		newest = max(newest, now.Unix())
		if r.IntN(2) == 0 {
			b.request(now)
			requests[newest]++
			continue
		}
		room := (window(retries, newest)+1)*100 <= window(requests, newest)*retryPercent+retryFloor*budgetSeconds*100
		if got := b.spend(now); got != room {
			t.Fatalf("at %v: spend is %v, want %v", now, got, room)
		} else if got {
			retries[newest]++
		}
	}
}
