// Package acme gets certificates from an ACME server (RFC 8555), and new ones
// before they end.
//
//	Manager ──one job for each domain──▶ certmagic ──order──▶ ACME server
//	   │ View                               │ lock, account,      │ asks
//	   ▼                                    ▼ certificate, key    ▼
//	agent/certs shows it               Storage: files, or     Pending: answered by
//	                                   Consul's KV store      every listener
//
// The orders are certmagic's, with its locks and its layout of what is stored,
// and the protocol is acmez's. What is ours is when, what becomes of a failure,
// and that challenges are answered by the listeners that are there: no other
// address is ever opened.
package acme
