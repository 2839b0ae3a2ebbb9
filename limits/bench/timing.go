package main

import (
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// batch is how often a thing is done between two looks at the clock.
const batch = 1000

// timeOf is the CPU time that f takes, in nanoseconds, done again and again for a
// turn. Time of the CPU, that of collecting garbage included, because a machine
// that has more to do would otherwise be measured with it.
func timeOf(turn time.Duration, f func()) float64 {
	for range batch {
		f()
	}
	start := spent()
	n := repeat(turn, f)
	return float64(spent()-start) / float64(n)
}

// timeOfTwo is timeOf when two goroutines do it at the same time.
func timeOfTwo(turn time.Duration, f func()) float64 {
	for range batch {
		f()
	}
	var n atomic.Int64
	var both sync.WaitGroup
	start := spent()
	for range 2 {
		both.Go(func() { n.Add(repeat(turn, f)) })
	}
	both.Wait()
	return float64(spent()-start) / float64(n.Load())
}

// repeat does f for a turn and returns how often.
func repeat(turn time.Duration, f func()) int64 {
	n := int64(0)
	for end := time.Now().Add(turn); time.Now().Before(end); n += batch {
		for range batch {
			f()
		}
	}
	return max(n, 1)
}

// spent is the CPU time that this process has used.
func spent() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err) // it has no other way to fail than a wrong argument
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
