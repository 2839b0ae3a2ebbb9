package limits

import (
	"fmt"
	"time"
)

// checkBucket refuses a bucket so deep or so slow that the arithmetic of meter
// could overflow.
func checkBucket(r Rate, burst int64) error {
	full, ok := mulDivUp(burst, int64(r.Interval()), 1)
	if !ok || full > int64(Longest) {
		return fmt.Errorf("%d units at %s take longer than 100 years to come back", burst, r)
	}
	return nil
}

// bucketPolicy describes a bucket to clients.
func bucketPolicy(r Rate, burst int64) Policy {
	window, _ := r.Span(burst)
	return Policy{Quota: burst, Window: window, Interval: r.Interval()}
}

// span makes a duration of nanoseconds.
func span(ns int64) time.Duration { return time.Duration(ns) }
