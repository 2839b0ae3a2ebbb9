package consul

import (
	"errors"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/hashicorp/consul/api"
)

const (
	backoffFirst = 250 * time.Millisecond
	backoffMax   = 15 * time.Second
	// backoffRefused is for what asking again does not mend: 403 needs a
	// person, 429 needs fewer questions.
	backoffRefused = 30 * time.Second
	// An answer that is held back is asked for again sooner: the truth may be
	// there any moment, and what is registered anew is to serve within two seconds.
	holdMax        = time.Second
	holdMaxRefused = 5 * time.Second
)

// grow returns the back-off that follows d: 250 ms, then twice as long each
// time up to the limit. A d above the limit comes down to it.
func grow(d, limit time.Duration) time.Duration {
	return min(max(2*d, backoffFirst), limit)
}

// jitter takes away up to half of d; r is a random number in [0, 1).
func jitter(d time.Duration, r float64) time.Duration {
	return d - time.Duration(r*float64(d/2))
}

// chance returns a random number in [0, 1).
func chance() float64 {
	return rand.Float64() //nolint:gosec // it spreads load over time, and guards nothing
}

// limitFor returns how long the back-off after an error may grow.
func limitFor(err error) time.Duration {
	switch statusCode(err) {
	case http.StatusForbidden, http.StatusTooManyRequests:
		return backoffRefused
	}
	return backoffMax
}

// statusCode returns the HTTP status that Consul answered with, or 0 when the
// error is of another kind.
func statusCode(err error) int {
	if se, ok := errors.AsType[api.StatusError](err); ok {
		return se.Code
	}
	return 0
}

// unreachable reports whether the error says that the agent gave no answer at
// all. One that answers with an error is reachable, and so is one that was not
// asked.
func unreachable(err error) bool {
	return err != nil && statusCode(err) == 0 && !errors.Is(err, errNotLoggedIn)
}
