package upstream

import (
	"fmt"
	"testing"
)

var sizes = []int{2, 10, 32, 50, 256, 1024}

func BenchmarkAcquireRelease(b *testing.B) {
	for _, bal := range Balancers() {
		for _, n := range sizes {
			b.Run(fmt.Sprintf("%s/%d", bal.Name, n), func(b *testing.B) {
				_, p := newPool(b, PoolSpec{Balance: bal.Name}, instances(n)...)
				b.ReportAllocs()
				var a Attempt
				for b.Loop() {
					a = Attempt{Key: 42}
					p.Acquire(&a, t0)
					a.Report(Success, t0)
					a.Release()
				}
			})
		}
	}
}

// BenchmarkLoaded has 64 exchanges in flight, as a busy gateway has.
func BenchmarkLoaded(b *testing.B) {
	for _, bal := range Balancers() {
		for _, n := range sizes {
			b.Run(fmt.Sprintf("%s/%d", bal.Name, n), func(b *testing.B) {
				_, p := newPool(b, PoolSpec{Balance: bal.Name}, instances(n)...)
				var held [64]Attempt
				for i := range held {
					p.Acquire(&held[i], t0)
				}
				i := 0
				for b.Loop() {
					a := &held[i&63]
					i += 7
					a.Release()
					*a = Attempt{}
					p.Acquire(a, t0)
					a.Report(Success, t0)
				}
			})
		}
	}
}

func BenchmarkAcquireReleaseParallel(b *testing.B) {
	for _, n := range []int{2, 50, 256} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			_, p := newPool(b, PoolSpec{}, instances(n)...)
			b.RunParallel(func(pb *testing.PB) {
				var a Attempt
				for pb.Next() {
					a = Attempt{}
					p.Acquire(&a, t0)
					a.Report(Success, t0)
					a.Release()
				}
			})
		})
	}
}

// BenchmarkLeastLoaded compares the scan with the tournament: one pick, one
// change up and one change down, at each size.
func BenchmarkLeastLoaded(b *testing.B) {
	for _, n := range []int{16, 32, 50, 64, 256, 1024} {
		c := make([]Candidate, n)
		for i := range c {
			c[i] = Candidate{Weight: 1}
		}
		b.Run(fmt.Sprintf("scan/%d", n), func(b *testing.B) {
			turn := int64(0)
			for b.Loop() {
				i := leastLoaded(c)
				turn++
				c[i].Memo = turn
				c[i].InFlight++
				c[i].InFlight--
			}
		})
		b.Run(fmt.Sprintf("tournament/%d", n), func(b *testing.B) {
			var t tournament
			t.build(c)
			turn := int64(0)
			for b.Loop() {
				i := t.winner(c)
				turn++
				c[i].Memo = turn
				c[i].InFlight++
				t.replay(c, i)
				c[i].InFlight--
				t.replay(c, i)
			}
		})
	}
}

func BenchmarkApply(b *testing.B) {
	for _, n := range []int{50, 1024} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			one, two := instances(n), instances(n)
			two[0].Weight = 2
			s, _ := newPool(b, PoolSpec{}, one...)
			x, y := snapshot("consul", one...), snapshot("consul", two...)
			for b.Loop() {
				s.Apply(y)
				x, y = y, x
			}
		})
	}
}

func BenchmarkHash(b *testing.B) {
	for _, weights := range []int{1, 3} {
		b.Run(fmt.Sprintf("weights/%d", weights), func(b *testing.B) {
			c := make([]Candidate, 50)
			for i := range c {
				c[i].Weight = int32(1 + i%weights)
			}
			p := newHash(0)
			p.Arrange(c, ids(len(c)))
			for key := uint64(1); b.Loop(); key++ {
				p.Pick(c, key)
			}
		})
	}
}
