// Package certs keeps certificates, keys and authorities as their files have
// them, for listeners and for connections to instances.
//
//	files ──look every 2 s, and at a reload──▶ source ──sound──▶ Server ─▶ the next handshake
//	                                             │               Client
//	                                             └─broken: one log line, the old one stays
//
// A connection that is open never notices: what changes is what the next
// handshake sees. Files are compared by content, so it does not matter how they
// are replaced. Of a certificate and its key that are replaced one after the
// other, the moment between is not reported.
package certs
