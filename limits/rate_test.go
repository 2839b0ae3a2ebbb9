package limits

import (
	"math"
	"math/big"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

func TestParseRate(t *testing.T) {
	for s, want := range map[string]Rate{
		"100/s":        {100, time.Second},
		"600/m":        {600, time.Minute},
		"10000/h":      {10000, time.Hour},
		"1/d":          {1, day},
		"5/10s":        {5, 10 * time.Second},
		"3/7d":         {3, 7 * day},
		"1/1h30m":      {1, 90 * time.Minute},
		"2/1.5s":       {2, 1500 * time.Millisecond},
		"7/100ms":      {7, 100 * time.Millisecond},
		"7/ms":         {7, time.Millisecond},
		"1000000000/s": {1e9, time.Second},
		"007/s":        {7, time.Second},
		"1/36500d":     {1, Longest},
	} {
		if got, err := ParseRate(s); err != nil || got != want {
			t.Errorf("%q: %+v, %v; want %+v", s, got, err, want)
		}
	}
}

// TestParseRateErrors checks that an error names the rate and what is wrong.
func TestParseRateErrors(t *testing.T) {
	for s, want := range map[string]string{
		"":                        "no window",
		"100":                     "no window",
		"100 per second":          "no window",
		"/s":                      "count is missing",
		"100/":                    "window is missing",
		"x/s":                     `count "x" is not a whole number`,
		"1.5/s":                   `count "1.5" is not a whole number`,
		"-1/s":                    `count "-1" is not a whole number`,
		" 1/s":                    `count " 1" is not a whole number`,
		"1_000/s":                 "not a whole number",
		"9223372036854775808/s":   "too large",
		"0/s":                     "zero",
		"1/0s":                    "not positive",
		"1/-1s":                   "not positive",
		"1/10":                    "not a duration",
		"1/fortnight":             "not a duration",
		"1/ s":                    "not a duration",
		"1/s/s":                   "not a duration",
		"1/1.5d":                  "not a duration",
		"1/36501d":                "longer than 100 years",
		"1/18446744073709551615d": "not a duration",
		"1/9000000000000d":        "longer than 100 years",
		"1000000001/s":            "more than one a nanosecond",
	} {
		_, err := ParseRate(s)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "rate \"") {
			t.Errorf("%q: %v; want it to say %q", s, err, want)
		}
	}
}

func TestRateString(t *testing.T) {
	for _, s := range []string{"100/s", "600/m", "10000/h", "1/d", "5/10s", "2/1.5s", "1/1h30m0s"} {
		r, err := ParseRate(s)
		if err != nil {
			t.Fatal(err)
		}
		if r.String() != s {
			t.Errorf("%q became %q", s, r)
		}
	}
}

func TestRateRoundsAgainstTheClient(t *testing.T) {
	r := Rate{3, time.Second}
	if r.Interval() != 333333334 {
		t.Errorf("interval %d", r.Interval())
	}
	for n, want := range map[int64]time.Duration{0: 0, 1: 333333334, 2: 666666667, 3: time.Second} {
		if got, ok := r.Span(n); got != want || !ok {
			t.Errorf("span of %d: %d, %t", n, got, ok)
		}
	}
	if d, ok := r.Span(3 * 36500 * 86400); d != Longest || !ok {
		t.Errorf("100 years: %s, %t", d, ok)
	}
	for _, n := range []int64{3*36500*86400 + 1, math.MaxInt64} {
		if d, ok := r.Span(n); ok {
			t.Errorf("span of %d: %s", n, d)
		}
	}
}

// TestMulDiv compares with big integers.
func TestMulDiv(t *testing.T) {
	eachSeed(t, 1, func(t *testing.T, r *rand.Rand) {
		num := func() int64 { return r.Int64() >> r.IntN(63) }
		for range 20_000 {
			a, b, c := num(), num(), num()+1
			if c <= 0 {
				continue
			}
			product := new(big.Int).Mul(big.NewInt(a), big.NewInt(b))
			down, rest := new(big.Int).QuoRem(product, big.NewInt(c), new(big.Int))
			up := new(big.Int).Set(down)
			if rest.Sign() > 0 {
				up.Add(up, big.NewInt(1))
			}
			if got, ok := mulDivDown(a, b, c); ok != down.IsInt64() || ok && got != down.Int64() {
				t.Fatalf("%d*%d/%d down: %d, %t; want %s", a, b, c, got, ok, down)
			}
			if got, ok := mulDivUp(a, b, c); ok != up.IsInt64() || ok && got != up.Int64() {
				t.Fatalf("%d*%d/%d up: %d, %t; want %s", a, b, c, got, ok, up)
			}
		}
	})
}
