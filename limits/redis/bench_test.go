//go:build e2e

package redis

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/lictor/lictor/limits"
)

// BenchmarkAsk measures a decision with a server on the same machine: with a call
// for each, with leases, and of a key that is denied.
func BenchmarkAsk(b *testing.B) {
	st := newStore(b, startServer(b), nil)
	plenty := limits.TokenBucketSpec{Rate: limits.Rate{Count: 1_000_000_000, Window: time.Second}, Burst: 1_000_000_000}
	for _, c := range []struct {
		name string
		spec Spec
		keys uint32
	}{
		{"one_key", Spec{Name: "one", Limit: plenty}, 1},
		{"10k_keys", Spec{Name: "many", Limit: plenty}, 10_000},
		{"lease_10", Spec{Name: "lease10", Limit: plenty, Lease: 10}, 1},
		{"lease_100", Spec{Name: "lease100", Limit: plenty, Lease: 100}, 1},
		{"denied", Spec{Name: "denied", Limit: hourly(1)}, 1},
		{"sliding_counter", Spec{Name: "counter", Limit: limits.SlidingWindowSpec{Limit: 1 << 31, Window: time.Hour, Precision: limits.PrecisionCounter}}, 1},
		{"sliding_log_1000", Spec{Name: "log", Limit: limits.SlidingWindowSpec{Limit: 1000, Window: 100 * time.Millisecond, Precision: limits.PrecisionLog}}, 1},
		{"sliding_buckets", Spec{Name: "buckets", Limit: limits.SlidingWindowSpec{Limit: 1 << 31, Window: time.Hour, Precision: limits.PrecisionBuckets, Buckets: 10}}, 1},
	} {
		for name, crowd := range map[string]int{"alone": 0, "crowd": 32} {
			b.Run(c.name+"/"+name, func(b *testing.B) {
				l := newLimiter(b, st, c.spec)
				before := st.Stats().Calls
				ask := func(i uint32) {
					var key [4]byte
					binary.LittleEndian.PutUint32(key[:], i%c.keys)
					l.Ask(key[:], 1, l.clock())
				}
				if crowd == 0 {
					for i := range b.N {
						ask(uint32(i))
					}
				} else {
					b.SetParallelism(crowd)
					b.RunParallel(func(pb *testing.PB) {
						for i := uint32(0); pb.Next(); i++ {
							ask(i)
						}
					})
				}
				b.ReportMetric(float64(st.Stats().Calls-before)/float64(b.N), "calls/op")
			})
		}
	}
}
