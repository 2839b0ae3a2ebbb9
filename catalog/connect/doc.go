// Package connect gives the gateway its identity in Consul's service mesh
// (Connect), and speaks the mesh's mutual TLS natively: no sidecar stands beside
// the gateway.
//
//	Consul ──leaf (blocking)───▶ Identity ──ClientConfig──▶ dial a sidecar
//	       ──roots (blocking)──▶    │  │
//	       ──protocols (polled)▶    │  └──ServerConfig──▶ be dialled by one
//	       ──intentions ───────▶ Intentions ───────────────┘
//
// As a source, the gateway dials what Consul lists as able to speak Connect,
// shows its leaf certificate, and believes a peer that shows a certificate
// which the mesh's roots vouch for and whose one URI names the service that was
// asked for (SPIFFE). Host names take no part.
//
// As a destination, it shows the same leaf, demands a certificate of each
// client, and lets in whom the intentions let in. Whom permissions are about is let
// in to have each request judged. What it does not know or does not understand it
// refuses.
//
// # What survives what
//
// The leaf and the roots are kept by blocking queries. Each new connection goes
// by the newest ones; connections that exist are left alone, so that a rotation
// breaks no request. While Consul is away the last ones stay in force, the leaf
// until it expires.
//
// The agent's cache is not asked: roots and intentions come from the servers,
// because cached entries can freeze. The one exception is the leaf, which only
// the agent can make.
package connect
