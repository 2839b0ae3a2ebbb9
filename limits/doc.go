// Package limits decides whether a request may proceed now, by one of several
// algorithms, with a budget for every key.
//
// A decision is one atomic question and answer: Limiter.Take either charges the
// cost and allows, or denies and leaves the state as it was, bit for bit. It
// says in the same breath what remains and when to come back.
//
//	Block (decoded HCL) ──Spec()──▶ Spec (validated, comparable) ──New()──▶ Limiter
//
// Time is an argument and arithmetic is in integers, so decisions are exact and
// a test is a script of moments and answers. The package knows nothing of HTTP
// nor of Consul.
//
// To add an algorithm, write one file and add a line to Algorithms.
package limits
