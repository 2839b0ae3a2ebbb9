package fleet

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/lictor/lictor/limits"
)

func bucket(count int64, window time.Duration, burst int64) limits.TokenBucketSpec {
	return limits.TokenBucketSpec{Rate: limits.Rate{Count: count, Window: window}, Burst: burst}
}

// The parts as a person would work them out.
func TestShareOf(t *testing.T) {
	t.Parallel()
	const s, m = time.Second, time.Minute
	for name, tt := range map[string]struct {
		whole limits.Spec
		cost  int64
		n     int
		want  []limits.Spec // by rank
	}{
		"alone": {bucket(100, s, 7), 1, 1, []limits.Spec{bucket(100, s, 7)}},
		"the remainder goes to the lowest ranks": {
			bucket(100, s, 11), 1, 3,
			[]limits.Spec{bucket(100, 3*s, 4), bucket(100, 3*s, 4), bucket(100, 3*s, 3)},
		},
		"a burst smaller than the fleet": {
			bucket(1, s, 2), 1, 3,
			[]limits.Spec{bucket(1, 3*s, 1), bucket(1, 3*s, 1), bucket(1, 3*s, 1)},
		},
		"a burst that does not hold every gateway's request": {
			bucket(1, s, 10), 4, 3,
			[]limits.Spec{bucket(1, 3*s, 4), bucket(1, 3*s, 4), bucket(1, 3*s, 4)},
		},
		"a queue": {
			limits.LeakyBucketSpec{Rate: limits.Rate{Count: 10, Window: s}, Burst: 21, Queue: 20, Immediate: 5},
			1, 2,
			[]limits.Spec{
				limits.LeakyBucketSpec{Rate: limits.Rate{Count: 10, Window: 2 * s}, Burst: 11, Queue: 10, Immediate: 2},
				limits.LeakyBucketSpec{Rate: limits.Rate{Count: 10, Window: 2 * s}, Burst: 10, Queue: 9, Immediate: 2},
			},
		},
		"a queue smaller than the fleet": {
			limits.LeakyBucketSpec{Rate: limits.Rate{Count: 10, Window: s}, Burst: 2, Queue: 1},
			1, 3,
			[]limits.Spec{
				limits.LeakyBucketSpec{Rate: limits.Rate{Count: 10, Window: 3 * s}, Burst: 1},
				limits.LeakyBucketSpec{Rate: limits.Rate{Count: 10, Window: 3 * s}, Burst: 1},
				limits.LeakyBucketSpec{Rate: limits.Rate{Count: 10, Window: 3 * s}, Burst: 1},
			},
		},
		"a window": {
			limits.FixedWindowSpec{Limit: 8, Window: m, Offset: s},
			1, 3,
			[]limits.Spec{
				limits.FixedWindowSpec{Limit: 3, Window: m, Offset: s},
				limits.FixedWindowSpec{Limit: 3, Window: m, Offset: s},
				limits.FixedWindowSpec{Limit: 2, Window: m, Offset: s},
			},
		},
		"a window smaller than the fleet": {
			limits.FixedWindowSpec{Limit: 2, Window: m, ByKey: true},
			1, 3,
			[]limits.Spec{
				limits.FixedWindowSpec{Limit: 1, Window: 90 * s, ByKey: true},
				limits.FixedWindowSpec{Limit: 1, Window: 90 * s, ByKey: true},
				limits.FixedWindowSpec{Limit: 1, Window: 90 * s, ByKey: true},
			},
		},
		"a sliding window whose parts do not hold a request": {
			limits.SlidingWindowSpec{Limit: 9, Window: m, Precision: limits.PrecisionLog},
			5, 2,
			[]limits.Spec{
				limits.SlidingWindowSpec{Limit: 5, Window: 66666666667, Precision: limits.PrecisionLog},
				limits.SlidingWindowSpec{Limit: 5, Window: 66666666667, Precision: limits.PrecisionLog},
			},
		},
		"the slowest there is": {
			bucket(1, limits.Longest, 1), 1, 2,
			[]limits.Spec{bucket(1, limits.Longest, 1), bucket(1, limits.Longest, 1)},
		},
		"a window of the largest numbers": {
			limits.FixedWindowSpec{Limit: math.MaxInt64, Window: m},
			math.MaxInt64, 2,
			[]limits.Spec{
				limits.FixedWindowSpec{Limit: math.MaxInt64, Window: limits.Longest},
				limits.FixedWindowSpec{Limit: math.MaxInt64, Window: limits.Longest},
			},
		},
	} {
		for rank, want := range tt.want {
			if got := (Share{tt.n, rank}).Of(tt.whole, tt.cost); got != want {
				t.Errorf("%s, rank %d: %+v, want %+v", name, rank, got, want)
			}
		}
	}
	if got := (Share{}).Of(bucket(1, s, 1), 1); got != bucket(1, s, 1) {
		t.Errorf("the zero share is %+v", got)
	}
}

// unknown is a limit that nobody has thought of yet.
type unknown struct{ limits.TokenBucketSpec }

func TestDivisible(t *testing.T) {
	t.Parallel()
	other := unknown{bucket(1, time.Second, 10)}
	if Divisible(other) || (Share{2, 0}).Of(other, 1) != limits.Spec(other) {
		t.Error("an unknown limit was divided")
	}
	if !Divisible(other.TokenBucketSpec) {
		t.Error("a bucket has parts")
	}
}

// pace is how many units come back in a second.
func pace(spec limits.Spec) float64 {
	switch s := spec.(type) {
	case limits.TokenBucketSpec:
		return float64(s.Rate.Count) / s.Rate.Window.Seconds()
	case limits.LeakyBucketSpec:
		return float64(s.Rate.Count) / s.Rate.Window.Seconds()
	default:
		return float64(spec.Capacity()) / spec.Policy().Window.Seconds()
	}
}

// The parts of any limit add up to it: at once exactly, unless it does not hold a
// request for each gateway, and in the long run to no more, and hardly less.
func TestPartsAddUp(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	for range 5_000 {
		n := 1 + random.IntN(12)
		quota := 1 + random.Int64N(60)
		cost := 1 + random.Int64N(quota)
		if random.IntN(2) == 0 {
			cost = 1
		}
		window := time.Millisecond + time.Duration(random.Int64N(int64(time.Hour)))
		rate := limits.Rate{Count: 1 + random.Int64N(1000), Window: window}
		wholes := []limits.Spec{
			limits.TokenBucketSpec{Rate: rate, Burst: quota},
			limits.LeakyBucketSpec{Rate: rate, Burst: quota},
			limits.LeakyBucketSpec{Rate: rate, Burst: quota + 1, Queue: quota, Immediate: random.Int64N(quota + 1)},
			limits.FixedWindowSpec{Limit: quota, Window: window},
			limits.SlidingWindowSpec{Limit: quota, Window: window, Precision: limits.PrecisionLog},
		}
		for _, whole := range wholes {
			quota := whole.Capacity()
			var sum, immediate int64
			var speed float64
			for rank := range n {
				part := Share{n, rank}.Of(whole, cost)
				if part.Capacity() < cost {
					t.Fatalf("%+v of %+v: nothing of cost %d would ever pass %+v", Share{n, rank}, whole, cost, part)
				}
				sum += part.Capacity()
				speed += pace(part)
				if b, ok := part.(limits.LeakyBucketSpec); ok {
					immediate += b.Immediate
					if b.Immediate > b.Queue || b.Queue > 0 && b.Burst != b.Queue+1 {
						t.Fatalf("%+v is no leaky bucket", b)
					}
				}
			}
			if want := max(quota, int64(n)*cost); quota/int64(n) >= cost && sum != quota || sum > want {
				t.Fatalf("%d parts of %+v, cost %d: they hold %d", n, whole, cost, sum)
			}
			if b, ok := whole.(limits.LeakyBucketSpec); ok && immediate > b.Immediate {
				t.Fatalf("%d parts of %+v: %d pass at once", n, whole, immediate)
			}
			if p := pace(whole); speed > p*(1+1e-12) || speed < p*(1-1e-6) {
				t.Fatalf("%d parts of %+v, cost %d: %g a second, want %g", n, whole, cost, speed, p)
			}
		}
	}
}
