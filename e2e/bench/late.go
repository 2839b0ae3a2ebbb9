package main

import "time"

// lateEvery is how often a CPU is asked whether it is there: often enough to meet
// what lasts milliseconds, and too seldom to cost anything.
const lateEvery = 2 * time.Millisecond

// lateFrom is what a wake-up may be late on a CPU that is there: interrupts, and
// what the kernel does without being interrupted.
const lateFrom = 200 * time.Microsecond

// lateness is how long nobody could run on a CPU, as somebody saw who comes before
// everybody else there and wakes up every lateEvery. The kernel's own count of
// stolen time knows little of what a hypervisor takes.
type lateness struct {
	total, longest time.Duration
	of             time.Duration // for so long somebody looked
}

// add takes a wake-up into account that was that late.
func (l *lateness) add(late time.Duration) {
	if late >= lateFrom {
		l.total += late
		l.longest = max(l.longest, late)
	}
}

// percent returns the share of the time; 0 where nobody looked.
func (l lateness) percent() float64 {
	if l.of <= 0 {
		return 0
	}
	return 100 * float64(l.total) / float64(l.of)
}

// worse returns the one of two CPUs that lost more.
func (l lateness) worse(other lateness) lateness {
	if other.percent() > l.percent() {
		return other
	}
	return l
}
