package limits

import (
	"cmp"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// admission is so many units let through at a moment.
type admission struct{ at, leaves, units int64 }

// most is what an algorithm promises to let pass within a closed span of time
// that begins with one admission and ends with another.
func most(s Spec, from, to int64, edges int64) int64 {
	tau := to - from
	grown := func(r Rate, burst int64) int64 {
		n := new(big.Int).Mul(big.NewInt(tau), big.NewInt(r.Count))
		return burst + n.Quo(n, big.NewInt(int64(r.Window))).Int64()
	}
	switch s := s.(type) {
	case TokenBucketSpec:
		return grown(s.Rate, s.Burst)
	case LeakyBucketSpec:
		return grown(s.Rate, s.Burst)
	case FixedWindowSpec:
		w := int64(s.Window)
		return s.Limit * ((to-edges)/w - (from-edges)/w + 1)
	case SlidingWindowSpec:
		switch {
		case s.Precision != PrecisionCounter:
			return s.Limit * (tau/int64(s.Window) + 1)
		case tau < int64(s.Window):
			return min(2*s.Limit-1, grown(Rate{Count: s.Limit, Window: s.Window}, s.Limit))
		default:
			return grown(Rate{Count: s.Limit, Window: s.Window}, s.Limit)
		}
	}
	return -1
}

// checkEnvelope holds every pair of admissions against the promise.
func checkEnvelope(t *testing.T, s Spec, edges int64, admitted []admission) {
	t.Helper()
	for i := range admitted {
		var units int64
		for j := i; j < len(admitted); j++ {
			units += admitted[j].units
			if bound := most(s, admitted[i].at, admitted[j].at, edges); units > bound {
				t.Fatalf("%d units passed from %d to %d, at most %d may", units, admitted[i].at, admitted[j].at, bound)
			}
		}
	}
}

func edgesOf(l Limiter, key []byte) int64 { return l.(interface{ edges([]byte) int64 }).edges(key) }

// TestEnvelope asks greedily and at random.
func TestEnvelope(t *testing.T) {
	eachCase(t, func(t *testing.T, s Spec) {
		eachSeed(t, 12, func(t *testing.T, r *rand.Rand) {
			l := s.New(Options{})
			key := []byte("key")
			var admitted []admission
			var now int64
			var last Decision
			for range 400 {
				now = walk(r, now, s, last)
				cost := drawCost(r, s)
				if last = l.Take(key, cost, at(now)); last.Allowed && cost > 0 {
					admitted = append(admitted, admission{at: now, units: cost})
				}
			}
			checkEnvelope(t, s, edgesOf(l, key), admitted)
		})
	})
}

// TestAnyClock lets every caller read any time it likes. Whatever they read, no
// more passes than does between the earliest moment read and the latest; and of
// a bucket, nor between any two moments.
func TestAnyClock(t *testing.T) {
	eachCase(t, func(t *testing.T, s Spec) {
		eachSeed(t, 12, func(t *testing.T, r *rand.Rand) {
			l := s.New(Options{})
			admitted := map[byte][]admission{}
			var latest int64
			for range 600 {
				now := r.Int64N(8 * int64(s.Policy().Window))
				latest = max(latest, now)
				key := byte('a' + r.IntN(4))
				cost := drawCost(r, s)
				if d := l.Take([]byte{key}, cost, at(now)); d.Allowed && cost > 0 {
					admitted[key] = append(admitted[key], admission{at: now, leaves: latest, units: cost})
				}
			}
			for key, list := range admitted {
				edges := edgesOf(l, []byte{key})
				for i := range list {
					var units int64
					earliest := list[i].at
					for _, a := range list[i:] {
						units += a.units
						earliest = min(earliest, a.at)
						if bound := most(s, earliest, a.leaves, edges); units > bound {
							t.Fatalf("%d units passed from %d to %d, at most %d may", units, earliest, a.leaves, bound)
						}
					}
				}
				if name := s.Algorithm(); name == TokenBucketName || name == LeakyBucketName {
					slices.SortFunc(list, func(a, b admission) int { return cmp.Compare(a.at, b.at) })
					checkEnvelope(t, s, edges, list)
				}
			}
		})
	})
}

// TestAlternatingClock has two callers, one of whom is always late.
func TestAlternatingClock(t *testing.T) {
	eachCase(t, func(t *testing.T, s Spec) {
		l := s.New(Options{})
		window := int64(s.Policy().Window)
		early, late := 10*window, 7*window
		var units int64
		for i := range 20 * s.Capacity() {
			now := early
			if i%2 == 1 {
				now = late
			}
			if l.Take([]byte("key"), 1, at(now)).Allowed {
				units++
			}
		}
		if units != s.Capacity() {
			t.Errorf("%d units passed, want the capacity of %d", units, s.Capacity())
		}
	})
}

// TestShapedDepartures looks at when delayed requests leave: in any span no more
// than the rate and what is immediate.
func TestShapedDepartures(t *testing.T) {
	eachCase(t, func(t *testing.T, s Spec) {
		shape, ok := s.(LeakyBucketSpec)
		eachSeed(t, 12, func(t *testing.T, r *rand.Rand) {
			l := s.New(Options{})
			var left []admission
			var now int64
			var last Decision
			for range 400 {
				now = walk(r, now, s, last)
				last = l.Take([]byte("key"), 1, at(now))
				if !last.Allowed {
					continue
				}
				if (!ok || shape.Queue == 0) && last.Delay != 0 {
					t.Fatalf("a delay of %s without a queue", last.Delay)
				}
				left = append(left, admission{at: now, leaves: now + int64(last.Delay), units: 1})
			}
			if !ok || shape.Queue == 0 {
				return
			}
			for i := range left {
				for j := i; j < len(left); j++ {
					if left[j].leaves < left[i].leaves {
						t.Fatalf("%+v overtook %+v", left[j], left[i])
					}
					tau := left[j].leaves - left[i].leaves
					bound := shape.Immediate + 1 + tau/int64(shape.Rate.Interval())
					if units := int64(j - i + 1); units > bound {
						t.Fatalf("%d left from %d to %d, at most %d may", units, left[i].leaves, left[j].leaves, bound)
					}
				}
			}
		})
	})
}

// TestAnswersAreExact tries out what an answer says: that the request passes
// after exactly the wait named, that exactly what remains passes, and so on.
func TestAnswersAreExact(t *testing.T) {
	eachCase(t, func(t *testing.T, s Spec) {
		eachSeed(t, 12, func(t *testing.T, r *rand.Rand) {
			l := s.New(Options{})
			key := []byte("key")
			var now int64
			var last Decision
			for range 200 {
				now = walk(r, now, s, last)
				if r.IntN(10) == 0 {
					now = max(0, now-r.Int64N(int64(s.Policy().Window)))
				}
				cost := drawCost(r, s)
				last = l.Take(key, cost, at(now))
				tryOut(t, l, s, key, cost, now, last)
			}
		})
	})
}

func tryOut(t *testing.T, l Limiter, s Spec, key []byte, cost, now int64, d Decision) {
	t.Helper()
	peek := func(cost int64, after time.Duration) Decision { return l.Peek(key, cost, at(now+int64(after))) }
	switch {
	case d.Allowed && d.RetryAfter != 0:
		t.Fatalf("allowed, and to be retried: %+v", d)
	case cost > s.Capacity():
		if d.Allowed || d.RetryAfter != Never {
			t.Fatalf("a cost of %d can't ever pass: %+v", cost, d)
		}
	case !d.Allowed:
		if d.RetryAfter <= 0 || !peek(cost, d.RetryAfter).Allowed || peek(cost, d.RetryAfter-1).Allowed {
			t.Fatalf("cost %d at %d: the retry of %+v isn't the first to pass", cost, now, d)
		}
	}
	if !peek(d.Remaining, 0).Allowed && d.Remaining > 0 || peek(d.Remaining+1, 0).Allowed {
		t.Fatalf("at %d: not exactly %d remain", now, d.Remaining)
	}
	if d.Remaining == s.Capacity() {
		if d.NextAfter != 0 || d.ResetAfter != 0 {
			t.Fatalf("at %d: all remains, and yet %+v", now, d)
		}
		return
	}
	if d.NextAfter <= 0 || peek(0, d.NextAfter).Remaining <= d.Remaining || peek(0, d.NextAfter-1).Remaining > d.Remaining {
		t.Fatalf("at %d: what remains doesn't grow first at the next of %+v", now, d)
	}
	fresh := s.New(Options{MaxKeys: 1}).Peek(key, 0, at(now))
	if d.ResetAfter < d.NextAfter || peek(0, d.ResetAfter) != fresh || peek(0, d.ResetAfter-1) == fresh {
		t.Fatalf("at %d: the key isn't first as never seen at the reset of %+v", now, d)
	}
}

// TestRemainingPassOneByOne spends what remains in units of one.
func TestRemainingPassOneByOne(t *testing.T) {
	eachCase(t, func(t *testing.T, s Spec) {
		eachSeed(t, 12, func(t *testing.T, r *rand.Rand) {
			l := s.New(Options{})
			key := []byte("key")
			var now int64
			var last Decision
			for range 30 {
				now = walk(r, now, s, last)
				last = l.Take(key, drawCost(r, s), at(now))
			}
			for n := last.Remaining; n > 0; n-- {
				if last = l.Take(key, 1, at(now)); !last.Allowed || last.Remaining != n-1 {
					t.Fatalf("with %d left: %+v", n, last)
				}
			}
			if last = l.Take(key, 1, at(now)); last.Allowed {
				t.Fatalf("with none left: %+v", last)
			}
		})
	})
}

// TestDenialAndPeekChangeNothing compares all that the limiter holds, bit for
// bit.
func TestDenialAndPeekChangeNothing(t *testing.T) {
	eachCase(t, func(t *testing.T, s Spec) {
		eachSeed(t, 6, func(t *testing.T, r *rand.Rand) {
			l := s.New(Options{})
			var now int64
			var last Decision
			denied := 0
			for range 300 {
				now = walk(r, now, s, last)
				key := []byte{byte('a' + r.IntN(3))}
				cost := drawCost(r, s)
				before := dump(l)
				peeked := l.Peek(key, cost, at(now))
				if after := dump(l); after != before {
					t.Fatalf("a peek changed\n%s to\n%s", before, after)
				}
				last = l.Take(key, cost, at(now))
				if last != peeked {
					t.Fatalf("peeked %+v, took %+v", peeked, last)
				}
				if last.Allowed && cost > 0 {
					continue
				}
				denied++
				if after := dump(l); after != before {
					t.Fatalf("a denial or a cost of 0 changed\n%s to\n%s", before, after)
				}
			}
			if denied == 0 {
				t.Fatal("nothing was denied")
			}
		})
	})
}

// TestRefundNeverGivesMore refunds more than was charged, twice and late.
func TestRefundNeverGivesMore(t *testing.T) {
	eachCase(t, func(t *testing.T, s Spec) {
		eachSeed(t, 12, func(t *testing.T, r *rand.Rand) {
			l := s.New(Options{})
			key := []byte("key")
			var now int64
			var last Decision
			for range 200 {
				now = walk(r, now, s, last)
				last = l.Take(key, drawCost(r, s), at(now))
				before := l.Peek(key, 0, at(now)).Remaining
				cost := r.Int64N(2*s.Capacity() + 1)
				l.Refund(key, cost, at(max(0, now-r.Int64N(grain(s)+1))))
				after := l.Peek(key, 0, at(now)).Remaining
				if after < before || after > s.Capacity() || after-before > cost {
					t.Fatalf("a refund of %d turned %d remaining into %d", cost, before, after)
				}
			}
		})
	})
}

// TestRefundOfOneAmongOthers gives back a charge after another came: for a
// window that is as if the first had never been.
func TestRefundOfOneAmongOthers(t *testing.T) {
	eachCase(t, func(t *testing.T, s Spec) {
		if name := s.Algorithm(); name == TokenBucketName || name == LeakyBucketName {
			return
		}
		eachSeed(t, 200, func(t *testing.T, r *rand.Rand) {
			l, want := s.New(Options{MaxKeys: 1}), s.New(Options{MaxKeys: 1})
			keyed := want.(interface{ reseed(seed) }) // the same edges for both
			keyed.reseed(l.(interface{ secret() seed }).secret())
			key := []byte("key")
			window := int64(s.Policy().Window)
			first := window + r.Int64N(window)
			second := first + r.Int64N(2*window+2)
			if !l.Take(key, 1+r.Int64N(s.Capacity()), at(first)).Allowed {
				t.Fatal("the first was denied")
			}
			if !l.Take(key, 1, at(second)).Allowed {
				return
			}
			want.Take(key, 1, at(second))
			l.Refund(key, s.Capacity(), at(first))
			if second == first || sameWindow(l, s, key, first, second) {
				return // then the refund took both
			}
			for now := second; now <= second+3*window; now += 1 + r.Int64N(window) {
				if got, want := l.Peek(key, 1, at(now)), want.Peek(key, 1, at(now)); got != want {
					t.Fatalf("charges at %d and %d, the first refunded: at %d\n got %+v\nwant %+v", first, second, now, got, want)
				}
			}
		})
	})
}

// sameWindow reports whether the state can't tell two moments apart.
func sameWindow(l Limiter, s Spec, key []byte, a, b int64) bool {
	m, ok := modelOf(s, l, key).(windowModel)
	if !ok {
		return false
	}
	i, _ := m.now(a)
	j, _ := m.now(b)
	return i == j
}

// TestMeterRefundStopsAtNow keeps a refund from making up for a debt to come.
func TestMeterRefundStopsAtNow(t *testing.T) {
	m := newMeter(Rate{1, 10}, 5, 5)
	for _, tt := range []struct{ tat, cost, at, want int64 }{
		{100, 2, 50, 80},
		{100, 5, 50, 50},
		{100, 1000, 60, 60},
		{100, 5, 95, 95},
		{100, 5, 100, 100},
		{100, 5, 105, 100},
	} {
		if got := m.refund(tt.tat, tt.cost, tt.at); got != tt.want {
			t.Errorf("%+v: got %d", tt, got)
		}
	}
}

// TestNegativeCostIsNone keeps a caller's mistake from filling a budget.
func TestNegativeCostIsNone(t *testing.T) {
	eachCase(t, func(t *testing.T, s Spec) {
		l := s.New(Options{})
		key := []byte("key")
		l.Take(key, s.Capacity(), at(0))
		want := dump(l)
		if got, none := l.Take(key, -5, at(0)), l.Take(key, 0, at(0)); got != none {
			t.Errorf("got %+v, for no cost %+v", got, none)
		}
		if got, none := l.Peek(key, -5, at(0)), l.Peek(key, 0, at(0)); got != none {
			t.Errorf("peeked %+v, for no cost %+v", got, none)
		}
		l.Refund(key, -5, at(0))
		if got := dump(l); got != want {
			t.Errorf("got\n%swant\n%s", got, want)
		}
	})
}

// TestMeterIsTokenBucket: a leaky bucket without a queue decides as a token
// bucket does.
func TestMeterIsTokenBucket(t *testing.T) {
	for _, rate := range []Rate{{1, 10}, {3, 10}, {100, time.Second}, {7, time.Hour}} {
		for _, burst := range []int64{1, 2, 9} {
			token, meter := TokenBucketSpec{rate, burst}, LeakyBucketSpec{Rate: rate, Burst: burst}
			eachSeed(t, 6, func(t *testing.T, r *rand.Rand) {
				a, b := token.New(Options{}), meter.New(Options{})
				var now int64
				var last Decision
				for range 300 {
					now = walk(r, now, token, last)
					cost := drawCost(r, token)
					last = a.Take([]byte("key"), cost, at(now))
					if other := b.Take([]byte("key"), cost, at(now)); other != last {
						t.Fatalf("%s, burst %d, cost %d at %d: %+v and %+v", rate, burst, cost, now, last, other)
					}
				}
			})
		}
	}
}
