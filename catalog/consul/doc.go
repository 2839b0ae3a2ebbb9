// Package consul follows services in Consul's catalog, and registers the
// gateway in it.
//
// Each followed service has one watch: a goroutine that asks Consul's health
// endpoint with a blocking query, which the agent answers when something
// changed or the wait is over.
//
//	                 ┌─ probe: is the agent back? ──┐ wakes
//	                 ├─ token file changed ─────────┤
//	                 ▼                              ▼
//	Follow ──▶ Source (owner) ──starts/stops──▶ watch, one per service ──▶ Consul
//	                 ▲                              │  1 ask (index, wait 60 s)
//	                 │                              │  2 tracker: believe, ask again, or hold
//	                 └───────── event ──────────────┘  3 rules: ServiceEntry to Instance
//	                 │
//	                 ├─ content equal: nothing
//	                 └─ else: log the difference, publish a Snapshot, save it to disk
//
// The owner goroutine alone changes what is known; readers get values.
//
// What Consul said last is kept whenever Consul can't be asked or its answer
// can't be believed: a catalog that fails must not take the services with it.
// Three things look like "no instances" and are not: read rights that were
// lost, servers without a leader, and servers that lost their state (see
// empty.go). With Config.DataDir the last good catalog survives the gateway
// too, and is used, marked stale, when Consul is away at the start.
//
// KVWatch follows a prefix of the KV store, where policies may lie, by the same
// rules; KV reads and writes it for the command line.
//
// A followed name may stand for a service in another datacenter, which is asked
// for by a watch like any other, and whose silence is nobody else's: it neither
// ages the catalog nor counts as the agent's. Or for a prepared query, which
// can't block, so that it is executed every few seconds: query.go.
//
// The agent's cache (?cached) is never used: entries in it can freeze.
package consul
