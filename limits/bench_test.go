package limits

import (
	"math/rand/v2"
	"runtime"
	"runtime/metrics"
	"sync/atomic"
	"testing"
	"time"
)

// benchSpecs has one limit of every kind, as a gateway would have it.
func benchSpecs() []Spec {
	return []Spec{
		TokenBucketSpec{Rate: Rate{1e8, time.Second}, Burst: 1e8},
		FixedWindowSpec{Limit: 1e8, Window: time.Second},
		SlidingWindowSpec{Limit: 1e4, Window: time.Second, Precision: PrecisionCounter},
		SlidingWindowSpec{Limit: 1e8, Window: time.Second, Precision: PrecisionCounter}, // counts beside the word
		SlidingWindowSpec{Limit: 1000, Window: time.Second, Precision: PrecisionLog},
		SlidingWindowSpec{Limit: 1e8, Window: time.Second, Precision: PrecisionBuckets, Buckets: 10},
	}
}

func benchEach(b *testing.B, f func(b *testing.B, s Spec)) {
	for _, s := range benchSpecs() {
		b.Run(kind(s), func(b *testing.B) { f(b, s) })
	}
}

func BenchmarkHotAllowed(b *testing.B) {
	benchEach(b, func(b *testing.B, s Spec) {
		l := s.New(Options{})
		key := []byte("198.51.100.7")
		step := 2*grain(s) + 1
		var now int64
		b.ReportAllocs()
		for b.Loop() {
			now += step
			if !l.Take(key, 1, at(now)).Allowed {
				b.Fatal("denied")
			}
		}
	})
}

func BenchmarkHotDenied(b *testing.B) {
	benchEach(b, func(b *testing.B, s Spec) {
		l := s.New(Options{})
		key := []byte("198.51.100.7")
		l.Take(key, s.Capacity(), at(0))
		b.ReportAllocs()
		for b.Loop() {
			if l.Take(key, 1, at(0)).Allowed {
				b.Fatal("allowed")
			}
		}
	})
}

func BenchmarkMillionKeys(b *testing.B) {
	const keys = 1_000_000
	benchEach(b, func(b *testing.B, s Spec) {
		l := s.New(Options{MaxKeys: 2 * keys})
		var key [8]byte
		r := rand.New(rand.NewPCG(1, 2))
		for i := range keys {
			copy(key[:], number(i))
			l.Take(key[:], 1, at(0))
		}
		b.ReportAllocs()
		b.ResetTimer()
		for b.Loop() {
			n := r.Uint64N(keys)
			for i := range key {
				key[7-i] = byte(n >> (8 * i))
			}
			l.Take(key[:], 1, at(0))
		}
	})
}

func BenchmarkParallelKeys(b *testing.B) {
	benchEach(b, func(b *testing.B, s Spec) {
		l := s.New(Options{})
		var callers atomic.Int64
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			r := rand.New(rand.NewPCG(uint64(callers.Add(1)), 2))
			key := make([]byte, 8)
			for pb.Next() {
				key[0], key[1] = byte(r.Uint32()), byte(r.Uint32())
				l.Take(key, 1, at(0))
			}
		})
	})
}

// BenchmarkParallelHot has all cores charge one key.
func BenchmarkParallelHot(b *testing.B) {
	benchEach(b, func(b *testing.B, s Spec) {
		l := s.New(Options{})
		key := []byte("198.51.100.7")
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for now := int64(0); pb.Next(); now++ {
				l.Take(key, 1, at(now))
			}
		})
	})
}

func BenchmarkFlood(b *testing.B) {
	benchEach(b, func(b *testing.B, s Spec) {
		l := s.New(Options{MaxKeys: 10_000})
		var key [8]byte
		var n uint64
		b.ReportAllocs()
		for b.Loop() {
			n++
			for i := range key {
				key[7-i] = byte(n >> (8 * i))
			}
			l.Take(key[:], 1, at(int64(n)))
		}
	})
}

// BenchmarkMemory holds a million keys and reports what each costs, and what CPU
// time one collection of garbage takes with them.
func BenchmarkMemory(b *testing.B) {
	const keys = 1_000_000
	benchEach(b, func(b *testing.B, s Spec) {
		before := heap()
		l := s.New(Options{MaxKeys: keys})
		for i := range keys {
			l.Take(number(i), 1, at(0))
		}
		held := float64(l.Keys())
		size := float64(heap() - before)
		start := collecting()
		b.ResetTimer()
		for b.Loop() {
			runtime.GC()
		}
		b.ReportMetric(size/held, "B/key")
		b.ReportMetric(held/keys, "held/asked")
		b.ReportMetric((collecting()-start)*1e3/float64(b.N), "gc-cpu-ms/op")
		runtime.KeepAlive(l)
	})
}

// heap is what is reachable, in bytes.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// collecting is the CPU time spent on garbage so far, in seconds.
func collecting() float64 {
	s := []metrics.Sample{{Name: "/cpu/classes/gc/total:cpu-seconds"}, {Name: "/cpu/classes/gc/mark/idle:cpu-seconds"}}
	metrics.Read(s)
	return s[0].Value.Float64() - s[1].Value.Float64()
}
