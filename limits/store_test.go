package limits

import (
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"time"
)

func number(i int) []byte { return binary.BigEndian.AppendUint64(nil, uint64(i)) }

// TestMaxKeysIsHard floods limiters of several sizes.
func TestMaxKeysIsHard(t *testing.T) {
	s := TokenBucketSpec{Rate: Rate{1, time.Hour}, Burst: 5}
	for _, most := range []int{1, 2, 3, 17, 1000, 2047, 5000} {
		l := s.New(Options{MaxKeys: most})
		for i := range 4 * most {
			if !l.Take(number(i), 1, at(int64(i))).Allowed {
				t.Fatalf("max %d: fresh key %d was refused", most, i)
			}
			if n := l.Keys(); i%97 == 0 && n > most {
				t.Fatalf("max %d: %d keys", most, n)
			}
		}
		if n := l.Keys(); n > most || n < most*9/10 {
			t.Errorf("max %d: %d keys", most, n)
		}
	}
}

// TestShardsShareMaxKeys adds up what the shards may hold.
func TestShardsShareMaxKeys(t *testing.T) {
	for _, most := range []int{1, 63, 64, 1023, 1024, 2048, 4095, 5001, 65537, DefaultMaxKeys, 0, -1} {
		l := TokenBucketSpec{Rate: Rate{1, time.Second}, Burst: 1}.New(Options{MaxKeys: most})
		sum := 0
		for _, n := range l.(interface{ bounds() []int }).bounds() {
			if n < 1 {
				t.Errorf("max %d: a shard holds %d", most, n)
			}
			sum += n
		}
		if most <= 0 {
			most = DefaultMaxKeys
		}
		if sum != most {
			t.Errorf("max %d: the shards hold %d", most, sum)
		}
	}
}

func (k *keyed[S, R]) bounds() []int {
	var all []int
	for i := range k.shards {
		all = append(all, k.shards[i].limit)
	}
	return all
}

// TestLogsAreBoundedTogether keeps long logs from adding up to gigabytes.
func TestLogsAreBoundedTogether(t *testing.T) {
	for limit, want := range map[int64]int{1: DefaultMaxKeys, 1000: 67108} {
		l := SlidingWindowSpec{Limit: limit, Window: time.Hour, Precision: PrecisionLog}.New(Options{})
		sum := 0
		for _, n := range l.(interface{ bounds() []int }).bounds() {
			sum += n
		}
		if sum != want {
			t.Errorf("limit %d: %d keys, want %d", limit, sum, want)
		}
	}
}

// TestFloodFreesNoExhaustedKey: whoever has spent everything can't get it back by
// making the store forget, and fresh clients aren't refused.
func TestFloodFreesNoExhaustedKey(t *testing.T) {
	eachCase(t, func(t *testing.T, s Spec) {
		if s.Capacity() == 1 {
			return // a fresh key has spent as much as an exhausted one
		}
		l := s.New(Options{MaxKeys: 100})
		attacker := []byte("attacker")
		var units int64
		for i := range 20_000 {
			if i%10 == 0 && l.Take(attacker, 1, at(0)).Allowed {
				units++
			}
			if !l.Take(number(i), 1, at(0)).Allowed {
				t.Fatalf("fresh key %d was refused", i)
			}
		}
		// The first units are spent while the store isn't full yet.
		if units != s.Capacity() {
			t.Errorf("%d units passed, want %d", units, s.Capacity())
		}
		if n := l.Keys(); n != 100 {
			t.Errorf("%d keys, want 100", n)
		}
	})
}

// TestExpiredKeysAreReclaimed has ever new keys come and go; those held at any
// time are about those that count.
func TestExpiredKeysAreReclaimed(t *testing.T) {
	eachCase(t, func(t *testing.T, s Spec) {
		l := s.New(Options{MaxKeys: 1000})
		life := int64(l.Take([]byte("key"), 1, at(0)).ResetAfter)
		step := max(1, life/20)
		held := 0
		for i := range 5000 {
			l.Take(number(i), 1, at(int64(i)*step))
			held = max(held, l.Keys())
		}
		// A key counts for at most two windows, and the sweep lags behind.
		live := int(2 * int64(s.Policy().Window) / step)
		if bound := 3*live + 10; held > bound {
			t.Errorf("up to %d keys were held, at most %d should be", held, bound)
		}
	})
}

// TestLateCallerOfReclaimedKey finds no more than if the key were still held,
// and is taken for one who comes when the key was forgotten. A reload in between
// makes no difference.
func TestLateCallerOfReclaimedKey(t *testing.T) {
	eachCase(t, func(t *testing.T, s Spec) {
		for _, reload := range []bool{false, true} {
			l := s.New(Options{MaxKeys: 50})
			key := []byte("key")
			start := 4 * int64(s.Policy().Window)
			end := start + int64(l.Take(key, s.Capacity(), at(start)).ResetAfter)
			for i := range 10 {
				l.Take(number(i), 1, at(end))
			}
			if !reclaimed(l) {
				t.Fatal("nothing was reclaimed")
			}
			if reload {
				l = Adopt(l, s, Options{MaxKeys: 5000}, at(end))
			}
			if got, want := l.Peek(key, 1, at(end-1)), l.Peek(key, 1, at(end)); got.Allowed && got.ResetAfter != want.ResetAfter+1 {
				t.Errorf("late %+v, in time %+v", got, want)
			}
			var late, total int64
			for l.Take(key, 1, at(end-1)).Allowed {
				late++
			}
			for total = late; l.Take(key, 1, at(end)).Allowed; {
				total++
			}
			if total > s.Capacity() {
				t.Errorf("%d late and %d in time, the capacity is %d", late, total-late, s.Capacity())
			}
		}
	})
}

func TestKeysAreNotKept(t *testing.T) {
	eachCase(t, func(t *testing.T, s Spec) {
		l := s.New(Options{})
		key := []byte("alice@example.com")
		l.Take(key, 1, at(0))
		for _, everything := range []string{fmt.Sprintf("%+v", l), dump(l), fmt.Sprintf("%+v", l.Top(1, at(0)))} {
			if strings.Contains(everything, "alice") {
				t.Error("the key is in memory")
			}
		}
	})
}

// TestKeyIsReadDuringTheCallOnly reuses one buffer for all keys.
func TestKeyIsReadDuringTheCallOnly(t *testing.T) {
	l := TokenBucketSpec{Rate: Rate{1, time.Hour}, Burst: 1}.New(Options{})
	buf := make([]byte, 8)
	for i := range 100 {
		binary.BigEndian.PutUint64(buf, uint64(i))
		if !l.Take(buf, 1, at(0)).Allowed {
			t.Fatalf("key %d was refused", i)
		}
	}
	if l.Keys() != 100 {
		t.Errorf("%d keys", l.Keys())
	}
}

func TestTopSorts(t *testing.T) {
	l := TokenBucketSpec{Rate: Rate{1, time.Hour}, Burst: 100}.New(Options{})
	for i := range 50 {
		l.Take(number(i), int64(i+1), at(0))
	}
	l.Take(number(50), 1, at(-int64(time.Hour))) // has just expired
	top := l.Top(7, at(0))
	if len(top) != 7 {
		t.Fatalf("%d keys", len(top))
	}
	for i, u := range top {
		if want := int64(50 + i); u.Remaining != want || u.Reset != time.Duration(50-i)*time.Hour {
			t.Errorf("number %d: %+v, want %d left", i, u, want)
		}
	}
	if n := len(l.Top(1000, at(0))); n != 50 {
		t.Errorf("%d keys count, want 50", n)
	}
	if n := len(l.Top(0, at(0))) + len(l.Top(-1, at(0))); n != 0 {
		t.Errorf("%d keys for none", n)
	}
}

func (k *keyed[S, R]) reclaimed() bool {
	for i := range k.shards {
		if k.shards[i].horizon != noHorizon {
			return true
		}
	}
	return false
}

func reclaimed(l Limiter) bool { return l.(interface{ reclaimed() bool }).reclaimed() }
