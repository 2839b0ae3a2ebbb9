// Package limits decides whether a request may proceed now, by one of several
// algorithms, with a budget for every key.
//
// A decision is one atomic question and answer: Limiter.Take either charges the
// cost and allows, or denies and leaves the state as it was, bit for bit. It
// says in the same breath what remains and when to come back.
//
//	Block (decoded HCL) ──Spec()──▶ Spec (validated, comparable) ──New()──▶ Limiter
//	                                                  old Limiter ──Adopt()──▶ Limiter
//
// Time is an argument and arithmetic is in integers, so decisions are exact and
// a test is a script of moments and answers. Moments are between the Unix epoch,
// or the start of the process, and 90 years after. The package knows nothing of
// HTTP nor of Consul.
//
// # Inside
//
// An algorithm is pure arithmetic on the state of one key (rules); what all of
// them share is where the states are kept:
//
//	Take(key, cost, now)
//	  │ 1  a seeded 128-bit digest stands for the key
//	  ▼
//	keyed ──2──▶ shard ──3──▶ state ──4──▶ rules.decide ──5──▶ Decision
//	                            ▲                 │ 6  only if allowed
//	                            └── rules.charge ◀┘
//
// A key that has got everything back is the same as one never seen and is
// reclaimed in passing; a full shard gives up the key with the least debt. So a
// limiter needs neither timers nor goroutines, and is simply dropped when no
// longer in use.
//
// # Late callers
//
// A request may be decided on after another that read the clock later. Nobody
// gains by that: a bucket's debt is measured from the caller's own moment, which
// makes it larger, and a window counts who comes late in the newest part known.
//
// # Adding an algorithm
//
// Write one file with a Block, a Spec and its rules, and add a line to
// Algorithms. Give it a few Specs in the tests' list of cases, and everything
// that is asked of the others is asked of it.
package limits
