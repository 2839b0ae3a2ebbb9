package limits

import (
	"testing"
	"time"
)

func FuzzParseRate(f *testing.F) {
	for _, s := range []string{"100/s", "600/m", "10000/h", "1/d", "5/10s", "1/1h30m", "0/s", "1/-1s", "9223372036854775807/36500d", "/", "1/99999999999999999999d", "1000000000/s"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := ParseRate(s)
		if err != nil {
			if r != (Rate{}) {
				t.Fatalf("%q: %+v along with %v", s, r, err)
			}
			return
		}
		if r.Count <= 0 || r.Window <= 0 || r.Window > Longest || r.Interval() <= 0 {
			t.Fatalf("%q: %+v", s, r)
		}
		if back, err := ParseRate(r.String()); err != nil || back != r {
			t.Fatalf("%q became %q, which is %+v, %v", s, r, back, err)
		}
		// Whatever is accepted must make a bucket that can be used.
		spec, err := (&TokenBucket{Rate: s}).Spec()
		if err != nil {
			return
		}
		l := spec.New(Options{MaxKeys: 1})
		now := Time{Mono: Longest / 2, Wall: Longest / 2}
		if d := l.Take(nil, spec.Capacity(), now); !d.Allowed || d.Remaining != 0 || d.ResetAfter <= 0 || d.ResetAfter > Longest {
			t.Fatalf("%q: %+v", s, d)
		}
		if p := spec.Policy(); p.Window <= 0 || p.Window > Longest+time.Duration(p.Quota) {
			t.Fatalf("%q: %+v", s, p)
		}
	})
}

// FuzzDecisions makes a limiter and a run of requests out of bytes and compares
// it with the model: the first byte chooses the limit, then three bytes each are
// a step in time, a cost and what to do.
func FuzzDecisions(f *testing.F) {
	for i := range len(cases()) {
		f.Add([]byte{byte(i), 0, 1, 0, 0, 200, 0, 40, 1, 0, 1, 1, 0, 130, 3, 1, 255, 1, 2, 20, 0, 0})
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		if len(in) == 0 || len(in) > 200 {
			return
		}
		all := cases()
		s := all[int(in[0])%len(all)]
		l := s.New(Options{MaxKeys: 1})
		key := []byte("key")
		m := modelOf(s, l, key)
		now := 3 * int64(s.Policy().Window)
		var last Decision
		for in = in[1:]; len(in) >= 3; in = in[3:] {
			step, cost, what := int64(in[0]), int64(in[1]), in[2]
			switch {
			case step < 100:
				now += step * grain(s) / 20
			case step < 130:
				now += step - 100
			case step < 160:
				now = max(0, now-(step-130)*grain(s)/5)
			case step < 200:
				now += int64(last.NextAfter) + step - 180
			default:
				now += max(0, int64(last.RetryAfter)+step-228)
			}
			now = max(now, 0)
			cost %= s.Capacity() + 2
			want, after := ask(m, s, cost, now)
			if what%4 == 3 {
				if got := l.Peek(key, cost, at(now)); got != want {
					t.Fatalf("%+v: peek of %d at %d:\n got %+v\nwant %+v", s, cost, now, got, want)
				}
				continue
			}
			if got := l.Take(key, cost, at(now)); got != want {
				t.Fatalf("%+v: take of %d at %d:\n got %+v\nwant %+v", s, cost, now, got, want)
			}
			m, last = after, want
		}
	})
}

// FuzzStore runs a whole store against a model for every key: the first byte
// chooses the limit, then three bytes each are a step in time, a key and a cost,
// and what to do. Time doesn't step back and there are fewer keys than the store
// holds, so nobody may notice that it grows, moves keys, reclaims them, and is
// handed over to others of other sizes.
func FuzzStore(f *testing.F) {
	for i := range len(cases()) {
		f.Add([]byte{byte(i), 0, 1, 0, 0, 200, 7, 40, 1, 0, 1, 17, 2, 130, 3, 6, 255, 1, 5, 20, 0, 0, 3, 40, 8, 0, 33, 7, 0, 255, 6})
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		if len(in) == 0 || len(in) > 300 {
			return
		}
		all := cases()
		s := all[int(in[0])%len(all)]
		most := 3000
		l := s.New(Options{MaxKeys: most})
		models := map[byte]model{}
		now := 3 * int64(s.Policy().Window)
		var last Decision
		fresh := 0
		for in = in[1:]; len(in) >= 3; in = in[3:] {
			step, which, what := int64(in[0]), in[1], in[2]
			switch {
			case step < 100:
				now += step * grain(s) / 20
			case step < 130:
				now += step - 100
			case step < 200:
				now += max(0, int64(last.NextAfter)+step-180)
			default:
				now += max(0, int64(last.RetryAfter)+step-228)
			}
			name := which % 16
			key := []byte{name}
			cost := int64(which/16) % (s.Capacity() + 2)
			m, seen := models[name]
			if !seen {
				m = modelOf(s, l, key)
			}
			want, after := ask(m, s, cost, now)
			switch what % 8 {
			case 0, 1, 2, 3:
				if got := l.Take(key, cost, at(now)); got != want {
					t.Fatalf("%+v: take of %d at %d:\n got %+v\nwant %+v", s, cost, now, got, want)
				}
				models[name], last = after, want
			case 4:
				if got := l.Peek(key, cost, at(now)); got != want {
					t.Fatalf("%+v: peek of %d at %d:\n got %+v\nwant %+v", s, cost, now, got, want)
				}
			case 5:
				if l.Take(key, cost, at(now)).Allowed {
					l.Refund(key, cost, at(now))
				}
			case 6:
				most = 2000 + int(which)*16
				l = Adopt(l, s, Options{MaxKeys: most}, at(now))
			case 7:
				for range min(int(which), 1500-fresh) {
					fresh++
					if !l.Take(number(fresh), 1, at(now)).Allowed {
						t.Fatalf("%+v: fresh key %d was refused", s, fresh)
					}
				}
			}
			if n := l.Keys(); n > most {
				t.Fatalf("%+v: %d keys, at most %d may be", s, n, most)
			}
		}
	})
}
