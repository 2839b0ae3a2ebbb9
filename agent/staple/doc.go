// Package staple keeps what authorities say of the certificates that listeners show,
// by OCSP (RFC 6960), so that handshakes carry it (RFC 6066 section 8) and clients
// need not ask for it.
//
//	data_dir/ocsp ──at the first look──▶ job ─▶ Staple, at each change of what is shown
//	responder ──verified, at half of the life of what is held──▶ job ─▶ data_dir/ocsp
//
// A handshake never waits for any of this: it shows what is held. Certificates that
// name no responder cost nothing. What is held stays until it ends, whatever becomes
// of the responder, unless the responder says that the certificate is revoked.
package staple
