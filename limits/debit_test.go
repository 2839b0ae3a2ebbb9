package limits

import (
	"math"
	"math/rand/v2"
	"sync"
	"testing"
	"time"
)

func debtors() []Spec {
	return []Spec{
		TokenBucketSpec{Rate: Rate{Count: 1, Window: 10}, Burst: 4},
		LeakyBucketSpec{Rate: Rate{Count: 1, Window: 10}, Burst: 4},
		FixedWindowSpec{Limit: 4, Window: 40},
	}
}

// TestDebit: who owes waits until that has come back.
func TestDebit(t *testing.T) {
	key := []byte("key")
	for _, s := range debtors()[:2] {
		l := s.New(Options{}).(Debtor)
		l.Debit(key, 3, at(0)) // of a key never seen
		if d := l.Take(key, 1, at(0)); !d.Allowed || d.Remaining != 0 {
			t.Errorf("%+v: within the budget: %+v", s, d)
		}
		l.Debit(key, 6, at(0))
		for cost, retry := range map[int64]time.Duration{0: 60, 1: 70, 4: 100} {
			if d := l.Peek(key, cost, at(0)); d.Allowed || d.RetryAfter != retry || d.Remaining != 0 || d.NextAfter != 70 || d.ResetAfter != 100 {
				t.Errorf("%+v: a cost of %d: %+v", s, cost, d)
			}
		}
		if d := l.Take(key, 1, at(69)); d.Allowed {
			t.Errorf("%+v: too early: %+v", s, d)
		}
		if d := l.Take(key, 1, at(70)); !d.Allowed {
			t.Errorf("%+v: in time: %+v", s, d)
		}
		if d := l.Take(key, 4, at(111)); !d.Allowed {
			t.Errorf("%+v: once it has all come back: %+v", s, d)
		}
		l.Debit(key, 0, at(111))
		l.Debit(key, -5, at(111))
		if d := l.Peek(key, 1, at(121)); !d.Allowed {
			t.Errorf("%+v: nothing was charged: %+v", s, d)
		}
	}
	l := debtors()[2].New(Options{}).(Debtor)
	l.Debit(key, 3, at(5))
	l.Debit(key, 3, at(5))
	if d := l.Take(key, 1, at(39)); d.Allowed || d.Remaining != 0 || d.RetryAfter != 1 {
		t.Errorf("a window that is overdrawn: %+v", d)
	}
	if d := l.Take(key, 4, at(40)); !d.Allowed {
		t.Errorf("the next window: %+v", d)
	}
}

// TestDebitsAreBounded: no amount of debt overflows.
func TestDebitsAreBounded(t *testing.T) {
	key, year := []byte("key"), int64(365*24*time.Hour)
	for _, s := range debtors() {
		l := s.New(Options{}).(Debtor)
		for range 10 {
			l.Debit(key, math.MaxInt64, at(89*year))
			l.Debit(key, math.MaxInt64/100, at(89*year))
		}
		d := l.Take(key, 1, at(89*year))
		if d.Allowed || d.Remaining != 0 || d.RetryAfter <= 0 || d.ResetAfter <= 0 || d.ResetAfter > Longest {
			t.Errorf("%+v: %+v", s, d)
		}
	}
}

// TestDebitsAreNotLost, nor made twice, while others take and reloads come.
func TestDebitsAreNotLost(t *testing.T) {
	const keys, clients, each = 5, 8, 2000
	spec := func(n int) Spec {
		return TokenBucketSpec{Rate: Rate{Count: 1, Window: time.Hour}, Burst: 100_000 + int64(n%2)}
	}
	l := spec(0).New(Options{})
	first := l.(Debtor)
	var wg sync.WaitGroup
	for c := range clients {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(c), 1))
			for n := range each {
				key := []byte{byte(n % keys)}
				if r.IntN(2) == 0 {
					first.Debit(key, 1, at(0))
				} else if !first.Take(key, 1, at(0)).Allowed {
					t.Error("denied")
				}
			}
		})
	}
	reloads := 0
	for n := range 50 {
		l = Adopt(l, spec(n), Options{}, at(0))
		reloads++
	}
	wg.Wait()
	for k := range keys {
		d := l.Peek([]byte{byte(k)}, 0, at(0))
		if used := l.Policy().Quota - d.Remaining; used != clients*each/keys {
			t.Errorf("key %d: %d of %d were charged", k, used, clients*each/keys)
		}
	}
}
