//go:build e2e

package redis

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lictor/lictor/breaker"
	"github.com/lictor/lictor/limits"
)

// hourly is a bucket of so many units that come back by the hour, so that no
// test depends on how fast it runs.
func hourly(burst int64) limits.Spec {
	return limits.TokenBucketSpec{Rate: limits.Rate{Count: 1, Window: time.Hour}, Burst: burst}
}

func (l *Limiter) clock() limits.Time { return l.store.options.Clock.Now() }

// TestLifetime: a state lives for as long as it matters, and not much longer. A
// key in the store tells nothing of whose it is.
func TestLifetime(t *testing.T) {
	s := startServer(t)
	st := newStore(t, s, nil)
	c := s.client()
	for i, spec := range specs() {
		if spec.Policy().Window < time.Second {
			continue
		}
		name := fmt.Sprintf("limit%d", i)
		l := newLimiter(t, st, Spec{Name: name, Limit: spec})
		before := time.Now()
		d := l.Take([]byte("192.0.2.7"), 1, l.clock())
		names, err := c.Keys(t.Context(), "*:"+name+":*").Result()
		if err != nil || len(names) != 1 || strings.Contains(names[0], "192") {
			t.Errorf("%+v: keys %q, %v", spec, names, err)
			continue
		}
		left, err := c.PTTL(t.Context(), names[0]).Result()
		passed := time.Since(before)
		if err != nil || left+passed < d.ResetAfter {
			t.Errorf("%+v: lives for %v, and matters for %v: %v", spec, left, d.ResetAfter, err)
		}
		if most := d.ResetAfter + grace + 3*time.Millisecond; left > most {
			t.Errorf("%+v: lives for %v, longer than %v", spec, left, most)
		}
	}
}

// TestDenialsChangeNothing compares what the store holds, byte for byte.
func TestDenialsChangeNothing(t *testing.T) {
	s := startServer(t)
	st := newStore(t, s, nil)
	c := s.client()
	for _, spec := range specs() {
		l := newScripted(t, st, spec)
		now := at(int64(3 * spec.Policy().Window / 2))
		if d := l.Take([]byte("k"), spec.Capacity(), now); !d.Allowed {
			if _, counts := spec.(limits.SlidingWindowSpec); !counts {
				t.Fatalf("%+v: %+v", spec, d)
			}
		}
		name := digestOf(l.domain, []byte("k")).name(DefaultPrefix, l.spec.Name)
		before := c.Dump(t.Context(), name).Val()
		l.known.forget(digestOf(l.domain, []byte("k")))
		if d := l.Take([]byte("k"), 1, now); d.Allowed || before == "" {
			t.Errorf("%+v: %+v, held %q", spec, d, before)
		}
		l.Peek([]byte("k"), 1, now)
		l.Take([]byte("k"), spec.Capacity()+1, now)
		l.Peek([]byte("other"), 1, now)
		if after := c.Dump(t.Context(), name).Val(); after != before {
			t.Errorf("%+v: %q became %q", spec, before, after)
		}
	}
}

// TestOtherNumbers: after a limit's numbers have changed, what was spent stays
// spent: no more is left than before, but for what the limit grew by.
func TestOtherNumbers(t *testing.T) {
	st := newStore(t, startServer(t), nil)
	sliding := func(limit int64, window time.Duration, precision string, buckets int64) limits.Spec {
		return limits.SlidingWindowSpec{Limit: limit, Window: window, Precision: precision, Buckets: buckets}
	}
	bucket := func(count int64, window time.Duration, burst int64) limits.Spec {
		return limits.TokenBucketSpec{Rate: limits.Rate{Count: count, Window: window}, Burst: burst}
	}
	changes := [][2]limits.Spec{
		{bucket(10, time.Second, 10), bucket(10, time.Second, 15)},
		{bucket(10, time.Second, 10), bucket(3, time.Minute, 10)},
		{bucket(3, time.Hour, 10), bucket(1000, time.Second, 20)},
		{limits.FixedWindowSpec{Limit: 10, Window: time.Hour}, limits.FixedWindowSpec{Limit: 15, Window: 7 * time.Minute}},
		{limits.FixedWindowSpec{Limit: 10, Window: time.Hour}, limits.FixedWindowSpec{Limit: 15, Window: time.Hour, Offset: time.Minute}},
		{sliding(10, time.Hour, limits.PrecisionCounter, 0), sliding(15, time.Minute, limits.PrecisionCounter, 0)},
		{sliding(10, time.Hour, limits.PrecisionLog, 0), sliding(15, time.Minute, limits.PrecisionLog, 0)},
		{sliding(10, time.Hour, limits.PrecisionBuckets, 10), sliding(15, time.Minute, limits.PrecisionBuckets, 7)},
	}
	for n, change := range changes {
		for way, c := range [][2]limits.Spec{change, {change[1], change[0]}} {
			for spent := range c[0].Capacity() + 1 {
				name := fmt.Sprintf("change%d/%d/%d", n, way, spent)
				old := newLimiter(t, st, Spec{Name: name, Limit: c[0]})
				next := newLimiter(t, st, Spec{Name: name, Limit: c[1]})
				old.scripted()
				next.scripted()
				now := at(int64(time.Hour+10*time.Minute) + 12345)
				if spent > 0 {
					old.Take([]byte("k"), spent, now)
				}
				had := old.Peek([]byte("k"), 0, now).Remaining
				has := next.Peek([]byte("k"), 0, now).Remaining
				want := had + c[1].Capacity() - c[0].Capacity()
				if has > max(0, want) || has < want-1 {
					t.Errorf("%+v to %+v: %d were left, and now %d", c[0], c[1], had, has)
				}
				if has > 0 && !next.Take([]byte("k"), has, now).Allowed || next.Take([]byte("k"), 1, now).Allowed {
					t.Errorf("%+v to %+v: not just the %d left passed", c[0], c[1], has)
				}
			}
		}
	}
}

// TestCrowd: a crowd at two stores is granted the bound and not a unit more, be
// it one by one, in leases, or with refunds.
func TestCrowd(t *testing.T) {
	s := startServer(t)
	stores := []*Store{newStore(t, s, nil), newStore(t, s, nil)}
	for i, c := range []struct {
		spec  limits.Spec
		lease int64
	}{
		{hourly(200), 1},
		{hourly(200), 8},
		{limits.FixedWindowSpec{Limit: 200, Window: limits.Longest}, 8},
		{limits.SlidingWindowSpec{Limit: 200, Window: time.Hour, Precision: limits.PrecisionLog}, 1},
		{limits.SlidingWindowSpec{Limit: 200, Window: time.Hour, Precision: limits.PrecisionBuckets, Buckets: 10}, 3},
	} {
		var granted atomic.Int64
		var wg sync.WaitGroup
		for _, st := range stores {
			l := newLimiter(t, st, Spec{Name: fmt.Sprintf("crowd%d", i), Limit: c.spec, Lease: c.lease})
			for worker := range 8 {
				wg.Go(func() {
					for n := range 60 {
						now := l.clock()
						d, answered := l.Ask([]byte("k"), 1, now)
						if !answered {
							t.Error("the store did not answer")
						}
						switch {
						case !d.Allowed:
						case worker == 0 && n%3 == 0:
							l.Refund([]byte("k"), 1, now)
						default:
							granted.Add(1)
						}
					}
				})
			}
		}
		wg.Wait()
		// What is left of leases, and came back last, nobody has asked for.
		if n := granted.Load(); n > 200 || n < 200-2*c.lease-40 {
			t.Errorf("%+v in leases of %d: %d were granted", c.spec, c.lease, n)
		}
	}
}

// TestSavedCalls: a flood of denials costs one call, and a lease of ten a tenth
// of the calls.
func TestSavedCalls(t *testing.T) {
	st := newStore(t, startServer(t), nil)
	l := newLimiter(t, st, Spec{Name: "denied", Limit: hourly(3)})
	now := l.clock() // the flood is of one moment
	for range 3 {
		l.Take([]byte("k"), 1, now)
	}
	calls := st.Stats().Calls
	for range 1000 {
		if d := l.Take([]byte("k"), 1, now); d.Allowed || d.RetryAfter <= 0 || d.Remaining != 0 {
			t.Fatalf("%+v", d)
		}
	}
	if got := st.Stats(); got.Calls != calls+1 || got.Known != 999 {
		t.Errorf("1000 denials: %+v, %d calls before", got, calls)
	}
	if _, denied := l.Known([]byte("k"), 1, now); !denied {
		t.Error("the denial isn't known")
	}
	if top := l.Top(3, now); len(top) != 1 || top[0].Remaining != 0 || l.Keys() != 1 {
		t.Errorf("top %+v of %d", top, l.Keys())
	}
	// Given back, it passes at once.
	l.Take([]byte("other"), 3, now)
	l.Refund([]byte("other"), 3, now)
	if !l.Take([]byte("other"), 3, now).Allowed {
		t.Error("what was given back is denied")
	}
	// After a few seconds it is asked again, whatever the wait.
	later := limits.Time{Mono: now.Mono + longestDenial, Wall: now.Wall + longestDenial}
	calls = st.Stats().Calls
	if l.Take([]byte("k"), 1, later); st.Stats().Calls != calls+1 {
		t.Error("an old denial is still given")
	}

	leased := newLimiter(t, st, Spec{Name: "leased", Limit: hourly(1000), Lease: 10})
	calls = st.Stats().Calls
	for i := range 1000 {
		if d := leased.Take([]byte("k"), 1, now); !d.Allowed || d.Remaining != int64(999-i) {
			t.Fatalf("unit %d: %+v", i, d)
		}
	}
	if got := st.Stats(); got.Calls-calls > 102 || got.Leased != 900 {
		t.Errorf("1000 leased: %+v, %d calls before", got, calls)
	}
	// The last ones: no more than there are.
	few := newLimiter(t, st, Spec{Name: "few", Limit: hourly(13), Lease: 10})
	for i := range 15 {
		if d := few.Take([]byte("k"), 1, now); d.Allowed != (i < 13) {
			t.Errorf("unit %d of 13: %+v", i, d)
		}
	}
}

// TestOutage: while the server is away each limit goes on as it is asked to, and
// when it is back, empty, nothing that was known of it before counts.
func TestOutage(t *testing.T) {
	s := startServer(t)
	var turned []bool
	var mu sync.Mutex
	st := newStore(t, s, func(o *Options) {
		o.Gateways = 4
		o.Changed = func(answers bool, err error) {
			mu.Lock()
			turned = append(turned, answers)
			mu.Unlock()
			if answers != (err == nil) {
				t.Errorf("answers %t, and %v", answers, err)
			}
		}
	})
	share := newLimiter(t, st, Spec{Name: "share", Limit: hourly(8)})
	open := newLimiter(t, st, Spec{Name: "open", Limit: hourly(8), OnError: Open})
	closed := newLimiter(t, st, Spec{Name: "closed", Limit: hourly(8), OnError: Closed})
	key := []byte("k")
	for _, l := range []*Limiter{share, open, closed} {
		for i := range 9 {
			if d, answered := l.Ask(key, 1, l.clock()); !answered || d.Allowed != (i < 8) {
				t.Fatalf("request %d: %+v, answered %t", i, d, answered)
			}
		}
	}
	if _, denied := share.Known(key, 1, share.clock()); !denied {
		t.Error("the denial isn't known")
	}

	s.kill()
	for end := time.Now().Add(patience); !st.Stats().Open && time.Now().Before(end); {
		open.Ask([]byte("other"), 1, open.clock())
	}
	calls := st.Stats().Calls
	passed := 0
	for range 50 {
		if d, answered := share.Ask(key, 1, share.clock()); answered {
			t.Fatal("answered")
		} else if d.Allowed {
			passed++
		}
		if d, _ := open.Ask(key, 1, open.clock()); !d.Allowed {
			t.Fatalf("open: %+v", d)
		}
		if d, _ := closed.Ask(key, 1, closed.clock()); d.Allowed || d.RetryAfter <= 0 {
			t.Fatalf("closed: %+v", d)
		}
	}
	if passed != 2 {
		t.Errorf("%d passed, want a fourth of 8", passed)
	}
	if made := st.Stats().Calls - calls; made > 50 {
		t.Errorf("%d calls of 150 requests while open", made)
	}
	// What the gateway itself granted is given back to itself.
	now := share.clock()
	if d := share.Take([]byte("mine"), 1, now); !d.Allowed {
		t.Error("a fresh key is denied")
	}
	share.Refund([]byte("mine"), 1, now)
	if d, _ := share.Ask([]byte("mine"), 2, share.clock()); !d.Allowed {
		t.Error("what was given back is gone")
	}

	if !s.start() {
		t.Fatal("the server did not start again")
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { st.Run(ctx) })
	defer wg.Wait()
	defer cancel()
	for end := time.Now().Add(patience); st.Stats().Open; {
		if time.Now().After(end) {
			t.Fatal("the store isn't asked again")
		}
		time.Sleep(time.Millisecond)
	}
	for _, l := range []*Limiter{share, open, closed} {
		if d, answered := l.Ask(key, 1, l.clock()); !answered || !d.Allowed || d.Remaining != 7 {
			t.Errorf("of an empty store: %+v, answered %t", d, answered)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if len(turned) != 2 || turned[0] || !turned[1] {
		t.Errorf("it was said to answer: %v", turned)
	}
}

// TestFleet: gateways learn of one another, and each keeps its share ready.
func TestFleet(t *testing.T) {
	s := startServer(t)
	var list []*Limiter
	for range 2 {
		st := newStore(t, s, nil)
		l := newLimiter(t, st, Spec{Name: "fleet", Limit: hourly(100)})
		st.Follow([]*Limiter{l})
		list = append(list, l)
	}
	for round := range 4 {
		for i, l := range list {
			l.demand.asked.Add(int64(100 + 200*i)) // 100 and 300
			now := at(int64(time.Duration(round+1) * time.Second))
			l.store.tell(l, now)
		}
	}
	for i, want := range []float64{0.25, 0.75} {
		l := list[i]
		if got := l.share.load(); got < want-0.02 || got > want+0.02 {
			t.Errorf("gateway %d has a share of %v, want %v", i, got, want)
		}
		if c := l.local.at.Load().Policy().Quota; c < int64(want*85) || c > int64(want*115) {
			t.Errorf("gateway %d would grant %d of 100", i, c)
		}
	}
}

// TestReload: a limiter that follows another goes on with what was spent here,
// and with the share.
func TestReload(t *testing.T) {
	st, err := New(Options{Addresses: []string{"127.0.0.1:1"}, Clock: limits.NewClock(), Gateways: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	old := newLimiter(t, st, Spec{Name: "a", Limit: hourly(8)})
	old.share.store(0.25)
	old.local.fit(0.25, old.clock())
	for i := range 3 {
		if d, answered := old.Ask([]byte("k"), 1, old.clock()); answered || d.Allowed != (i < 2) {
			t.Errorf("request %d: %+v", i, d)
		}
	}
	next, adoption, err := st.Limiter(Spec{Name: "a", Limit: hourly(16)}, old)
	if err != nil {
		t.Fatal(err)
	}
	adoption.Commit(next.clock())
	for i := range 3 {
		if d, _ := next.Ask([]byte("k"), 1, next.clock()); d.Allowed != (i < 2) {
			t.Errorf("request %d after the reload: %+v", i, d)
		}
	}
}

// TestStrangeState: a key that somebody else wrote concerns itself alone.
func TestStrangeState(t *testing.T) {
	s := startServer(t)
	st := newStore(t, s, nil)
	c := s.client()
	for i, spec := range specs() {
		l := newLimiter(t, st, Spec{Name: fmt.Sprintf("strange%d", i), Limit: spec, OnError: Open})
		for _, kind := range []string{"text", "set"} {
			key := []byte(kind)
			name := digestOf(l.domain, key).name(DefaultPrefix, l.spec.Name)
			if kind == "text" {
				c.Set(t.Context(), name, "hello", 0)
			} else {
				c.SAdd(t.Context(), name, "hello")
			}
			for range 2 * breaker.FailuresToOpen {
				if d, answered := l.Ask(key, 1, l.clock()); answered || !d.Allowed {
					t.Errorf("%+v, %s: %+v, answered %t", spec, kind, d, answered)
				}
			}
		}
		if _, answered := l.Ask([]byte("fine"), 1, l.clock()); !answered {
			t.Errorf("%+v: the store isn't asked any more", spec)
		}
	}
}

// TestForgottenScripts: a store that lost its scripts gets them again, and what
// was known of it is dropped.
func TestForgottenScripts(t *testing.T) {
	s := startServer(t)
	st := newStore(t, s, nil)
	l := newLimiter(t, st, Spec{Name: "a", Limit: hourly(1)})
	now := l.clock()
	l.Take([]byte("k"), 1, now)
	l.Take([]byte("k"), 1, now)
	c := s.client()
	c.ScriptFlush(t.Context())
	c.FlushAll(t.Context())
	if _, answered := l.Ask([]byte("other"), 1, now); !answered {
		t.Error("not answered without the script")
	}
	if d := l.Take([]byte("k"), 1, now); !d.Allowed {
		t.Errorf("a denial of a store that has been emptied since: %+v", d)
	}
}

// TestPassword: it is asked for anew for every connection, so that it can be
// changed.
func TestPassword(t *testing.T) {
	s := startServer(t, "--requirepass", "right")
	var password atomic.Value
	password.Store("wrong")
	st := newStore(t, s, func(o *Options) {
		o.Credentials = func() (string, string, error) {
			if p, _ := password.Load().(string); p != "" {
				return "", p, nil
			}
			return "", "", errors.New("no password")
		}
	})
	l := newLimiter(t, st, Spec{Name: "a", Limit: hourly(5), OnError: Closed})
	if d, answered := l.Ask([]byte("k"), 1, l.clock()); answered || d.Allowed {
		t.Errorf("with a wrong password: %+v", d)
	}
	password.Store("right")
	if d, answered := l.Ask([]byte("k"), 1, l.clock()); !answered || !d.Allowed {
		t.Errorf("with the right one: %+v, answered %t", d, answered)
	}
}
