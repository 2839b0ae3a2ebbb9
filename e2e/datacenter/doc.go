// Package datacenter runs a real Consul agent on loopback ports of its own and
// speaks to its HTTP API, for the demo and the end-to-end tests.
//
//	Start ──▶ consul agent (dev, or a server with a data directory)
//	StartCluster ──▶ several servers; StartFederation ──▶ several datacenters
//	Agent.Restart ──▶ the same ports; state kept or lost
//	Client ──▶ PUT /v1/agent/service/register, /v1/agent/check/fail/…
//
// It needs nothing but the standard library: what it tests must not also be what
// it tests with.
package datacenter
