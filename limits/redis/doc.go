// Package redis keeps the budgets of limits in Redis (5 or later) or Valkey, so
// that any number of gateways grant together what one of them would alone.
//
//	Take ──1──▶ known ──2──▶ breaker ──3──▶ script, one key, one call ──▶ store
//	              │ denied,     │ open, or the call failed                 │
//	              │ or leased   ▼                                          │ state
//	              │          OnError: the gateway's share, all or nothing  ▼
//	              └────────────────▶ Decision ◀──5── limits.Arithmetic ◀─4─┘
//
// A decision is one call of one script on one key, however it ends. The script
// reads the store's own clock, so that clients' clocks count for nothing, and
// only decides what is charged; the answer is made of the state that it found,
// by the arithmetic that limiters in memory use. Times are whole milliseconds
// and nanoseconds beyond them, which are both exact in Lua's doubles, so that
// not a nanosecond is lost on the way. A state lives for as long as it matters,
// and a second more.
//
// # Known without asking
//
// What was denied stays denied until something comes back, so a flood is refused
// here and the store hears of it once in a while only. A state is aged by this
// gateway's monotonic clock from when the question was asked, which is before the
// store answered it: so nobody is denied who would pass, unless another gateway
// gave something back meanwhile or the store lost its memory, and then for a few
// seconds at most. A lease takes several units at a time and hands them out here.
//
// # When the store does not answer
//
// No request waits longer than the timeout. Some failures in a row open a circuit
// breaker, and from then on nothing waits until one probe has come back. What is
// decided meanwhile is OnError's to say.
//
// # Names
//
// Keys are "{prefix:limit:digest}", a digest being 128 bits of SHA-256 over a
// salt, what the key is made of, and the key. Nobody's address or name is in the
// store. The braces keep a key's calls on one node of a cluster.
package redis
