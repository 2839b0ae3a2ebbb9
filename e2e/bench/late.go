package main

import "time"

// lateEvery is how often a CPU is asked whether it is there: so seldom that it
// costs less than a percent of it.
const lateEvery = 10 * time.Millisecond

// lateFrom is what a wake-up may be late on a CPU that is there: interrupts, and
// what the kernel does without being interrupted.
const lateFrom = 200 * time.Microsecond

// lateness is how long nobody could run on a CPU, as somebody saw who comes before
// everybody else there and wakes up every lateEvery. The kernel's own count of
// stolen time knows little of what a hypervisor takes.
type lateness struct {
	asked, missed int // how often the CPU was asked, and not there
	longest       time.Duration
}

// add takes a wake-up into account that was that late. One that was later than
// the next one was due stands for that one, too.
func (l *lateness) add(late time.Duration) {
	times := 1 + int(max(0, late)/lateEvery)
	l.asked += times
	if late >= lateFrom {
		l.missed += times
		l.longest = max(l.longest, late)
	}
}

// percent returns the share of the time; 0 where nobody looked.
func (l lateness) percent() float64 { return 100 * float64(l.missed) / float64(max(1, l.asked)) }

// worse returns the one of two CPUs that lost more.
func (l lateness) worse(other lateness) lateness {
	if other.percent() > l.percent() {
		return other
	}
	return l
}
