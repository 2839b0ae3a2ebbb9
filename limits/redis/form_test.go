package redis

import (
	"strings"
	"testing"
	"time"

	"github.com/lictor/lictor/limits"
)

// blocks are a valid one of each algorithm.
func blocks() map[string]limits.Block {
	return map[string]limits.Block{
		limits.TokenBucketName:   &limits.TokenBucket{Rate: "9/s"},
		limits.LeakyBucketName:   &limits.LeakyBucket{Rate: "9/s", Queue: 4, Immediate: 2},
		limits.FixedWindowName:   &limits.FixedWindow{Limit: 9, Window: "1m"},
		limits.SlidingWindowName: &limits.SlidingWindow{Limit: 9, Window: "1m"},
	}
}

// TestConformance: every algorithm of rates can be shared, and be scaled down to a share.
func TestConformance(t *testing.T) {
	kinds := map[string]string{}
	for _, a := range limits.Algorithms() {
		if a.Holds { // what is in flight is in flight here
			continue
		}
		b, ok := blocks()[a.Name]
		if !ok {
			t.Errorf("no block of %s to try", a.Name)
			continue
		}
		spec, err := b.Spec()
		if err != nil {
			t.Fatal(err)
		}
		f, err := formOf(spec)
		if err != nil || limits.ArithmeticOf(spec) == nil {
			t.Errorf("%s can't be shared: %v", a.Name, err)
			continue
		}
		if other := kinds[f.kind]; other != "" {
			t.Errorf("%s and %s keep the same kind of states", a.Name, other)
		}
		kinds[f.kind] = a.Name
		part := scaled(spec, 1.0/3)
		if part == spec || part.Capacity() >= spec.Capacity() || scaled(spec, 1) != spec {
			t.Errorf("%s: a third of %+v is %+v", a.Name, spec, part)
		}
	}
}

func TestScaled(t *testing.T) {
	for _, c := range []struct {
		spec  limits.Spec
		share float64
		want  limits.Spec
	}{
		{
			limits.TokenBucketSpec{Rate: limits.Rate{Count: 100, Window: time.Second}, Burst: 200},
			0.25,
			limits.TokenBucketSpec{Rate: limits.Rate{Count: 100, Window: 4 * time.Second}, Burst: 50},
		},
		{ // strict spacing stays strict
			limits.LeakyBucketSpec{Rate: limits.Rate{Count: 10, Window: time.Second}, Burst: 1},
			0.5,
			limits.LeakyBucketSpec{Rate: limits.Rate{Count: 10, Window: 2 * time.Second}, Burst: 1},
		},
		{
			limits.LeakyBucketSpec{Rate: limits.Rate{Count: 10, Window: time.Second}, Burst: 9, Queue: 8, Immediate: 5},
			0.5,
			limits.LeakyBucketSpec{Rate: limits.Rate{Count: 10, Window: 2 * time.Second}, Burst: 5, Queue: 4, Immediate: 2},
		},
		{limits.FixedWindowSpec{Limit: 10, Window: time.Hour}, 0.001, limits.FixedWindowSpec{Limit: 1, Window: time.Hour}},
		{
			limits.SlidingWindowSpec{Limit: 10, Window: time.Hour, Precision: limits.PrecisionLog},
			0.5,
			limits.SlidingWindowSpec{Limit: 5, Window: time.Hour, Precision: limits.PrecisionLog},
		},
	} {
		if got := scaled(c.spec, c.share); got != c.want {
			t.Errorf("%v of %+v: got %+v, want %+v", c.share, c.spec, got, c.want)
		}
	}
}

func TestShare(t *testing.T) {
	for _, c := range []struct {
		mine, all, gateways int64
		want                float64
	}{
		{0, 0, 4, 0.25},
		{300, 400, 4, 0.75},
		{0, 400, 4, 0.025},
		{500, 400, 1, 1}, // told at different moments
		{0, 0, 0, 1},
	} {
		var s share
		if s.observe(c.mine, c.all, c.gateways); s.load() != c.want {
			t.Errorf("%d of %d among %d: %v, want %v", c.mine, c.all, c.gateways, s.load(), c.want)
		}
	}
	var d demand
	d.settle(time.Minute)
	d.asked.Add(100)
	if got := d.settle(time.Minute + 2*time.Second); got != 25_000 {
		t.Errorf("100 in 2s after nothing: %d", got)
	}
	if got := d.settle(time.Minute + 3*time.Second); got != 12_500 {
		t.Errorf("and nothing again: %d", got)
	}
}

// TestDigests: nothing of a key is in its name, and keys of different limits,
// kinds, classes and salts never meet.
func TestDigests(t *testing.T) {
	seen := map[digest]bool{}
	for _, salt := range []string{"", "salt"} {
		for _, name := range []string{"a", "ab"} {
			for _, kind := range []string{"bucket", "fixed"} {
				for _, class := range []string{"client.ip/32/64", "client.ip/32/56"} {
					for _, key := range []string{"", "a", "alice"} {
						d := digestOf(domain([]byte(salt), name, kind, class), []byte(key))
						if seen[d] {
							t.Errorf("%q %q %q %q %q meets another", salt, name, kind, class, key)
						}
						seen[d] = true
						full := d.name("lictor", name)
						if want := "{lictor:" + name + ":" + d.String() + "}"; full != want || strings.Contains(full, "alice") {
							t.Errorf("named %s", full)
						}
					}
				}
			}
		}
	}
	for i := range 100 {
		if n := digestOf(nil, []byte{byte(i)}).below(7); n < 0 || n >= 7 {
			t.Errorf("%d is not below 7", n)
		}
	}
}

func TestCheck(t *testing.T) {
	bucket := limits.TokenBucketSpec{Rate: limits.Rate{Count: 1, Window: time.Second}, Burst: 5}
	queue := limits.LeakyBucketSpec{Rate: bucket.Rate, Burst: 5, Queue: 4}
	for _, c := range []struct {
		spec Spec
		want string
	}{
		{Spec{Limit: bucket, Lease: 5}, ""},
		{Spec{Limit: queue, Lease: 1}, ""},
		{Spec{Limit: bucket, Lease: 6}, "a lease of 6"},
		{Spec{Limit: queue, Lease: 2}, "a queue has no leases"},
		{Spec{Limit: limits.FixedWindowSpec{Limit: exact, Window: limits.Longest}}, "at most"},
	} {
		if err := Check(c.spec); (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %q", c.spec, err, c.want)
		}
	}
	if _, err := New(Options{Clock: limits.NewClock()}); err == nil {
		t.Error("a store without an address")
	}
	if _, err := New(Options{Addresses: []string{"127.0.0.1:1"}}); err == nil {
		t.Error("a store without a clock")
	}
}
