// Package upstream holds the live twins of catalog instances and chooses one of
// them for each request.
//
// A catalog.Service is a value that says who offers a service. An Endpoint is
// the living counterpart of one of its instances: what is in flight there, how
// it fared lately, the connections kept to it. A Pool is what a route sends
// its requests to: the endpoints of one service that match the route, and a
// balancer.
//
//	catalog.Snapshot ─Apply─▶ Set ─owns─▶ service ─owns─▶ Endpoint ◀─┐
//	                           ▲             │ one mutex             │ seat
//	        proxy.Table ─Pool──┘             └────────owns─▶ Pool ───┘
//
//	Pool.Acquire(&attempt) ─▶ Attempt.Report(outcome) ─▶ Attempt.Release
//
// Two things change on their own: the catalog (Apply swaps the seats inside
// long-lived pools) and the policy (Pool and Retain add and drop pools). Neither
// disturbs the other: an endpoint keeps its identity, counters and connections
// for as long as its instance is at the same target and any pool seats it.
//
// # Exactness
//
// Every pick and the increment that follows from it are one act under the
// mutex of the service, held for some tens of nanoseconds and never across a
// system call. A pick that reads counters which others are adding to sends
// bursts to the same endpoint; this one cannot. All pools of a service share
// its endpoints, so what is in flight is exact over all routes.
//
// # Failure
//
// What an endpoint does to a request is reported, and an endpoint that refuses
// connections or keeps failing is benched: see the constants of bench.go. Retries
// of what may have reached an endpoint are bounded by a budget: budget.go.
//
// # Elsewhere
//
// A pool may have fallbacks, the same service in other datacenters, which take
// over while nobody before them is in order: failover.go. And of one service's
// endpoints those in the gateway's own zone may come first: zones.go.
//
// # Shares
//
// A pool may split its requests among services, or among instances of one by their
// tags, each getting its share of them: split.go.
//
// The package reads no clock: the time is an argument wherever it matters.
package upstream
