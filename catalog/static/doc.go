// Package static is the catalog source of services that the configuration
// itself lists, for those that no Consul knows. The gateway pings their
// instances where the configuration says how.
//
//	Replace, Follow ──▶ Source (owner) ──starts/stops──▶ checker, one per instance
//	                        ▲                                │ HTTP GET or TCP connect
//	                        └──────────── result ────────────┘
//	                        │
//	                        └─ state changed: publish a Snapshot
//
// An instance without a check is passing. One with a check starts critical,
// "not checked yet", and its first result decides: a success makes it passing
// at once, whatever healthy_after says. healthy_after and unhealthy_after are
// there to ride out flapping, and nothing can have flapped before the first
// result, while a gateway that starts, or learns of a service by a reload,
// should not wait several intervals to serve it. The first pings go out at
// once; the service counts as pending until each instance has its result.
package static
