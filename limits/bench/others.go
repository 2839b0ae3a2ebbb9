package main

import (
	"context"
	"sync"
	"time"

	"github.com/sethvargo/go-limiter/memorystore"
	"github.com/throttled/throttled/v2"
	"github.com/throttled/throttled/v2/store/memstore"
	ulule "github.com/ulule/limiter/v3"
	ululestore "github.com/ulule/limiter/v3/drivers/store/memory"
	"golang.org/x/time/rate"
)

func others() []contender {
	return []contender{
		{"x/time/rate in a map under a mutex", rateInMap},
		{"x/time/rate in a sync.Map", rateInSyncMap},
		{"sethvargo/go-limiter", goLimiter},
		{"ulule/limiter", ululeLimiter},
		{"throttled, unbounded", func(q quota, k *keys) asker { q.most = 0; return throttledLimiter(q, k) }},
		{"throttled, bounded by LRU", throttledLimiter},
	}
}

// rateInMap is what most programs write around x/time/rate.
func rateInMap(q quota, k *keys) asker {
	var mu sync.Mutex
	limiters := map[string]*rate.Limiter{}
	return func(i int) bool {
		key := k.text(i)
		mu.Lock()
		l := limiters[key]
		if l == nil {
			l = rate.NewLimiter(rate.Limit(q.perSecond()), int(q.limit))
			limiters[key] = l
		}
		mu.Unlock()
		return l.Allow()
	}
}

func rateInSyncMap(q quota, k *keys) asker {
	var limiters sync.Map
	return func(i int) bool {
		key := k.text(i)
		l, ok := limiters.Load(key)
		if !ok {
			l, _ = limiters.LoadOrStore(key, rate.NewLimiter(rate.Limit(q.perSecond()), int(q.limit)))
		}
		return l.(*rate.Limiter).Allow()
	}
}

// goLimiter gets an hour where the window is shorter: what comes back when an
// interval ends is computed wrongly for limits that are as large as these.
func goLimiter(q quota, k *keys) asker {
	if q.window < time.Hour {
		q.limit *= int64(time.Hour / q.window)
		q.window = time.Hour
	}
	tokens := uint64(q.limit) //nolint:gosec // a quota is never negative
	store := must(memorystore.New(&memorystore.Config{Tokens: tokens, Interval: q.window}))
	ctx := context.Background()
	return func(i int) bool {
		_, _, _, ok, err := store.Take(ctx, k.text(i))
		return ok && err == nil
	}
}

func ululeLimiter(q quota, k *keys) asker {
	l := ulule.New(ululestore.NewStoreWithOptions(ulule.StoreOptions{Prefix: "limiter", CleanUpInterval: time.Hour}), ulule.Rate{Period: q.window, Limit: q.limit})
	ctx := context.Background()
	return func(i int) bool {
		answer, err := l.Get(ctx, k.text(i))
		return err == nil && !answer.Reached
	}
}

func throttledLimiter(q quota, k *keys) asker {
	store := must(memstore.NewCtx(q.most))
	l := must(throttled.NewGCRARateLimiterCtx(store, throttled.RateQuota{
		MaxRate:  throttled.PerDuration(int(q.limit), q.window),
		MaxBurst: int(q.limit) - 1,
	}))
	// Under contention it gives up after ten attempts, and leaves it to its
	// caller to go on; more of them is its own remedy.
	l.SetMaxCASAttemptsLimit(1000)
	ctx := context.Background()
	return func(i int) bool {
		limited, _, err := l.RateLimitCtx(ctx, k.text(i), 1)
		return err == nil && !limited
	}
}
