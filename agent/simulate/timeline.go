package simulate

import "time"

// spans is how many parts a timeline has at most.
const spans = 240

// timeline counts over time, in at most so many parts. When the log turns out to
// be longer than they reach, they become twice as long.
type timeline struct {
	begin time.Duration
	width time.Duration // a second times a power of two
	parts []part
}

// part is one part of a timeline.
type part struct{ allowed, denied uint64 }

func (l *timeline) add(at time.Duration, denied bool) {
	if l.width == 0 {
		l.width = time.Second
		l.begin = at.Truncate(time.Second)
	}
	i := max(0, (at-l.begin)/l.width) // what comes late may be earlier than the beginning
	for i >= spans {
		l.halve()
		i = (at - l.begin) / l.width
	}
	for len(l.parts) <= int(i) {
		l.parts = append(l.parts, part{})
	}
	if denied {
		l.parts[i].denied++
	} else {
		l.parts[i].allowed++
	}
}

func (l *timeline) halve() {
	for i, p := range l.parts {
		if i%2 == 0 {
			l.parts[i/2] = p
		} else {
			l.parts[i/2].allowed += p.allowed
			l.parts[i/2].denied += p.denied
		}
	}
	l.parts = l.parts[:(len(l.parts)+1)/2]
	l.width *= 2
}
