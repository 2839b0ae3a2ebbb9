package limits

import (
	"testing"
	"time"
)

func TestTokenBucketDefaultsBurstToOneSecond(t *testing.T) {
	for _, tt := range []struct {
		rate  string
		burst int64
	}{
		{"100/s", 100},
		{"600/m", 10},
		{"90/m", 1},
		{"5/10s", 1},
		{"1/d", 1},
		{"250/500ms", 500},
	} {
		spec, err := (&TokenBucket{Rate: tt.rate}).Spec()
		if err != nil {
			t.Fatalf("%s: %v", tt.rate, err)
		}
		if got := spec.(TokenBucketSpec).Burst; got != tt.burst {
			t.Errorf("%s: burst %d, want %d", tt.rate, got, tt.burst)
		}
	}
}

func TestTokenBucketScript(t *testing.T) {
	spec, err := (&TokenBucket{Rate: "10/s", Burst: 3}).Spec()
	if err != nil {
		t.Fatal(err)
	}
	l := spec.New(Options{})
	const ms = time.Millisecond
	for i, row := range []struct {
		at, cost int64 // milliseconds, units
		want     Decision
	}{
		{0, 1, Decision{Allowed: true, Remaining: 2, NextAfter: 100 * ms, ResetAfter: 100 * ms}},
		{0, 2, Decision{Allowed: true, Remaining: 0, NextAfter: 100 * ms, ResetAfter: 300 * ms}},
		{0, 1, Decision{RetryAfter: 100 * ms, NextAfter: 100 * ms, ResetAfter: 300 * ms}},
		{50, 2, Decision{RetryAfter: 150 * ms, NextAfter: 50 * ms, ResetAfter: 250 * ms}},
		{50, 4, Decision{RetryAfter: Never, NextAfter: 50 * ms, ResetAfter: 250 * ms}},
		{100, 1, Decision{Allowed: true, NextAfter: 100 * ms, ResetAfter: 300 * ms}},
		{400, 0, Decision{Allowed: true, Remaining: 3}},
	} {
		now := Time{Mono: time.Duration(row.at) * ms}
		if got := l.Take([]byte("k"), row.cost, now); got != row.want {
			t.Errorf("row %d: got %+v, want %+v", i, got, row.want)
		}
	}
}
