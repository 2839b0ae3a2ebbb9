package limits

import "time"

// Never is the RetryAfter of a request that can't pass however long it waits,
// because its cost exceeds the capacity.
const Never = time.Duration(-1)

// Decision is the answer to one question. All durations count from the moment
// of the question.
type Decision struct {
	// Allowed says that the cost has been charged (or, for Peek, would be).
	Allowed bool

	// The compiler hands an array over in memory, where it is to stay, and all
	// else in registers, which it then spills and copies: that would take longer
	// than the decision.
	_ [7]byte

	// Delay is how long an allowed request has to wait before it proceeds. Only
	// a queueing leaky bucket delays.
	Delay time.Duration
	// Remaining counts the further requests of cost 1 admissible right now.
	Remaining int64
	// RetryAfter is the least wait after which the same request passes if
	// nobody else asks: 0 when allowed, Never when it can't.
	RetryAfter time.Duration
	// NextAfter is the least wait until Remaining grows; 0 when it is at its
	// most.
	NextAfter time.Duration
	// ResetAfter is the least wait until the key is as if never seen.
	ResetAfter time.Duration
}
