// Package catalog holds the gateway's view of the services it may send requests
// to, as immutable values.
//
// A Source (Consul, or static blocks of the configuration) follows some origin
// and publishes a fresh Snapshot whenever the content changed:
//
//	Source.Run ──publish──▶ Feed (latest wins) ──Next──▶ follower ──▶ upstream.Set.Apply
//
// Values handed out here are never written again: a change makes new ones. The
// package knows nothing of Consul, of HTTP or of limits, and imports only the
// standard library.
package catalog
