// Package jwt is the step that says who a client is: it verifies the JSON Web
// Token (RFC 7519) of a request and refuses the request when there is none, when
// it can't be trusted, or when it lacks what the route requires.
//
// A provider vouches for tokens: one issuer, its keys and what else a token must
// satisfy. A route's jwt blocks name providers; one that vouches is enough.
//
//	request ─▶ Step ─▶ location ─▶ candidate ─▶ Provider ─▶ Token ─▶ x.Identity
//	             │      (header,       │           │  ▲
//	             │       cookie,       │           ▼  │ hit: no signature
//	             │       query)        │         cache (digest of the token)
//	             │                     └─ parse: strict compact form and JSON
//	             └─ require, claims_to_headers, what goes upstream
//
//	Registry.Run ─▶ keeper ─▶ file, URL or secret ─▶ keySet ─▶ Provider
//
// Nothing in a token is believed before its signature was verified, and no part
// of its header chooses a key other than one of the provider's: jwk, jku, x5c and
// x5u are ignored (RFC 8725 section 3.10), crit is refused (RFC 7515 section
// 4.1.11). Keys are replaced whole and have a generation; a cached token is good
// for the generation that verified it, and until it expires.
package jwt
