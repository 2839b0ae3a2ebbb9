// Package limit is the step that asks limits: whose budget a request is charged
// to, and what the client is told.
//
//	limit "token_bucket" "per_user" { ... }
//	      │ Decode (Block ─▶ Spec)
//	      ▼
//	    Limit ── key of the exchange ──▶ limits.Limiter ──▶ Decision
//	      ▲                                                    │
//	    Phase: check all, then charge all ◀────────────────────┘
//
// A route has up to three phases: limits whose key is known before authentication,
// those keyed by identity, and those of what its service can bear. Inside a phase
// either every limit charges the request or none does; what an earlier phase charged
// stands. What a limit counts as in flight the exchange holds until its end.
package limit
