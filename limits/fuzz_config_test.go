package limits

import (
	"slices"
	"testing"
	"time"
)

// configured makes a Spec of any algorithm out of bytes, and returns those that
// are left. It may be narrower than a policy could ask for.
func configured(in []byte) (Spec, []byte) {
	n := func(i int) int64 { return int64(in[i]) }
	scale := []int64{1, 10, 1000, int64(time.Millisecond), int64(time.Hour)}[n(3)%5]
	limit, window := 1+n(1)%13, time.Duration((3+n(2))*scale)
	switch rest := in[6:]; n(0) % 7 {
	case 0:
		return TokenBucketSpec{Rate: Rate{Count: 1 + n(4)%3, Window: window}, Burst: limit}, rest
	case 1:
		return LeakyBucketSpec{Rate: Rate{Count: 1 + n(4)%3, Window: window}, Burst: limit}, rest
	case 2:
		queue := limit - 1
		return LeakyBucketSpec{Rate: Rate{Count: 1 + n(4)%3, Window: window}, Burst: limit, Queue: queue, Immediate: n(5) % (queue + 1)}, rest
	case 3:
		s := FixedWindowSpec{Limit: limit, Window: window, ByKey: n(4)%2 == 0}
		if !s.ByKey {
			s.Offset = time.Duration(n(5)) % window
		}
		s.Limit = min(s.Limit, s.rules().most)
		return s, rest
	default:
		s := SlidingWindowSpec{Limit: limit, Window: window, Precision: PrecisionCounter}
		switch n(0) % 7 {
		case 5:
			s.Precision = PrecisionLog
		case 6:
			s.Precision, s.Buckets = PrecisionBuckets, 2+n(4)%11
		}
		s.Limit = min(s.Limit, s.most())
		return s, rest
	}
}

// FuzzConfigs compares limiters of any configuration, through any operations, with
// the definition: six bytes are a configuration, then three each a step in time, a
// key and a cost, and what to do. Time steps back as well, though not beyond the
// last moment at which a key came, or state was moved or undone: what has expired
// then may be forgotten.
func FuzzConfigs(f *testing.F) {
	for kind := range byte(7) {
		for scale := range byte(5) {
			f.Add([]byte{kind, 4 + kind, 10, scale, 1, 2, 0, 1, 0, 0, 20, 1, 150, 2, 0, 250, 19, 0, 30, 1, 4, 200, 18, 1, 140, 3, 2, 201, 1, 5, 99, 35, 0})
		}
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		if len(in) < 9 || len(in) > 300 {
			return
		}
		s, in := configured(in)
		most := 5000
		l := s.New(Options{MaxKeys: most})
		keys := [][]byte{[]byte("a"), []byte("198.51.100.7"), slices.Repeat([]byte("k"), 40)}
		var models [3]model
		for i, key := range keys {
			models[i] = modelOf(s, l, key)
		}
		now := 3 * int64(s.Policy().Window)
		var last Decision
		floor, newest := now, now
		for ; len(in) >= 3; in = in[3:] {
			step, which, what := int64(in[0]), in[1], in[2]
			switch {
			case step < 100:
				now += step * grain(s) / 20
			case step < 130:
				now += step - 100
			case step < 160:
				now = max(floor, now-(step-130)*grain(s)/5)
			case step < 200:
				now += max(0, int64(last.NextAfter)+step-180)
			default:
				now += max(0, int64(last.RetryAfter)+step-228)
			}
			i := which % 3
			key, cost := keys[i], int64(which/16)%(s.Capacity()+2)
			want, after := ask(models[i], s, cost, now)
			if got := l.Peek(key, cost, at(now)); got != want {
				t.Fatalf("%+v: peek of %d at %d:\n got %+v\nwant %+v", s, cost, now, got, want)
			}
			before := dump(l)
			if models[i].fresh(now) {
				floor = max(floor, now)
			}
			switch what % 6 {
			case 0, 1, 2:
				if got := l.Take(key, cost, at(now)); got != want {
					t.Fatalf("%+v: take of %d at %d:\n got %+v\nwant %+v", s, cost, now, got, want)
				}
				models[i], last = after, want
				if after := dump(l); (!want.Allowed || cost == 0) && after != before {
					t.Fatalf("%+v: a denial changed\n%s to\n%s", s, before, after)
				}
			case 3:
				last = want
			case 4:
				if now < newest {
					continue // who came late doesn't know where that was counted
				}
				floor = now
				if l.Take(key, cost, at(now)).Allowed {
					l.Refund(key, cost, at(now))
				}
				want, _ := ask(models[i], s, 1, now)
				if got := l.Peek(key, 1, at(now)); got != want {
					t.Fatalf("%+v: after a refund of %d at %d:\n got %+v\nwant %+v", s, cost, now, got, want)
				}
			case 5:
				most = 2000 + int(which)*100
				l = Adopt(l, s, Options{MaxKeys: most}, at(now))
				floor = max(floor, now)
			}
			newest = max(newest, now)
		}
	})
}
