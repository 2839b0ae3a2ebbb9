// Package breaker is a circuit breaker: it keeps callers from waiting for a service
// that is not there, and finds out when it is back by one probe at a time.
//
//	closed ──FailuresToOpen in a row──▶ open ──the pause is over──▶ half open
//	   ▲                                 ▲                              │
//	   │                                 └──the probe failed: a pause ──┤
//	   │                                    twice as long, up to a bound│
//	   └───────────────────────────────────────the probe succeeded──────┘
//
// It imports nothing of ours and never asks what time it is.
package breaker
