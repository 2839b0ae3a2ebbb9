// Package limits decides whether a request may proceed now, by one of several
// algorithms, with a budget for every key.
//
// A decision is one atomic question and answer: Limiter.Take either charges the
// cost and allows, or denies and leaves the state as it was, bit for bit. It
// says in the same breath what remains and when to come back.
//
//	Block (decoded HCL) ──Spec()──▶ Spec (validated, comparable) ──New()──▶ Limiter
//	                                                  old Limiter ──Adopt()──▶ Limiter
//	Limiter ──Save()──▶ another process ──Load()──▶ Limiter
//
// Time is an argument and arithmetic is in integers, so decisions are exact and
// a test is a script of moments and answers. Moments are between the Unix epoch,
// or the start of the process, and 90 years after. The package knows nothing of
// HTTP nor of Consul.
//
// # Inside
//
// An algorithm is pure arithmetic on the state of one key (rules). What all of
// them share is where the states are kept, of which there are two ways:
//
//	Take(key, cost, now)
//	  │ 1  a seeded 64-bit digest stands for the key
//	  ▼
//	state is a word, or a word and counts:      it is a log:
//	table                                       keyed
//	  2  segment ─▶ one of two rows ─▶ slot       2  shard, locked ─▶ entry
//	  3  load the word, decide                    3  decide
//	  4  if allowed, compare and swap it          4  if allowed, charge
//	  │                                           │
//	  └──────────────────▶ Decision ◀─────────────┘
//
// Token buckets, leaky buckets and fixed windows are words, and so are sliding
// windows by counter as long as an index and two counts fit into 63 bits. Four
// keys and their words make up a row, which is a cache line; a table has no
// pointers, so the garbage collector doesn't look inside, and costs 16 bytes a
// slot. What doesn't fit lies beside the slot, 4 bytes a count: the window before,
// or the parts of a sliding window by buckets. That changes with the first charge
// in a window, or a part, which takes the lock and makes the word moved meanwhile;
// so the word is also what tells a reader that the counts are of one piece.
//
// Of a key that is held nothing else is locked, and a denial writes nothing. Keys
// that come are added under the lock of their segment: in a slot of their two rows
// that was never used or whose key has got everything back; or after another key
// has been moved to the other row where it may be; or after the segment has grown
// by half; or, at the bound, in place of the key with the least debt. To take a
// key's word away for good, its place is marked as moved, and whoever finds that
// asks under the lock; so neither growth nor a reload loses a charge.
//
// Logs lie in shards, each a map under a lock: how long one is differs from key to
// key, from one moment to a thousand, and a table would have to keep room for the
// longest.
//
// A key that has got everything back is the same as one never seen and is
// reclaimed in passing. So a limiter needs neither timers nor goroutines, and is
// simply dropped when no longer in use.
//
// # Two keys, one digest
//
// A digest has 63 bits that count, and all are compared. Two keys that share one
// would share a budget, and so get less than each on its own, never more. With a
// million keys held, the chance that there is any such pair is 5 in 100 million;
// and whoever wants to bring one about, to use up somebody else's budget, would
// have to know the seed.
//
// # Late callers
//
// A request may be decided on after another that read the clock later. Nobody
// gains by that: a bucket's debt is measured from the caller's own moment, which
// makes it larger, and a window counts who comes late in the newest part known.
//
// # What is in flight
//
// A Holder counts what is under way rather than what began in a span of time. A
// request's places come back when it ends, so a key is known as long as anything
// of it is in flight, exactly, and never forgotten for another. A reload hands over
// the places themselves: what began before ends at the same count. An adaptive one
// has a limit for each key that follows how long answers take; see next.
//
// # Adding an algorithm
//
// Write one file with a Block, a Spec and its rules, and add a line to
// Algorithms. Give it a few Specs in the tests' list of cases (holdCases for a
// Holder), and everything that is asked of the others is asked of it.
package limits
