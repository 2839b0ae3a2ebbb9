package staple

import "time"

const (
	// rest is the least time between two questions about one certificate that were
	// both answered.
	rest = 10 * time.Second
	// revokedRest is the longest between those about one that is revoked, which may
	// be taken back (RFC 5280 section 5.3.1, certificateHold).
	revokedRest = time.Hour
	// firstRetry and lastRetry are how long to wait after failures in a row.
	firstRetry, lastRetry = 5 * time.Second, 10 * time.Minute
)

// refresh is how long to wait until an answer is asked for anew: until half of its
// life is over or, where the responder had nothing newer than that, half of what is
// left of it. R is a random number in [0, 1) that spreads a fleet's questions over a
// twentieth of that life.
func refresh(a *answer, now time.Time, r float64) time.Duration {
	life := a.next.Sub(a.this)
	wait := a.this.Add(life / 2).Sub(now)
	if wait <= 0 {
		wait = a.next.Sub(now) / 2
	} else {
		wait += time.Duration(r * float64(life/20))
	}
	if a.revoked {
		wait = min(wait, revokedRest)
	}
	return max(wait, rest)
}

// retry is how long to wait after a number of failures in a row; r is a random number
// in [0, 1).
func retry(failures int, r float64) time.Duration {
	wait := lastRetry
	if failures < 8 {
		wait = min(firstRetry<<(failures-1), lastRetry)
	}
	return wait - time.Duration(r*float64(wait/4))
}
