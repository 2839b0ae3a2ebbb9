// Package externalauth asks a service of the operator's whether a request may pass.
// That service gets a GET with what the request is (method, host, path, client) and
// some of its fields, never its body.
//
//	request ─▶ question ─▶ answered lately? ──yes───────────────▶ passes
//	                          │ no
//	                          ▼
//	                       breaker ──open──▶ unavailable ─▶ fail
//	                          │
//	                          ▼
//	                   GET url ── 2xx ──────────────────────────▶ passes, with fields
//	                           ── 401, 403, 302, 303, 307 ──────▶ the client is told so
//	                           ── 5xx, timeout, no connection ──▶ fail: 503, or passes
//	                           ── anything else ────────────────▶ 503
//
// What attackers have been thought of:
//
//   - fail = "open" lets nobody pass who makes the service refuse to answer: what a
//     client can cause by itself, such as 400 or 431, is 503 all the same.
//   - The path that is asked about is the one in normal form, which the instance
//     gets, not one that only looks different.
//   - What the service says goes to the instance in fields that no client can send,
//     in any spelling.
//   - An answer is remembered for the whole question: whatever the service has seen.
//     Refusals are not remembered.
package externalauth
