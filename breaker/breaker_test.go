package breaker

import (
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const longest = time.Second

// open returns a Breaker that has opened at a time, and passes from before.
func open(t *testing.T, at time.Duration) (b *Breaker, early []Pass) {
	t.Helper()
	b = &Breaker{LongestPause: longest}
	for range 3 {
		p, allowed := b.Allow(at)
		if !allowed {
			t.Fatal("closed, and nobody may call")
		}
		early = append(early, p)
	}
	for i := range FailuresToOpen {
		p, allowed := b.Allow(at)
		if turned := b.Done(at, p, true); !allowed || turned != (i == FailuresToOpen-1) {
			t.Fatalf("failure %d: allowed %t, turned %t", i, allowed, turned)
		}
	}
	if !b.Open() {
		t.Fatal("it is closed")
	}
	return b, early
}

// TestFailuresInARow: a success starts the count anew.
func TestFailuresInARow(t *testing.T) {
	var b Breaker
	for range 3 {
		for _, failed := range append(slices.Repeat([]bool{true}, FailuresToOpen-1), false) {
			p, allowed := b.Allow(0)
			if turned := b.Done(0, p, failed); !allowed || turned || b.Open() {
				t.Fatalf("allowed %t, turned %t, open %t", allowed, turned, b.Open())
			}
		}
	}
}

// TestPauses: one probe after each pause, which grows up to its bound.
func TestPauses(t *testing.T) {
	now := time.Hour
	b, _ := open(t, now)
	var pauses []time.Duration
	for pause := FirstPause; len(pauses) < 6; {
		if _, allowed := b.Allow(now + pause - 1); allowed {
			t.Fatalf("a probe before %v are over", pause)
		}
		now += pause
		p, allowed := b.Allow(now)
		if _, second := b.Allow(now); !allowed || second {
			t.Fatalf("after %v: a probe %t, another beside it %t", pause, allowed, second)
		}
		if b.Done(now, p, true) || !b.Open() {
			t.Fatal("a probe that failed has turned it")
		}
		pauses = append(pauses, pause)
		pause = min(2*pause, longest)
	}
	now += longest
	if p, allowed := b.Allow(now); !allowed || !b.Done(now, p, false) || b.Open() {
		t.Fatal("a probe that succeeded has not closed it")
	}
	for i := range FailuresToOpen { // and it starts from nothing
		p, allowed := b.Allow(now)
		if turned := b.Done(now, p, true); !allowed || turned != (i == FailuresToOpen-1) {
			t.Fatalf("failure %d: allowed %t, turned %t", i, allowed, turned)
		}
	}
	if _, allowed := b.Allow(now + FirstPause); !allowed {
		t.Error("the first pause is longer the second time")
	}
}

// TestLatePasses: whoever called before it opened, comes back while somebody probes.
func TestLatePasses(t *testing.T) {
	for name, late := range map[string]func(*Breaker, Pass) bool{
		"forgotten": func(b *Breaker, p Pass) bool { b.Forget(p); return false },
		"failed":    func(b *Breaker, p Pass) bool { return b.Done(FirstPause, p, true) },
		"succeeded": func(b *Breaker, p Pass) bool { return b.Done(FirstPause, p, false) },
	} {
		t.Run(name, func(t *testing.T) {
			b, early := open(t, 0)
			if late(b, early[0]) || !b.Open() {
				t.Fatal("it has turned")
			}
			probe, allowed := b.Allow(FirstPause)
			if !allowed {
				t.Fatal("no probe")
			}
			if late(b, early[1]) || !b.Open() {
				t.Error("it has turned the breaker that is probed")
			}
			if _, second := b.Allow(FirstPause); second {
				t.Error("it has ended another's probe")
			}
			b.Forget(probe)
			next, allowed := b.Allow(FirstPause)
			if !allowed {
				t.Fatal("no other probe when the first is forgotten")
			}
			if b.Done(FirstPause, probe, false) || !b.Done(FirstPause, next, false) {
				t.Fatal("not the last probe has closed it")
			}
			for range 2 * FailuresToOpen { // what is from before it opened counts no more
				late(b, early[2])
			}
			if b.Open() {
				t.Error("it was opened by calls from long ago")
			}
		})
	}
}

// TestOneProbeAmongMany: of all that ask at once, one may.
func TestOneProbeAmongMany(t *testing.T) {
	b, _ := open(t, 0)
	now := FirstPause
	for range 50 {
		var probes atomic.Int64
		var held atomic.Pointer[Pass]
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				if p, allowed := b.Allow(now); allowed {
					probes.Add(1)
					held.Store(&p)
				}
			})
		}
		all.Wait()
		if n := probes.Load(); n != 1 {
			t.Fatalf("%d probes", n)
		}
		b.Done(now, *held.Load(), true)
		now += longest
	}
}

func TestNoAllocation(t *testing.T) {
	var b Breaker
	if n := testing.AllocsPerRun(100, func() {
		p, _ := b.Allow(0)
		b.Done(0, p, false)
	}); n != 0 {
		t.Errorf("%v allocations a call", n)
	}
}
