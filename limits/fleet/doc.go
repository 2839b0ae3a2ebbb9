// Package fleet divides limits among the gateways of a fleet, so that all of them
// together grant what one of them would alone, without a store that they share:
// each grants its share, one part in as many as there are gateways.
//
//	list of passing gateways ──▶ Size (growth is believed late) ──▶ Share
//	                                                                  │
//	a policy's limits.Spec ──────────────▶ Share.Of ◀─────────────────┘
//	                                          │ this gateway's part
//	                                          ▼
//	                         Limiter: the budgets, adopted when the share changes
//
// # What the parts add up to
//
// Rates divide without a remainder: what comes back in a window comes back in as
// many windows as there are gateways, to the nanosecond and rounded so that the
// parts are never more than the whole. What may be spent at once, the burst of a
// bucket or the limit of a window, is a whole number; what is left over by the
// division goes to the gateways of the lowest ranks, one unit each, so that the
// parts add up to it exactly.
//
// A part is never less than what one request costs, or nothing would ever pass.
// Where that is more than an even share, a bucket's parts add up to more than its
// burst, and never to more than its rate; and the parts of a window are windows
// that are as much longer.
//
// # While the fleet changes
//
// A gateway that joins makes the share of every other one smaller as soon as they
// hear of it. One that left is counted for a while longer, so that one that
// restarts, or whose check fails for a moment, moves nobody's share, and so that
// what it still grants while it drains is not granted twice. What a key has used
// carries over as it does when a policy's numbers change: what remains to it grows
// by no more than its part did.
package fleet
