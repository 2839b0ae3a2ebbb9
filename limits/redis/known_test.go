package redis

import (
	"testing"
	"time"

	"github.com/lictor/lictor/limits"
)

// bucketOf is a bucket's arithmetic: 10 a second, 10 at once.
func bucketOf() limits.Arithmetic {
	return limits.ArithmeticOf(limits.TokenBucketSpec{Rate: limits.Rate{Count: 10, Window: time.Second}, Burst: 10})
}

// TestKnownDenial: what was denied for want of 200ms is denied until then, what
// costs as much or more, by its own wait.
func TestKnownDenial(t *testing.T) {
	k := known{decide: bucketOf()}
	const second = int64(time.Second)
	d := digest{1}
	k.learn(d, knownKey{asked: time.Minute, until: time.Minute + 200*time.Millisecond, cost: 2, state: []int64{5*second + second}, at: 5 * second})
	for _, c := range []struct {
		name   string
		digest digest
		cost   int64
		now    time.Duration
		epoch  uint64
		retry  time.Duration // 0: not known
	}{
		{"at once", d, 2, time.Minute, 0, 200 * time.Millisecond},
		{"later", d, 2, time.Minute + 150*time.Millisecond, 0, 50 * time.Millisecond},
		{"more", d, 3, time.Minute + 150*time.Millisecond, 0, 150 * time.Millisecond},
		{"less", d, 1, time.Minute, 0, 0},
		{"on time", d, 2, time.Minute + 200*time.Millisecond, 0, 0},
		{"before it was asked", d, 2, time.Minute - 1, 0, 200 * time.Millisecond},
		{"another key", digest{2}, 2, time.Minute, 0, 0},
		{"another epoch", d, 2, time.Minute, 1, 0},
	} {
		got, denied := k.denied(c.digest, c.cost, c.now, c.epoch)
		if denied != (c.retry > 0) || got.RetryAfter != c.retry || got.Allowed {
			t.Errorf("%s: denied %t, %+v", c.name, denied, got)
		}
	}
	k.forget(d)
	if _, denied := k.denied(d, 2, time.Minute, 0); denied {
		t.Error("a forgotten denial is given")
	}
}

func TestLease(t *testing.T) {
	k := known{decide: bucketOf()}
	d := digest{1}
	learn := func(at time.Duration, units int64) {
		k.learn(d, knownKey{asked: at, until: at + time.Second, left: units, stood: limits.Decision{Allowed: true, Remaining: 1, ResetAfter: time.Second}})
	}
	take := func(cost int64, at time.Duration) (int64, bool) {
		a, ok := k.lease(d, cost, at, 0)
		return a.Remaining, ok
	}
	learn(0, 4)
	if left, ok := take(3, 0); !ok || left != 1+1 {
		t.Errorf("3 of 4: %t, %d left", ok, left)
	}
	if _, ok := take(2, 0); ok {
		t.Error("2 of 1")
	}
	if !k.giveBack(d, 1, 0, 0) {
		t.Error("nothing given back")
	}
	learn(time.Second/2, 3) // and the 2 before
	if left, ok := take(5, time.Second); !ok || left != 1 {
		t.Errorf("5 of 5: %t, %d left", ok, left)
	}
	learn(time.Second, 3)
	k.learn(d, knownKey{asked: time.Second, until: 2 * time.Second, cost: 1, state: []int64{1}}) // a denial of somebody who asked meanwhile
	if _, ok := take(1, time.Second); !ok {
		t.Error("a denial has taken a lease's place")
	}
	if _, ok := take(1, 2*time.Second); ok {
		t.Error("a lease outlived its end")
	}
	if k.giveBack(d, 1, 2*time.Second, 0) {
		t.Error("given back to a lease that has ended")
	}
	if k.begin(d) != nil || k.begin(digest{2}) != nil {
		t.Error("no lease may be taken")
	}
	taken := k.begin(d)
	if taken == nil {
		t.Fatal("two leases are taken at a time")
	}
	k.end(d)
	<-taken
	if k.begin(d) != nil {
		t.Error("none may be taken after another")
	}
	learn(3*time.Second, 3)
	if _, ok := k.lease(d, 1, 3*time.Second, 1); ok {
		t.Error("a lease outlived the store's memory")
	}
}

// TestKnownIsBounded floods it with keys.
func TestKnownIsBounded(t *testing.T) {
	k := known{decide: bucketOf()}
	for i := range 2 * knownShards * keysPerShard {
		k.learn(digestOf(nil, []byte{byte(i), byte(i >> 8), byte(i >> 16)}), knownKey{until: 1, cost: 1, state: []int64{0}})
	}
	n := 0
	k.each(func(digest, knownKey) { n++ })
	if n > knownShards*keysPerShard || n < knownShards*keysPerShard*9/10 {
		t.Errorf("%d keys are held", n)
	}
}

func TestTaken(t *testing.T) {
	var taken taken
	taken.add(charge{digest: digest{1}, now: 5, keeper: byStore, at: 1})
	taken.add(charge{digest: digest{1}, now: 5, keeper: byStore, at: 2})
	taken.add(charge{digest: digest{2}, now: 5, keeper: byLocal})
	if c := taken.remove(digest{1}, 6); c.keeper != 0 {
		t.Errorf("another request's: %+v", c)
	}
	for _, at := range []int64{2, 1} { // the latest first
		if c := taken.remove(digest{1}, 5); c.keeper != byStore || c.at != at {
			t.Errorf("found %+v, want that at %d", c, at)
		}
	}
	if c := taken.remove(digest{1}, 5); c.keeper != 0 {
		t.Errorf("given back again: %+v", c)
	}
	for range len(taken.ring) {
		taken.add(charge{digest: digest{3}, now: 7, keeper: byStore})
	}
	if c := taken.remove(digest{2}, 5); c.keeper != 0 {
		t.Errorf("what was overwritten: %+v", c)
	}
}
