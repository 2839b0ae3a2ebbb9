// Package tickets seals the session tickets of TLS by secrets that gateways share, so
// that a session that was begun at one of them goes on at any, and after a restart.
//
//	file ─▶ secrets ──HKDF, every 12 h─▶ keys ─▶ the session of a handshake ─▶ ticket
//	         first: seals      │          this period's: seals, opens
//	         others: open      └──────────the one's before and after: open
//
// The keys follow from a secret and the time, so gateways with one file change them at
// once without a word to each other, and one whose clock is off by hours still opens
// what the others seal.
//
// # What a ticket is good for
//
// For the name that the session was begun with (RFC 6066 section 3), and for 12 to 24
// hours. A session of TLS 1.2 has one secret for all its connections, so it ends 24
// hours after its full handshake, however often it is resumed (RFC 9325 section 3.4).
// All else that must still hold, such as the authority of a client's certificate,
// crypto/tls asks anew at each handshake.
//
// # What the period does not do
//
// Whoever gets a secret has the keys of all its periods, past ones too. What that opens
// is said in docs/tls.md. Only a secret that is replaced, and gone everywhere, ends it.
package tickets
