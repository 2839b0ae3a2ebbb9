package redis

import (
	"fmt"
	"time"

	"github.com/lictor/lictor/limits"
)

// exact is the largest count that Lua's numbers hold for sure.
const exact = 1 << 53

// form is how an algorithm's states are kept: its script and the arguments that
// are the same for all keys.
type form struct {
	// kind names the form of the states. States of one kind are understood by
	// all limits of that kind, whatever their numbers.
	kind   string
	script string
	// interval is not 0 for buckets: what one unit adds to the debt.
	interval int64
	// args are the arguments after the cost and the most; spent ones, which
	// depend on the cost, follow for buckets.
	args []any
	// wall says that the algorithm lives by wall time.
	wall bool
	// window is not 0 when a key's windows begin later than the Unix epoch:
	// offset later or, by key, by up to a window.
	window, offset int64
	byKey          bool
	// state turns a script's answer into the words of limits.Arithmetic.
	state func(at int64, words []int64) []int64
}

// span splits a time into what the scripts calculate with.
func split(ns int64) (ms, rest int64) {
	return ns / int64(time.Millisecond), ns % int64(time.Millisecond)
}

// join is the reverse of split.
func join(ms, rest int64) int64 { return ms*int64(time.Millisecond) + rest }

func pairs(times ...int64) []any {
	var out []any
	for _, t := range times {
		ms, rest := split(t)
		out = append(out, ms, rest)
	}
	return out
}

// formOf fails for a limit whose numbers the store can't hold exactly.
func formOf(spec limits.Spec) (*form, error) {
	if c := spec.Capacity(); c >= exact {
		return nil, fmt.Errorf("a shared limit counts to %d at most, not %d", int64(exact)-1, c)
	}
	switch s := spec.(type) {
	case limits.TokenBucketSpec:
		return bucketForm("bucket", s.Rate, s.Burst), nil
	case limits.LeakyBucketSpec:
		return bucketForm("leaky", s.Rate, s.Burst), nil
	case limits.FixedWindowSpec:
		return &form{
			kind: "fixed", script: fixedLua, wall: true,
			window: int64(s.Window), offset: int64(s.Offset), byKey: s.ByKey,
			args:  append(pairs(int64(s.Window), int64(s.Offset)), s.Limit),
			state: asIs,
		}, nil
	case limits.SlidingWindowSpec:
		return slidingForm(s), nil
	}
	return nil, fmt.Errorf("%s can't be shared", spec.Algorithm())
}

func bucketForm(kind string, r limits.Rate, burst int64) *form {
	t := int64(r.Interval())
	return &form{
		kind: kind, script: meterLua, interval: t, args: pairs(t, burst*t),
		state: func(at int64, w []int64) []int64 { return []int64{at + join(w[0], w[1])} },
	}
}

func slidingForm(s limits.SlidingWindowSpec) *form {
	switch s.Precision {
	case limits.PrecisionLog:
		return &form{
			kind: "log", script: logLua, args: append(pairs(int64(s.Window)), s.Limit),
			state: func(_ int64, w []int64) []int64 {
				return []int64{join(w[0], w[1]), w[2], join(w[3], w[4]), join(w[5], w[6]), join(w[7], w[8])}
			},
		}
	case limits.PrecisionBuckets:
		return &form{
			kind: "buckets", script: bucketsLua, args: append(pairs(int64(s.Width())), s.Buckets, s.Limit),
			state: asIs,
		}
	default:
		return &form{kind: "counter", script: counterLua, args: append(pairs(int64(s.Window)), s.Limit), state: asIs}
	}
}

func asIs(_ int64, words []int64) []int64 { return words }

// words is how many words of state the script answers with.
func (f *form) words(spec limits.Spec) int {
	switch f.kind {
	case "bucket", "leaky", "fixed":
		return 2
	case "counter":
		return 3
	case "log":
		return 9
	default:
		s, _ := spec.(limits.SlidingWindowSpec)
		return int(s.Buckets) + 2
	}
}
